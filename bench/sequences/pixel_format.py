"""Pixel formats of sources: planar YUV of 8 to 16 bit, with 4:2:0, 4:2:2 or 4:4:4 chroma."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from bench.base.errors import BenchError

_NAME = re.compile(r"yuv(420|422|444)p(?:(9|10|12|14|16)le)?")
#: Chroma -> horizontal and vertical subsampling.
_SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
#: What an error proposes.
EXAMPLES = "yuv420p, yuv422p, yuv444p, yuv420p10le, yuv422p10le, yuv444p10le, yuv420p12le"
#: Samples of a raw file that are checked at a time.
_BLOCK_SAMPLES = 1 << 22


@dataclass(frozen=True)
class PixelFormat:
    """A planar YUV format.

    Attributes:
        name: ffmpeg's name, for example "yuv420p10le".
        chroma: "420", "422" or "444".
        bits: of a sample. Samples of more than 8 bit have two bytes, the low one first.
    """

    name: str
    chroma: str
    bits: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The format of that name; None if the suite does not convert it (RGB, grey, alpha, big-endian)."""
        match = _NAME.fullmatch(name)
        return match and cls(name, match[1], int(match[2] or 8))

    def frame_bytes(self, width: int, height: int) -> int:
        """Bytes of one frame. The chroma planes of an odd size are rounded up."""
        across, down = _SUBSAMPLING[self.chroma]
        samples = width * height + 2 * -(-width // across) * -(-height // down)
        return samples * (1 if self.bits == 8 else 2)


def check_sample_range(path: Path, pixel_format: PixelFormat) -> None:
    """Check that no sample of a raw file needs more bits than its format has.

    A file of another format with the same number of bytes (8-bit 4:4:4 for 10-bit 4:2:0) fails at once.

    Raises:
        BenchError: a sample is too large. The error gives its value and the remedy.
    """
    if pixel_format.bits in (8, 16):
        return
    with path.open("rb") as file:
        while (samples := np.fromfile(file, "<u2", _BLOCK_SAMPLES)).size:
            if (largest := int(samples.max())) >= 1 << pixel_format.bits:
                problem = f"has a sample of {largest}, which is no value of {pixel_format.bits} bit"
                remedy = f"write the file's pixel_format in sequences.tsv: one of {EXAMPLES}"
                raise BenchError(path, problem, remedy)
