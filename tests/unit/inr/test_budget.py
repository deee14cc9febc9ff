"""Budgets in seconds: epochs from a probe, their place among the settings, and real fits with one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from interruption import Interrupted

from bench.base.errors import BenchError
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.conditions.condition import Condition
from bench.conditions.reader import parse_condition
from bench.inr.fitting.budget import Probe, epochs_within, predicted_s, read_budget
from bench.inr.fitting.recipe import Pruning, RateTarget, Recipe, Rounding
from bench.inr.fitting.trainer import Fit
from bench.video.clip import Clip, ClipInfo

#: 10 s until the fit, 2 s an epoch, 4 s of coding, nothing else.
PROBE = Probe(spent_s=10, epoch_s=(2.0,), once_s=0, save_s=0, refresh_s=0, coding_s=4)
ONE = Recipe(epochs=1, learning_rate=1e-3)


@pytest.mark.parametrize(("encode_s", "epochs"), [(16, 1), (17.9, 1), (18, 2), (100, 43), (101.9, 43)])
def test_epochs_are_those_that_fit_into_the_seconds(encode_s: float, epochs: int) -> None:
    assert epochs_within(encode_s, ONE, PROBE) == epochs


def test_later_phases_and_saved_states_take_their_part() -> None:
    recipe = replace(ONE, save_every=5, prune=Pruning(ratio=0.5, epochs=3), rounding=Rounding(epochs=4))
    probe = replace(PROBE, epoch_s=(2.0, 5.0, 3.0), once_s=1.5, save_s=0.5, refresh_s=0.25)
    twenty = replace(recipe, epochs=20)
    # 27 epochs are saved after 5, 10, 15, 20, 25 and at the end.
    assert predicted_s(twenty, probe) == 10 + 1.5 + 20 * 2 + 3 * 5 + 4 * 3 + 6 * 0.75 + 4
    assert epochs_within(predicted_s(twenty, probe), recipe, probe) == 20
    # FFNeRV's script refreshes its frame buffer every 50 epochs and in the last nine; nothing else does.
    official = replace(twenty, refresh="official")
    assert predicted_s(official, probe) == predicted_s(twenty, probe) + (9 - 6) * 0.25


def test_epochs_with_a_rate_are_slower_than_those_before() -> None:
    recipe = replace(ONE, epochs=2, rate=RateTarget(bpp=0.1, start=0.3))
    probe = replace(PROBE, epoch_s=(2.0, 4.0))
    assert predicted_s(replace(recipe, epochs=10), probe) == 10 + 3 * 2 + 7 * 4 + 4
    assert epochs_within(48, recipe, probe) == 10
    assert epochs_within(47.9, recipe, probe) == 9


def test_too_few_seconds_are_refused_with_the_smallest_number() -> None:
    problem = r"encode_s: 15 s are too few: an encode with 1 epoch takes 16 s; give at least 16 s"
    with pytest.raises(BenchError, match=problem):
        epochs_within(15, ONE, PROBE)


def condition(**values: Any) -> Condition:
    codecs = {"nerv-matched": {"points": {"p": {"channels": 8}, "q": {"channels": 8, "epochs": 7}}}}
    defaults = {"title": "t", "clips": {"c": {"sequence": "discs-tiny"}}, "codecs": codecs}
    return parse_condition({**defaults, **values}, name="mine-v1", path=Path("mine-v1.yaml"))


def test_the_last_of_epochs_and_seconds_counts() -> None:
    """The codec's file has 150 epochs. A point of a condition with a budget in seconds has 7."""
    seconds = condition(budget={"encode_s": 60})
    lengths = [seconds.settings("nerv-matched", point, "c") for point in "pq"]
    assert [(one["epochs"], one["encode_s"]) for one in lengths] == [(None, 60), (7, None)]
    epochs = condition(budget={"epochs": 9}).settings("nerv-matched", "p", "c")
    assert (epochs["epochs"], epochs["encode_s"]) == (9, None)
    info = ClipInfo(name="c", sequence="discs-tiny", width=320, height=180, frames=8, fps=Fraction(25))
    for settings in lengths:
        assert registry.load_family("nerv").skip(info, settings) is None


def test_both_in_one_place_are_refused() -> None:
    problem = r"mine-v1\.yaml: budget: encode_s: cannot be combined with epochs; leave out one of them"
    with pytest.raises(BenchError, match=problem):
        condition(budget={"encode_s": 60, "epochs": 9})
    for wrong in (0, -1, "60", True):
        with pytest.raises(BenchError, match=r"budget: encode_s"):
            condition(budget={"encode_s": wrong})


def plan_of(codec: str, clip: Clip, folder: Path, encode_s: float) -> EncodePlan:
    config = registry.codec_config(codec)
    settings = registry.resolve_settings(config, config.test, {"encode_s": encode_s, "save_every": 1})
    files = {"out": folder / "stream.bin", "report": folder / "encode.json", "state_dir": folder / "state"}
    return EncodePlan(config=config, point="p", settings=settings, clip=clip, device="cpu", **files)


def smallest_s(codec: str, clip: Clip, folder: Path) -> float:
    """The number of seconds in the error of a budget that is too small, as the machine is now."""
    with pytest.raises(BenchError, match="give at least") as caught:
        encode(plan_of(codec, clip, folder, 0.001))
    return float(re.search(r"at least ([\d.]+) s", str(caught.value))[1])


def interrupted_encode(plan: EncodePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encode that ends after the first epoch of its fit, whose state is saved."""
    run = Fit.run

    def interrupt(row: Any) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(Fit, "run", lambda fit, report: run(fit, interrupt))
        with pytest.raises(Interrupted):
            encode(plan)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["nerv-matched", "hnerv-matched-v2"])
def test_a_fit_has_the_epochs_of_its_probe_also_after_an_interruption(
    codec: str, tiny_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / codec
    encode_s = 20 * smallest_s(codec, tiny_clip, folder)  # in reach also if the machine becomes much slower
    plan = plan_of(codec, tiny_clip, folder, encode_s)
    assert list(folder.glob("state/budget-*")) == [], "a budget that is too small is not saved"

    interrupted_encode(plan, monkeypatch)
    (file,) = folder.glob("state/budget-*.json")
    budget = read_budget(file)
    assert budget is not None
    fewest = registry.load_family(plan.config.family).resolve(tiny_clip.info, plan.settings).recipe
    assert budget.epochs == epochs_within(encode_s, fewest, budget.probe)
    whole = replace(fewest, epochs=budget.epochs)
    assert budget.predicted_s == predicted_s(whole, budget.probe) <= encode_s

    # A resumed fit does not probe again. Three epochs take the place of some thousand, to save time.
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "epochs": 3}))
    interrupted_encode(plan, monkeypatch)
    report = encode(plan)
    assert report["energy"]["reason"] == "the encode was interrupted, and resumed"
    assert report["budget"] == {**values, "epochs": 3}
    assert len(report["details"]["fit_log"]) == replace(fewest, epochs=3).total_epochs
    assert report["settings"]["encode_s"] == encode_s
    assert report["settings"]["epochs"] is None
    assert report["wall_s"] >= sum(stage["wall_s"] for stage in report["stages"].values()) > 0
    if codec == "nerv-matched":
        same = {**plan.settings, "encode_s": None, "epochs": 3}
        again = encode(replace(plan, settings=same, out=folder / "same.bin", report=None, state_dir=None))
        assert again["stream_sha256"] == report["stream_sha256"], "the budget decides the epochs and no more"
