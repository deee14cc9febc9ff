"""Reader and writer of y4m (YUV4MPEG2) files with 8-bit 4:2:0 frames.

A file is one header line, then for each frame the line ``FRAME`` and the planes Y, U and V without padding::

    YUV4MPEG2 W320 H180 F25:1 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\\n
    FRAME\\n
    <width*height bytes of Y> <width*height/4 bytes of U> <width*height/4 bytes of V>
    FRAME\\n
    ...

The header's tags are W and H (pixels), F (frame rate as a ratio), I (p: progressive), A (pixel aspect ratio),
C (chroma format and siting; 420mpeg2 is left siting) and X (extensions). No tag holds the colour matrix.
All frames have the same number of bytes, so frame i is read without reading the frames before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from bench.base.errors import BenchError

FRAME_LINE = b"FRAME\n"
#: The first bytes of a file.
Y4M_MAGIC = b"YUV4MPEG2"
#: A longer header line is not read.
MAX_HEADER_BYTES = 1024

_REMEDY = "prepare the clip again"
_CHROMA_FORMATS = ("420", "420jpeg", "420mpeg2", "420paldv")


def y4m_header(width: int, height: int, fps: Fraction) -> bytes:
    """The header line of a clip: 8-bit limited-range 4:2:0, left siting, square pixels, progressive."""
    rate = f"{fps.numerator}:{fps.denominator}"
    return f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n".encode()


def y4m_tags(line: bytes) -> dict[str, str]:
    """The tags of a header line by their letter, without extensions; empty if it is not a y4m header."""
    words = line.split()
    if not line.endswith(b"\n") or words[:1] != [Y4M_MAGIC]:
        return {}
    return {chr(word[0]): word[1:].decode("ascii", "replace") for word in words[1:] if word[:1] != b"X"}


def parse_y4m_header(line: bytes, *, where: str | Path) -> tuple[int, int, Fraction]:
    """Width, height and frame rate in an 8-bit 4:2:0 y4m header line.

    Args:
        line: the line with its line break.
        where: the file that errors name.

    Raises:
        BenchError: not a y4m header, another chroma format or bit depth, or an invalid W, H or F tag.
    """
    tags = y4m_tags(line)
    if not tags:
        raise BenchError(where, "does not begin with a YUV4MPEG2 line", _REMEDY)
    if tags.get("C", "420") not in _CHROMA_FORMATS:
        raise BenchError(where, f"colour space C{tags['C']} is not 8-bit 4:2:0", _REMEDY)
    try:
        return int(tags["W"]), int(tags["H"]), Fraction(tags["F"].replace(":", "/"))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise BenchError(where, "its YUV4MPEG2 line lacks a valid W, H or F tag", _REMEDY) from error


def read_y4m_frames(path: Path, *, frame_bytes: int, first: int, stop: int) -> Iterator[np.ndarray]:
    """Yield frames `first` to `stop - 1` as flat uint8 arrays of `frame_bytes` values (Y, U, V planes).

    Raises:
        BenchError: a frame is cut short, or does not begin with a FRAME line.
    """
    with path.open("rb") as file:
        file.seek(len(file.readline()) + first * (len(FRAME_LINE) + frame_bytes))
        for index in range(first, stop):
            if file.read(len(FRAME_LINE)) != FRAME_LINE:
                raise BenchError(path, f"frame {index} does not begin with a FRAME line", _REMEDY)
            frame = np.empty(frame_bytes, np.uint8)
            if file.readinto(frame.data) != frame_bytes:
                raise BenchError(path, f"frame {index} is cut short", _REMEDY)
            yield frame


def check_whole_frames(path: Path, frame_bytes: int) -> None:
    """Check that a y4m file consists of whole frames. FRAME lines may have parameters; no sample is read.

    Args:
        frame_bytes: of one frame in the file's pixel format.

    Raises:
        BenchError: the file ends within a frame, or a frame does not begin with a FRAME line.
    """
    with path.open("rb") as file:
        size, index = file.seek(0, 2), 0
        file.seek(0)
        file.readline(MAX_HEADER_BYTES)
        while (position := file.tell()) < size:
            line = file.readline(MAX_HEADER_BYTES)
            if line.split()[:1] != [FRAME_LINE.strip()] or not line.endswith(b"\n"):
                raise BenchError(
                    path, f"frame {index} does not begin with a FRAME line", "get the file again"
                )
            if (position := position + len(line) + frame_bytes) > size:
                raise BenchError(path, f"frame {index} is cut short", "get the file again")
            file.seek(position)
            index += 1


def y4m_chunks(
    frames: Iterable[np.ndarray], *, width: int, height: int, fps: Fraction
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a y4m file in order: the header, then each frame's line and its planes.

    Args:
        frames: flat uint8 arrays of width*height*3/2 values.
    """
    yield y4m_header(width, height, fps)
    for frame in frames:
        yield FRAME_LINE
        yield np.ascontiguousarray(frame).data.cast("B")
