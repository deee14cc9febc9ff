"""Steps in fixed memory: the same as eager ones, whatever records them; fallback where a recording fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from no_reading import NoReading
from torch import Tensor

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from bench.codec import registry
from bench.inr.coding.uniform import StepQuantiser
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.recipe import Pruning, RateTarget, Recipe, Rounding
from bench.inr.fitting.recorded_step import (
    GRAPHS_VARIABLE,
    WARM_UP,
    Outputs,
    RecordedStep,
    cuda_graph,
    recorder,
    updated_tensors,
)
from bench.inr.fitting.step import train_step
from bench.inr.fitting.trainer import Fit
from bench.inr.network.representation import FramewiseVideo, Representation
from bench.video.clip import ClipInfo
from ffnerv.config import FFNeRVConfig
from ffnerv.model import FFNeRV
from ffnerv.video import FFNeRVVideo

pytestmark = pytest.mark.numeric

FAMILIES = ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"]
RECIPE = Recipe(epochs=1, learning_rate=1e-2, loss="L2")


def again(function: Callable[[], Outputs]) -> Callable[[], Outputs]:
    """A recorder for a CPU: a replay calls the function again, and copies its results to fixed tensors."""
    kept: list[Tensor] = []

    def replay() -> Outputs:
        outputs = function()
        if not kept:
            kept.extend(outputs)
        for target, value in zip(kept, outputs, strict=True):
            target.copy_(value)
        return kept[0], kept[1]

    return replay


def small_nerv() -> FramewiseVideo:
    torch.manual_seed(0)
    config = NeRVConfig(base=(3, 4), channels=8, strides=(2, 2), lower_width=8, stem_width=16)
    return FramewiseVideo(NeRV(config), frames=6, height=12, width=16)


def small_ffnerv() -> FFNeRVVideo:
    torch.manual_seed(0)
    config = FFNeRVConfig(base=(2, 2), channels=8, strides=(2, 2, 2), grid_lengths=(2, 4), lower_width=4)
    return FFNeRVVideo(FFNeRV(config), frames=6, height=12, width=16)


@pytest.fixture
def frames() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 3, 12, 16), generator=generator, dtype=torch.uint8)


def recorded(video: Representation, frames: Tensor, **how) -> RecordedStep:
    optimiser, parameters = make_optimiser(video, RECIPE), list(video.network.parameters())

    def compute(index: Tensor) -> Outputs:
        target = video.targets(frames, index)
        return train_step(video, optimiser, index, target, learning_rate=1e-2, loss="L2")

    return RecordedStep(
        compute,
        samples=2,
        device=torch.device("cpu"),
        state=lambda: updated_tensors(parameters, optimiser),
        parameters=parameters,
        **how,
    )


def losses_of(step: RecordedStep, count: int = WARM_UP + 5) -> list[float]:
    return [float(step(torch.tensor([k % 6, (k + 1) % 6]))[0]) for k in range(count)]


@pytest.mark.parametrize("make", [small_nerv, small_ffnerv])
def test_a_recorded_step_has_the_losses_of_an_eager_one(make: Callable[[], Representation], frames: Tensor):
    lines: list[str] = []
    one, other = make(), make()
    step = recorded(other, frames, record=again, notify=lines.append)
    assert losses_of(step) == losses_of(recorded(one, frames))
    assert step.replay is not None
    assert lines == []
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)


def fails(function: Callable[[], Outputs]) -> Callable[[], Outputs]:
    raise RuntimeError("operation not permitted when stream is capturing\nmore lines")


def repeats_nothing(function: Callable[[], Outputs]) -> Callable[[], Outputs]:
    """A faulty recording: the weights stay as they are."""
    state = torch.zeros(()), torch.zeros(2)
    return lambda: state


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (fails, "operation not permitted when stream is capturing"),
        (repeats_nothing, "a recorded step differs"),
    ],
)
def test_steps_run_eagerly_where_a_recording_fails(frames: Tensor, record: Callable, reason: str) -> None:
    """The weights are those of eager steps, and one line gives the reason."""
    lines: list[str] = []
    one, other = small_nerv(), small_nerv()
    step = recorded(other, frames, record=record, notify=lines.append)
    assert losses_of(step) == losses_of(recorded(one, frames))
    assert step.replay is None
    assert len(lines) == 1
    assert lines[0].startswith(f"training steps run without a CUDA graph: {reason}")


def test_gradients_of_a_recording_are_restored(frames: Tensor) -> None:
    """A step of fewer samples, which runs eagerly, replaces the gradients of all weights."""
    video = small_nerv()
    step = recorded(video, frames, record=again)
    losses_of(step)
    kept = list(step._gradients)
    for parameter in video.network.parameters():
        parameter.grad = None
    step.record, step.replay = None, lambda: (torch.zeros(()), torch.zeros(2))
    step(torch.tensor([0, 1]))
    assert all(p.grad is g for p, g in zip(video.network.parameters(), kept, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"rounding": Rounding(epochs=2), "restart_adam": True, "clip_gradient": 1.0},
        {"prune": Pruning(ratio=0.4, epochs=5), "batch_size": 4},
        {"optimiser": "muon"},
        {"rate": RateTarget(bpp=4.0)},
        {"rate_weight": 0.01},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_recorded_fit_ends_in_the_same_weights(frames: Tensor, changes: dict) -> None:
    """In every phase. What cannot be recorded, as Muon's update, follows each recorded part."""
    recipe = replace(RECIPE, epochs=5, **changes)
    videos = one, other = small_nerv(), small_nerv()
    eager, fit = (
        Fit(video, frames, recipe, choose_quantiser=lambda network: StepQuantiser(4)) for video in videos
    )
    fit.record = again
    assert [row.loss for row in fit.run()] == [row.loss for row in eager.run()]
    assert any(step.replay for step in fit._steps.values())
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_does_not_wait_for_the_device(family: str) -> None:
    config, codec = registry.codec_config(f"{family}-matched"), registry.load_family(family)
    info = ClipInfo(name="x", sequence="x", width=64, height=48, frames=4, fps=Fraction(25))
    settings = registry.resolve_settings(config, {}, config.test)
    video = codec.start(info, settings, device="cpu")
    recipe = codec.resolve(info, settings).recipe
    optimiser = make_optimiser(video, recipe)
    frames = torch.zeros(4, 3, 48, 64, dtype=torch.uint8)
    index = torch.arange(video.samples_per_frame)

    def step() -> None:
        target = video.targets(frames, index)
        train_step(video, optimiser, index, target, learning_rate=1e-3, loss=recipe.loss)

    step()  # fills caches
    with NoReading():
        step()


def test_fits_record_their_steps_on_a_gpu_on_demand_only(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    monkeypatch.delenv(GRAPHS_VARIABLE, raising=False)
    assert recorder(gpu) is recorder(cpu) is None
    monkeypatch.setenv(GRAPHS_VARIABLE, "1")
    assert recorder(gpu) is cuda_graph
    assert recorder(cpu) is None
