"""Saved states belong to their inputs. Fits that diverge end in that epoch and keep their last good state."""

from __future__ import annotations

import itertools
import json
import math
import resource
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from interruption import Interrupted
from torch import nn

from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.inr.fitting.divergence import Diverged, divergence
from bench.inr.fitting.fit_state import EpochLog, SavedState, saved_states, state_file
from bench.inr.fitting.recipe import Pruning, Recipe
from bench.inr.fitting.trainer import Fit
from bench.inr.network.representation import FramewiseVideo
from bench.video.clip import Clip


class Painter(nn.Module):
    """One learned picture, the same at all times, bounded by a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Parameter(torch.zeros(1, 3, 12, 16))

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        return self.picture.sigmoid().expand(len(time), -1, -1, -1)


@pytest.fixture
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(64, 192, (1, 3, 12, 16), generator=generator, dtype=torch.uint8)
    return picture.repeat(6, 1, 1, 1)


class Folder:
    """A state folder, and the lines that fits in it print."""

    def __init__(self, path: Path, frames: torch.Tensor) -> None:
        self.path, self.frames = path, frames
        self.lines: list[str] = []

    def inputs(self, *, sources: str = "a", clip: str = "c", **recipe: Any) -> dict[str, Any]:
        values = json.loads(json.dumps(asdict(self.recipe(**recipe))))
        return {"clip": clip, "recipe": values, "sources": sources}

    @staticmethod
    def recipe(**values: Any) -> Recipe:
        return Recipe(**{"epochs": 4, "learning_rate": 0.05, "loss": "L2", "save_every": 1, **values})

    def fit(self, *, adopt: bool = False, after: Diverged | None = None, **values: Any) -> Fit:
        recipe = {key: value for key, value in values.items() if key not in ("sources", "clip")}
        return Fit(
            FramewiseVideo(Painter(), frames=6, height=12, width=16),
            self.frames,
            self.recipe(**recipe),
            state_dir=self.path,
            inputs=self.inputs(**values),
            adopt=adopt,
            after=after,
            notify=self.lines.append,
        )

    def epochs(self, **values: Any) -> list[int]:
        """Run a fit to its end. Return the epochs that it trained."""
        rows: list[int] = []
        self.fit(**values).run(lambda row: rows.append(row.epoch))
        return rows


@pytest.fixture
def folder(tmp_path: Path, frames: torch.Tensor) -> Folder:
    return Folder(tmp_path, frames)


@pytest.mark.parametrize("change", [{"epochs": 6}, {"sources": "b"}, {"clip": "d"}, {"loss": "L1"}])
def test_a_state_of_other_settings_is_kept_and_reported(folder: Folder, change: dict[str, Any]) -> None:
    folder.epochs()
    old = state_file(folder.path, folder.inputs())
    content = old.read_bytes()
    assert folder.epochs(**change) == list(range(change.get("epochs", 4)))
    assert old.read_bytes() == content
    (line,) = folder.lines
    assert line.startswith(f"a state of 4 epochs from other settings is kept in {old}")
    assert next(iter(change)) in line
    assert folder.epochs() == []  # the old settings find their state again


def test_more_epochs_adopt_a_state_and_follow_the_new_schedule(folder: Folder) -> None:
    folder.epochs()
    fit = folder.fit(adopt=True, epochs=6, learning_rate=0.02)
    log = fit.run()
    assert len(log) == 6
    rate = folder.recipe(epochs=6, learning_rate=0.02).rate_at(5 + 5 / 6)
    assert log[-1].learning_rate == rate
    assert log[0].learning_rate == folder.recipe().rate_at(5 / 6)
    assert "adopts the state of 4 epochs" in folder.lines[-1]
    assert "Adam starts anew" in folder.lines[-1]
    differing = {"recipe.epochs": [4, 6], "recipe.learning_rate": [0.05, 0.02]}
    assert fit.adopted == [{"epochs": 4, "inputs": differing}]
    # The record of the adoption is part of the new state.
    again = folder.fit(epochs=6, learning_rate=0.02)
    again.run()
    assert again.adopted == fit.adopted


def test_new_code_adopts_an_interrupted_state_with_its_optimiser(folder: Folder) -> None:
    def stop(row: EpochLog) -> None:
        if row.epoch == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        folder.fit().run(stop)
    assert folder.epochs(adopt=True, sources="b") == [2, 3]
    assert "Adam" not in folder.lines[-1]
    folder.epochs()
    states = {state.path: state for state in saved_states(folder.path)}
    weights = [torch.load(path, weights_only=True)["network"]["picture"] for path in states]
    assert len(weights) == 2
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clip": "d"}, "clip differs"),
        ({"loss": "L1"}, "recipe.loss differs"),
        ({"epochs": 2}, "its recipe differs, and it has 4 epochs: at most 2 can be adopted"),
        ({"batch_size": 2, "epochs": 9}, "recipe.batch_size differs"),
    ],
)
def test_an_unsound_adoption_is_refused_with_the_reason(
    folder: Folder, change: dict[str, Any], reason: str
) -> None:
    folder.epochs()
    assert folder.epochs(adopt=True, **change) == list(range(change.get("epochs", 4)))
    assert folder.lines == [folder.lines[0]]
    assert folder.lines[0].endswith(f"it cannot be adopted: {reason}")


def test_a_state_within_a_fine_tuning_phase_is_not_adopted_by_more_epochs(folder: Folder) -> None:
    recipe = folder.recipe(prune=Pruning(ratio=0.5, epochs=2))
    inputs = {"recipe": json.loads(json.dumps(asdict(recipe))), "sources": "a"}
    longer = {"recipe": {**inputs["recipe"], "epochs": 6}, "sources": "a"}
    tuned = SavedState(path=Path("fit.pt"), inputs=inputs, epochs=5, finished=False)
    assert "at most 4 can be adopted" in tuned.obstacle(longer)
    assert tuned.obstacle({**inputs, "sources": "b"}) == ""
    assert SavedState(path=Path("fit.pt"), inputs=None, epochs=5, finished=False).obstacle(inputs)


def test_a_state_from_before_a_setting_existed_is_adopted_where_the_setting_has_its_default(
    folder: Folder,
) -> None:
    inputs = {"recipe": json.loads(json.dumps(asdict(folder.recipe()))), "sources": "a"}
    for name in ("space", "betas"):
        earlier = {"recipe": {k: v for k, v in inputs["recipe"].items() if k != name}, "sources": "a"}
        state = SavedState(path=Path("fit.pt"), inputs=earlier, epochs=3, finished=False)
        assert state.obstacle(inputs) == ""
    other = {"recipe": {**inputs["recipe"], "space": "yuv420"}, "sources": "a"}
    assert SavedState(path=Path("fit.pt"), inputs=inputs, epochs=3, finished=False).obstacle(other)


def finite_states(folder: Folder) -> bool:
    states = [torch.load(state.path, weights_only=True) for state in saved_states(folder.path)]
    return all(value.isfinite().all() for state in states for value in state["network"].values())


def test_a_loss_that_is_not_finite_ends_the_fit_in_its_epoch(folder: Folder) -> None:
    folder.epochs(epochs=2)
    for epochs in (3, 600):
        with pytest.raises(Diverged) as caught:
            folder.fit(epochs=epochs, learning_rate=1e38, warmup=0.0, betas=(0.0, 0.0)).run()
        assert caught.value.epoch <= 2
        assert "the learning rate (" in str(caught.value)
        assert "is probably too high; lower learning_rate" in str(caught.value)
    assert finite_states(folder)


def test_a_broken_weight_is_never_saved(folder: Folder) -> None:
    fit = folder.fit()

    def break_a_weight(row: EpochLog) -> None:
        if row.epoch == 1:
            with torch.no_grad():
                fit.representation.network.picture[0, 0, 0, 0] = math.nan

    with pytest.raises(Diverged, match=r"epoch 2: the loss is nan.*lower learning_rate"):
        fit.run(break_a_weight)
    assert finite_states(folder)
    (state,) = saved_states(folder.path)
    assert state.epochs == 2


def test_a_saturated_network_is_refused(folder: Folder) -> None:
    """A rate of 1000 saturates the output: every pixel is 0 or 1, and no gradient is left."""
    with pytest.raises(Diverged, match="is below that of a grey picture and does not rise"):
        folder.fit(epochs=50, learning_rate=1e4, warmup=0.0).run()


def test_a_fit_restarts_once_with_half_the_rate(folder: Folder) -> None:
    settings = {"restart_diverged": True}
    fit = folder.fit(**settings)

    def collapse(row: EpochLog) -> None:
        if row.epoch == 1:
            with torch.no_grad():
                fit.representation.network.picture.fill_(math.nan)

    with pytest.raises(Diverged) as caught:
        fit.run(collapse)
    again = folder.fit(after=caught.value, **settings)
    log = again.run()
    assert [row.epoch for row in log] == [0, 1, 2, 3]
    assert log[2].learning_rate == folder.recipe().rate_at(2 + 5 / 6) / 2
    assert again.restarts == [{"epoch": 2, "reason": "the loss is nan", "resumed_at": 2, "rate_factor": 0.5}]
    assert folder.lines == [
        "diverged in epoch 2: the loss is nan",
        "restarts from epoch 2 with 0.5 of the learning rate",
    ]
    assert folder.fit(**settings).run() == log


def test_an_encode_restarts_once(tiny_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rate diverges at once. With half of it the fit diverges again, and the encode ends."""
    config = registry.codec_config("nerv-matched")
    changes = {"learning_rate": 1e30, "restart_diverged": True, "epochs": 2, "save_every": 1}
    settings = registry.resolve_settings(config, {}, {**config.test, **changes})
    plan = EncodePlan(
        config=config, point="test", settings=settings, clip=tiny_clip, out=tmp_path / "stream.bin"
    )
    with pytest.raises(Diverged):
        encode(plan)
    assert "restarts from epoch 0 with 0.5 of the learning rate" in capsys.readouterr().err
    assert not (tmp_path / "stream.bin").exists()


