"""`bench states`: which saved states are still used, and their removal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.base.locks import locked
from bench.base.result_files import clip_file
from bench.cli import main
from bench.codec import registry
from bench.inr.codec import INRCodec
from bench.inr.encoding import fit_inputs
from bench.inr.fitting.fit_state import state_file
from bench.workflow.plan import make_plan, planned_info

FIT = ("demo-v1", "bunny-320x180", "nerv-matched", "bpp0.12", "seed0")


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that writes a state of a fit of demo-v1, with changed inputs, in a new working directory."""
    monkeypatch.chdir(tmp_path)
    plan = make_plan("demo-v1")
    codec = registry.load_family("nerv")
    assert isinstance(codec, INRCodec)
    info = planned_info(plan.condition, FIT[1])
    clip_json = Path(clip_file(FIT[0], FIT[1], "clip.json"))
    clip_json.parent.mkdir(parents=True)
    clip_json.write_text(json.dumps(info.to_json()))
    inputs = fit_inputs(codec, info, codec.resolve(info, plan.settings_of(*FIT[1:4])), seed=0)

    def add(*names: str, epochs: int = 3, **changes: Any) -> Path:
        folder = Path("results", "state", *(names or FIT))
        folder.mkdir(parents=True, exist_ok=True)
        values = {**inputs, **changes}
        path = state_file(folder, values)
        torch.save({"inputs": values, "log": [{}] * epochs, "optimiser": {}}, path)
        return path

    return add


def listing(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["states", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_states_are_listed_with_their_use(
    add: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    states = {
        "yes": add(epochs=4),
        "no differs: sources, torch": add(sources="0", torch="2.0"),
        "no no condition gone-v1": add("gone-v1", *FIT[1:]),
        "no condition demo-v1 has no such point": add(*FIT[:3], "gone", "seed0"),
        "unknown is not a folder of the workflow": add("elsewhere"),
    }
    Path("results/state/weights").mkdir()
    Path("results/state/weights/other.pt").touch()
    lines = listing(capsys)
    for use, path in states.items():
        (line,) = [line for line in lines if line.startswith(f"{path} ")]
        assert " ".join(line.split()).endswith(use)
    assert "4 of " in next(line for line in lines if line.startswith(str(states["yes"])))
    assert lines[-1].startswith("5 states, ")


def test_only_unused_states_are_removed(add: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    used, unknown = add(), add("elsewhere")
    unused = [add(sources="0"), add("gone-v1", *FIT[1:])]
    assert listing(capsys, "--unused", "--remove")[-1] == "removed 2 states"
    assert used.exists()
    assert unknown.exists()
    assert not any(path.exists() for path in unused)


def test_the_states_of_a_fit_that_runs_are_not_removed(
    add: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    state = add(sources="0")
    with locked(state.parent):
        assert main(["states", "--unused", "--remove"]) == 2
    assert "is in use by process" in capsys.readouterr().err
    assert state.exists()
    assert listing(capsys, str(state.parent), "--remove")[-1] == "removed 1 states"
    assert not state.exists()


def test_a_damaged_file_is_not_listed_and_a_missing_folder_is_refused(
    add: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    add().write_bytes(b"not a state")
    assert listing(capsys)[-1] == "0 states, 0.0 MB"
    assert main(["states", "nowhere"]) == 2
    assert capsys.readouterr().err == "error: nowhere: no such folder; give a folder in results/state\n"
