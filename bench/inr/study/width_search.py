"""Search of a network's widths for a target number of coded weights.

The coded size of a network depends on its training as much as on its widths. Therefore a fit at the same
budget measures the bits per weight (`bench.inr.study.calibration`), which vary little with the number of
weights (2 % from 140,000 to 460,000 weights).
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

#: Weight of a setting's log ratio to its first value (the published proportion), against that of the target.
_PROPORTION = 0.05


@dataclass(frozen=True)
class Sized:
    """A candidate: the changed settings, and the number of weights in its stream."""

    settings: Mapping[str, Any]
    weights: int


def coded_weights_of(codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any]) -> int:
    """Number of weights in a stream of these settings. No memory is allocated.

    Raises:
        BenchError: see `INRCodec.resolve`.
    """
    config = codec.resolve(clip, settings).config
    with torch.device("meta"):
        received = codec.receive(config, frames=clip.frames, height=clip.height, width=clip.width)
    return sum(parameter.numel() for parameter in received.network.parameters())


def candidates(
    codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any], knobs: Mapping[str, Sequence[Any]]
) -> Iterator[Sized]:
    """Every valid combination of the values of some settings.

    Args:
        knobs: setting -> its values.
    """
    for values in itertools.product(*knobs.values()):
        changed = dict(zip(knobs, values, strict=True))
        try:
            yield Sized(changed, coded_weights_of(codec, clip, {**settings, **changed}))
        except BenchError:  # such as channels that do not divide among the grids
            continue


def closest(
    sizes: Sequence[Sized], knobs: Mapping[str, Sequence[Any]], weights: float, *, where: str
) -> Sized:
    """The candidate closest to a number of weights, with a small penalty for other proportions.

    Args:
        knobs: setting -> its values. The first setting is the width that grows. The first values of the
            others are the proportions to keep.
        where: what an error names, such as the codec's file.

    Raises:
        BenchError: no candidate is within 20 % of the target.
    """

    def distance(sized: Sized) -> float:
        others = list(knobs)[1:]
        distortion = sum(abs(math.log(sized.settings[name] / knobs[name][0])) for name in others)
        return abs(math.log(sized.weights / weights)) + _PROPORTION * distortion

    best = min(sizes, key=distance, default=None)
    if best is None or abs(math.log(best.weights / weights)) > math.log(1.2):
        reached = f"{min(s.weights for s in sizes)} to {max(s.weights for s in sizes)}" if sizes else "none"
        problem = f"no width gives about {weights:.0f} weights (reached: {reached})"
        raise BenchError(where, problem, "widen the ranges of `size` in the codec's file")
    return best