def test_no_tracked_fit_would_have_been_stopped() -> None:
    """Even for a clip that one grey picture shows perfectly."""
    grey = torch.full((1, 3, 4, 4), 127, dtype=torch.uint8)
    reports = sorted((ROOT / "results" / "reference").glob("*/*/*/*/seed*/encode.json"))
    logs = [(values, values["details"]["fit_log"]) for values in map(read, reports)]
    fitted = [(values, log) for values, log in logs if log]
    assert len(fitted) > 5
    for values, log in fitted:
        config = registry.codec_config(values["codec"]).model_copy(update={"settings": {}})
        recipe = Recipe.from_settings(registry.resolve_settings(config, {}, values["settings"]))
        # A fit in YUV 4:2:0 logs the PSNR of its planes.
        names = {"psnr_yuv_db": "psnr_rgb_db"}
        rows = [EpochLog(**{names.get(key, key): value for key, value in row.items()}) for row in log]
        for rows_so_far in itertools.accumulate([[row] for row in rows]):
            assert divergence(rows_so_far, recipe, grey) == ""


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_a_full_disk_keeps_the_previous_state(folder: Folder) -> None:
    """RLIMIT_FSIZE fails a write as a full disk does; torch reports it as a RuntimeError of its own."""
    fit = folder.fit(epochs=3)
    before: list[bytes] = []

    def limit(row: EpochLog) -> None:
        path = state_file(folder.path, folder.inputs(epochs=3))
        before.append(path.read_bytes())
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            fit.run(limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
    path = state_file(folder.path, folder.inputs(epochs=3))
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before[0]
    assert list(folder.path.iterdir()) == [path]
