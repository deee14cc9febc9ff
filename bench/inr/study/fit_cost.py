"""Cost of a fit before it runs: operations counted on the meta device, time measured in a few steps.

Almost all work of a training step is proportional to the pixels of the frame, and so are its
multiplications. A step is therefore timed on a small frame and scaled by the ratio of multiplications; the
optimiser is scaled by parameters. Between networks of one method the time is not proportional to the
multiplications, because all have the same loss. So the smallest network and a large one are timed, networks
between them are interpolated linearly, and larger ones are scaled by their multiplications.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.base.errors import BenchError
from bench.inr.network import runtime
from bench.inr.study.step_time import samples_of_frame, time_steps
from bench.inr.study.width_search import coded_weights_of

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo

#: Timed steps of a probe, and the largest number of multiply-accumulates of one step: about half a second.
_STEPS = 3
_MOST_MACS = {"cpu": 15e9, "cuda": 1e12}
#: Divisors of the clip's sides for a probe's frame, and its smallest side in pixels of the latent. On smaller
#: frames, reading the weights dominates.
_DIVISORS = (1, 2, 3, 4, 6, 8, 12, 16)
_CELLS = 2
#: Smallest ratio of multiplications between the two networks that are timed.
_APART = 1.2
#: Bytes of a trained number in a saved state: itself and Adam's two moments, float32.
_STATE_BYTES = 12


@dataclass(frozen=True, kw_only=True)
class FitCost:
    """Counts of one fit.

    Attributes:
        macs: multiply-accumulates of one training step on one frame, forward and backward.
        parameters: numbers that are trained; weights: numbers in the stream.
        frames_seen, updates: frames forward and backward, and optimiser steps, in all epochs.
        state_bytes: bytes of the saved state while the fit runs; kept_bytes: when it has ended.
        stream_bytes: bytes of the weights before entropy coding.
    """

    macs: float
    parameters: int
    weights: int
    frames_seen: int
    updates: int
    state_bytes: int
    kept_bytes: int
    stream_bytes: int


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one frame in a fit, at the clip's full frame size.

    Attributes:
        forward_s: the network's forward pass, which is also a decoder's work.
        work_s: forward, loss and backward.
        update_s: one optimiser step.
    """

    forward_s: float
    work_s: float
    update_s: float

    def scaled(self, macs: float, parameters: float) -> StepTime:
        """The time for `macs` times the multiplications and `parameters` times the parameters."""
        return StepTime(
            forward_s=self.forward_s * macs, work_s=self.work_s * macs, update_s=self.update_s * parameters
        )

    def fit_s(self, cost: FitCost) -> float:
        """Seconds of the whole fit."""
        return cost.frames_seen * self.work_s + cost.updates * self.update_s


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A timed network: its counts, its time at the full frame size, and the size of the timed frame."""

    cost: FitCost
    time: StepTime
    width: int
    height: int


def fit_cost(codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any]) -> FitCost:
    """Count the operations and bytes of a fit. No memory is allocated.

    Raises:
        BenchError: see `INRCodec.resolve`.
    """
    resolved = codec.resolve(clip, settings)
    recipe = resolved.recipe
    with torch.device("meta"):
        made = codec.represent(resolved.config, frames=clip.frames, height=clip.height, width=clip.width)
        macs = _step_macs(made, recipe.step_loss)
        cache = made.cached_state().values() if recipe.refresh == "official" else ()
    parameters = sum(parameter.numel() for parameter in made.network.parameters())
    weights = coded_weights_of(codec, clip, settings)
    fitted = -(-clip.frames // recipe.fit_every)
    return FitCost(
        macs=macs,
        parameters=parameters,
        weights=weights,
        frames_seen=recipe.total_epochs * fitted,
        updates=recipe.total_epochs * -(-fitted // recipe.batch_size),
        kept_bytes=4 * parameters,
        state_bytes=_STATE_BYTES * parameters + sum(tensor.nbytes for tensor in cache),
        stream_bytes=weights * _bits(settings["quantiser"]) // 8,
    )


def time_method(
    codec: INRCodec,
    clip: ClipInfo,
    points: Sequence[Mapping[str, Any]],
    *,
    device: str,
    threads: int,
    synchronize: Callable[[], None] = lambda: None,
) -> list[Probe]:
    """Time some steps of the smallest network, and of the largest one that a small frame is cheap enough for.

    Args:
        points: complete settings of the method's networks for this clip, at least one.

    Raises:
        BenchError: see `INRCodec.resolve`; or a step needs more memory than the device has.
    """
    runtime.prepare(threads=threads, device=device)
    counted = [(fit_cost(codec, clip, settings), settings) for settings in points]
    counted.sort(key=lambda pair: pair[0].macs)
    most = _MOST_MACS[device.partition(":")[0]]
    probes: list[Probe] = []
    for cost, settings in [counted[0], *reversed(counted[1:])]:
        if probes and cost.macs < _APART * counted[0][0].macs:
            break  # too close to the first network for a line
        small, small_cost = _small_frame(codec, clip, settings, most)
        if probes and small_cost.macs > most:
            continue
        time = _time(codec, small, settings, device=device, synchronize=synchronize)
        full = time.scaled(cost.macs / small_cost.macs, cost.parameters / small_cost.parameters)
        probes.append(Probe(cost=cost, time=full, width=small.width, height=small.height))
        if len(probes) == 2:
            break
    return probes


def predict(cost: FitCost, probes: Sequence[Probe]) -> StepTime:
    """The time of a step of one network, from one or two timed networks of its method.

    Between two networks: by linear interpolation in multiplications, never decreasing. Above the larger one,
    and with one network: proportional to the multiplications.

    Args:
        probes: the smaller network first, for frames of the same size.
    """
    small, large = probes[0], probes[-1]
    parameters = cost.parameters / large.cost.parameters
    apart = large.cost.macs - small.cost.macs
    if cost.macs >= large.cost.macs or not apart:
        return large.time.scaled(cost.macs / large.cost.macs, parameters)
    fraction = (cost.macs - small.cost.macs) / apart

    def between(low: float, high: float) -> float:
        return low + max(0.0, high - low) * fraction

    return StepTime(
        forward_s=between(small.time.forward_s, large.time.forward_s),
        work_s=between(small.time.work_s, large.time.work_s),
        update_s=large.time.update_s * parameters,
    )


def _time(
    codec: INRCodec,
    clip: ClipInfo,
    settings: Mapping[str, Any],
    *,
    device: str,
    synchronize: Callable[[], None],
) -> StepTime:
    try:
        took = time_steps(
            codec.start(clip, settings, device=device),
            recipe=codec.resolve(clip, settings).recipe,
            steps=_STEPS,
            synchronize=synchronize,
        )
    except torch.cuda.OutOfMemoryError as error:
        problem = f"its memory is too small for a step at {clip.width}x{clip.height}"
        raise BenchError(f"device {device}", problem, "use a device with more memory") from error
    forward, rest, backward, optimiser = (milliseconds / 1000 for milliseconds in took.values())
    return StepTime(forward_s=forward, work_s=forward + rest + backward, update_s=optimiser)


def _step_macs(representation: Representation, loss: str) -> float:
    """Multiply-accumulates of convolutions and matrix products in a step of one frame."""
    index = samples_of_frame(representation, 0)
    frames = torch.empty(1, 3, representation.height, representation.width, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        total, _ = representation.step(index, representation.targets(frames, index), loss)
        total.backward()
    return counter.get_total_flops() / 2


def _small_frame(
    codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any], most_macs: float
) -> tuple[ClipInfo, FitCost]:
    """The clip with the largest frame of `_DIVISORS` whose step has at most `most_macs`, and its cost.

    If none has so few, the smallest frame that the network and its loss allow.
    """
    unit = math.prod(codec.resolve(clip, settings).config.strides)
    chosen = clip, fit_cost(codec, clip, settings)
    for divisor in _DIVISORS[1:]:
        if chosen[1].macs <= most_macs:
            break
        width, height = (_part(side, divisor, unit) for side in (clip.width, clip.height))
        small = replace(clip, width=width, height=height)
        with suppress(BenchError):  # patches or the loss do not allow this size
            chosen = small, fit_cost(codec, small, settings)
    return chosen


def _part(side: int, divisor: int, unit: int) -> int:
    cells = -(-side // unit)
    return max(min(cells, _CELLS), round(cells / divisor)) * unit


def _bits(quantiser: Mapping[str, Any]) -> int:
    """Bits of a weight before entropy coding, an upper bound of a stream's."""
    return 32 if quantiser.get("name") == "float32" else int(quantiser.get("bits", 8))
