"""Size and length of a clip, from its sequence's row and its preparation steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.base.errors import BenchError
from bench.sequences.row import SourceSequence
from bench.video.clip import check_geometry

if TYPE_CHECKING:
    from bench.conditions.sections import ClipPlan


class Geometry(NamedTuple):
    """The frames of the sequence that the clip has, `first` to `stop - 1`, and their size after all steps."""

    first: int
    stop: int
    width: int
    height: int


def clip_geometry(sequence: SourceSequence, steps: ClipPlan, *, where: str | Path) -> Geometry:
    """Check the steps of a clip against its sequence and return the size that they yield.

    Raises:
        BenchError: `trim` or `crop` is outside of the sequence, or no 4:2:0 clip can have the size.
    """
    first, stop = steps.trim or (0, sequence.frames)
    if stop > sequence.frames:
        problem = f"trim is {first} to {stop}, but {sequence.name} has {sequence.frames} frames"
        raise BenchError(where, problem, "give a range within the sequence")
    width, height = sequence.width, sequence.height
    if steps.crop:
        x, y, width, height = steps.crop
        if x + width > sequence.width or y + height > sequence.height:
            problem = f"crop is {list(steps.crop)}, but the frame is {sequence.width}x{sequence.height}"
            raise BenchError(where, problem, "give a window within the frame")
    width, height = steps.scale or (width, height)
    check_geometry(width, height, stop - first, where=where)
    return Geometry(first, stop, width, height)
