"""How long one training step takes, by stage: what `bench speed` prints."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.samples import Samples
from bench.inr.fitting.trainer import make_optimiser, train_step
from bench.inr.network import runtime
from bench.inr.network.representation import Representation

#: Frames that a step is timed on; few, so that memory at 1080p is what a step needs.
FRAMES = 8
#: Steps that are not counted: kernels are chosen and memory is taken in them.
WARM_UP = 3
STAGES = ("network", "rest of the loss", "backward", "optimiser")


def time_steps(
    representation: Representation, *, recipe: Recipe, steps: int, synchronize: Callable[[], None]
) -> dict[str, float]:
    """Median milliseconds of each of `STAGES` over some training steps on random frames.

    `network` is the forward of the representation's network; what `Representation.step` does besides
    (aggregation, loss) is `rest of the loss`. The device's queue is drained between stages, which
    a fit does not do: on a GPU the sum is an upper bound (`time_whole_step`).
    """
    frames = _random_frames(representation)
    optimiser = make_optimiser(representation.network.parameters(), recipe)
    samples = Samples(representation)
    in_network = _NetworkTimer(representation, synchronize)
    taken: list[tuple[float, ...]] = []
    for step in range(WARM_UP + steps):
        index = torch.tensor([step % len(frames)], device=representation.device)
        target = samples.targets(frames, index)
        in_network.seconds = 0.0
        marks = [_now(synchronize)]
        with runtime.forward_in(recipe.precision, target.device):
            total, _ = representation.step(index, target, recipe.loss)
        marks.append(_now(synchronize))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        marks.append(_now(synchronize))
        optimiser.step()
        marks.append(_now(synchronize))
        forward, backward, update = (after - before for before, after in itertools.pairwise(marks))
        taken.append((in_network.seconds, forward - in_network.seconds, backward, update))
    in_network.remove()
    medians = (statistics.median(column) for column in zip(*taken[WARM_UP:], strict=True))
    return {stage: 1000 * seconds for stage, seconds in zip(STAGES, medians, strict=True)}


def time_whole_step(
    representation: Representation, *, recipe: Recipe, steps: int, synchronize: Callable[[], None]
) -> float:
    """Mean milliseconds of a training step as a fit runs them, the device's queue never drained."""
    frames = _random_frames(representation)
    optimiser = make_optimiser(representation.network.parameters(), recipe)
    samples, indices = Samples(representation), torch.arange(len(frames), device=frames.device).split(1)
    began = 0.0
    with runtime.fitting(recipe.precision):
        for step in range(WARM_UP + steps):
            if step == WARM_UP:
                began = _now(synchronize)
            index = indices[step % len(indices)]
            train_step(
                samples,
                optimiser,
                index,
                samples.targets(frames, index),
                learning_rate=recipe.learning_rate,
                loss=recipe.loss,
                precision=recipe.precision,
            )
    return 1000 * (_now(synchronize) - began) / steps


def _random_frames(representation: Representation) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (min(FRAMES, representation.frames), 3, representation.height, representation.width)
    frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return frames.to(representation.device)


def _now(synchronize: Callable[[], None]) -> float:
    synchronize()
    return time.perf_counter()


class _NetworkTimer:
    """Adds up the seconds in the forward of a representation's network."""

    def __init__(self, representation: Representation, synchronize: Callable[[], None]) -> None:
        self.seconds, self._began, self._synchronize = 0.0, 0.0, synchronize
        network = representation.network
        self._hooks = [network.register_forward_pre_hook(self._begin)]
        self._hooks.append(network.register_forward_hook(self._end))

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _begin(self, *_: object) -> None:
        self._began = _now(self._synchronize)

    def _end(self, *_: object) -> None:
        self.seconds += _now(self._synchronize) - self._began
