"""Small clips for the tests of this folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from bench.base.files import write_json
from bench.conditions.sections import ClipPlan
from bench.sequences.prepare import find_sequence, prepare_clip
from bench.video.clip import Clip, ClipInfo
from bench.video.y4m import y4m_chunks


def write_clip(
    folder: Path,
    frames: Sequence[np.ndarray],
    *,
    width: int,
    height: int,
    fps: str = "25",
    colour: str = "bt709",
) -> Clip:
    """A clip of the given flat yuv420p frames."""
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(y4m_chunks(frames, width=width, height=height, fps=Fraction(fps)))
    (folder / "clip.y4m").write_bytes(data)
    info = ClipInfo(
        name=folder.name,
        sequence="made",
        width=width,
        height=height,
        frames=len(frames),
        fps=Fraction(fps),
        colour=colour,
        sha256=hashlib.sha256(data).hexdigest(),
    )
    write_json(folder / "clip.json", info.to_json())
    return Clip.load(folder / "clip.json")


def prepare_sequence(folder: Path, sequence: str, colour: str = "bt709", **steps: object) -> Clip:
    """A clip made of a row of config/sequences.tsv."""
    plan = ClipPlan(sequence=sequence, **steps)
    return prepare_clip(find_sequence(sequence), plan, name=folder.name, colour=colour, out_dir=folder)


def flat_frame(y: int, u: int, v: int, width: int, height: int) -> np.ndarray:
    """A flat yuv420p frame of one colour."""
    luma = width * height
    return np.concatenate(
        [np.full(luma, y, np.uint8), np.full(luma // 4, u, np.uint8), np.full(luma // 4, v, np.uint8)]
    )


def flat_rgb(y: int, u: int, v: int, *, red_weight: float, blue_weight: float) -> np.ndarray:
    """RGB (0 to 255, rounded and clipped) of a limited-range colour, straight from the standard's formula.

    BT.709 has the luma weights 0.2126 (red) and 0.0722 (blue), BT.601 0.299 and 0.114.
    """
    luma, cb, cr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    red, blue = luma + 2 * (1 - red_weight) * cr, luma + 2 * (1 - blue_weight) * cb
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.clip(np.rint(255 * np.array([red, green, blue])), 0, 255)
