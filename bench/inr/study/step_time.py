"""Time of one training step, by its stages and as a whole."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bench.base.errors import BenchError
from bench.inr.fitting import recorded_step
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.recorded_step import (
    Outputs,
    RecordedStep,
    Recorder,
    set_learning_rate,
    updated_tensors,
)
from bench.inr.fitting.step import compute_gradients, update_weights
from bench.inr.network import runtime
from bench.inr.network.representation import Representation

#: Random frames that steps are timed on. Few, so that the memory at 1080p is that of a step.
FRAMES = 8
#: First steps, which are not counted: kernels are chosen, memory is allocated, the step is recorded in them.
WARM_UP = recorded_step.WARM_UP + 1
#: Timed stages of a step.
STAGES = ("network", "rest of the loss", "backward", "optimiser")


def time_steps(
    representation: Representation, *, recipe: Recipe, steps: int, synchronize: Callable[[], None]
) -> dict[str, float]:
    """Median milliseconds of each of `STAGES` over some training steps of one frame each.

    `network` is the forward pass of the representation's network; the remainder of `Representation.step`
    (aggregation, loss) is `rest of the loss`. The device is synchronised between the stages, which a fit does
    not do. On a GPU the sum is therefore an upper bound of a step (`time_whole_step`).
    """
    frames = _random_frames(representation)
    optimiser = make_optimiser(representation, recipe)
    network_timer = _NetworkTimer(representation, synchronize)
    taken: list[tuple[float, ...]] = []
    for step in range(WARM_UP + steps):
        index = samples_of_frame(representation, step % len(frames))
        target = representation.targets(frames, index)
        network_timer.seconds = 0.0
        marks = [_now(synchronize)]
        with runtime.forward_in(recipe.precision, target.device):
            total, _ = representation.step(index, target, recipe.step_loss)
        marks.append(_now(synchronize))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        marks.append(_now(synchronize))
        optimiser.step()
        marks.append(_now(synchronize))
        forward, backward, update = (after - before for before, after in itertools.pairwise(marks))
        taken.append((network_timer.seconds, forward - network_timer.seconds, backward, update))
    network_timer.remove()
    medians = (statistics.median(column) for column in zip(*taken[WARM_UP:], strict=True))
    return {stage: 1000 * seconds for stage, seconds in zip(STAGES, medians, strict=True)}


def time_whole_step(
    representation: Representation,
    *,
    recipe: Recipe,
    steps: int,
    synchronize: Callable[[], None],
    record: Recorder | None = None,
) -> float:
    """Mean milliseconds of a training step of one frame as in a fit, without synchronisation.

    The rounding of weights and the gradient of the rate, which a fit for a target rate adds, are not timed:
    about 8 % of a step of NeRV at 320x180.

    Args:
        record: records the step; None: it runs eagerly.

    Raises:
        BenchError: the step cannot be recorded.
    """
    frames = _random_frames(representation)
    optimiser = make_optimiser(representation, recipe)
    parameters = list(representation.network.parameters())
    problems: list[str] = []

    def compute(index: Tensor) -> Outputs:
        target = representation.targets(frames, index)
        outputs = compute_gradients(
            representation, optimiser, index, target, loss=recipe.step_loss, precision=recipe.precision
        )
        update_weights(representation, optimiser)
        return outputs

    indices = [samples_of_frame(representation, frame) for frame in range(len(frames))]
    step = RecordedStep(
        compute,
        samples=len(indices[0]),
        device=representation.device,
        state=lambda: updated_tensors(parameters, optimiser),
        parameters=parameters,
        record=record,
        notify=problems.append,
    )
    started = 0.0
    with runtime.fitting(recipe.precision):
        for number in range(WARM_UP + steps):
            if number == WARM_UP:
                started = _now(synchronize)
            set_learning_rate(optimiser, recipe.learning_rate, representation.device)
            step(indices[number % len(indices)])
        seconds = _now(synchronize) - started
    if problems:
        raise BenchError("step", problems[0], "leave out the variant with a graph")
    return 1000 * seconds / steps


def samples_of_frame(representation: Representation, frame: int) -> Tensor:
    """Numbers of all samples of one frame, int64."""
    count = representation.samples_per_frame
    return frame * count + torch.arange(count, device=representation.device)


def _random_frames(representation: Representation) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (min(FRAMES, representation.frames), 3, representation.height, representation.width)
    frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return frames.to(representation.device)


def _now(synchronize: Callable[[], None]) -> float:
    synchronize()
    return time.perf_counter()


class _NetworkTimer:
    """Sums the seconds in the forward pass of a representation's network."""

    def __init__(self, representation: Representation, synchronize: Callable[[], None]) -> None:
        self.seconds, self._started, self._synchronize = 0.0, 0.0, synchronize
        network = representation.network
        self._hooks = [network.register_forward_pre_hook(self._start)]
        self._hooks.append(network.register_forward_hook(self._stop))

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _start(self, *_: object) -> None:
        self._started = _now(self._synchronize)

    def _stop(self, *_: object) -> None:
        self.seconds += _now(self._synchronize) - self._started
