"""Widths for a rate: which settings of a network make a stream of about so many bits.

Coded size depends on training as much as on width, so the bits of one weight are measured by a fit at
the budget in question; they change little with the size of a network (2 % from 140 k to 460 k weights).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from bench.base.errors import BenchError

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo

#: How much a setting may leave its first value (the proportion as published) to come 1 % closer.
_PROPORTION = 0.05


@dataclass(frozen=True)
class Sized:
    """One candidate: the settings that were changed, and the weights that its stream holds."""

    settings: Mapping[str, Any]
    weights: int


def coded_weights_of(codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any]) -> int:
    """Weights in a stream of these settings; nothing is allocated.

    Raises:
        BenchError: the settings make no network for this clip.
    """
    config = codec.resolve(clip, settings).config
    with torch.device("meta"):
        received = codec.receive(config, frames=clip.frames, height=clip.height, width=clip.width)
    return sum(parameter.numel() for parameter in received.network.parameters())


def candidates(
    codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any], knobs: Mapping[str, Sequence[Any]]
) -> Iterator[Sized]:
    """Every combination of the knobs' values that makes a network."""
    for values in itertools.product(*knobs.values()):
        changed = dict(zip(knobs, values, strict=True))
        try:
            yield Sized(changed, coded_weights_of(codec, clip, {**settings, **changed}))
        except BenchError:  # such as channels that do not divide among the grids
            continue


def closest(
    sizes: Sequence[Sized], knobs: Mapping[str, Sequence[Any]], weights: float, *, where: str
) -> Sized:
    """The candidate nearest to so many weights; of equally near ones the least out of proportion.

    The first knob is the width that grows; the others' first values are the proportion to keep.

    Raises:
        BenchError: none is within a fifth.
    """

    def distance(sized: Sized) -> float:
        others = list(knobs)[1:]
        bent = sum(abs(math.log(sized.settings[name] / knobs[name][0])) for name in others)
        return abs(math.log(sized.weights / weights)) + _PROPORTION * bent

    best = min(sizes, key=distance, default=None)
    if best is None or abs(math.log(best.weights / weights)) > math.log(1.2):
        reached = f"{min(s.weights for s in sizes)} to {max(s.weights for s in sizes)}" if sizes else "none"
        problem = f"no width makes about {weights:.0f} weights (reached: {reached})"
        raise BenchError(where, problem, "widen the ranges of `size` in the codec's file")
    return best
