"""Stream container: the file format of a coded clip, one header for all codecs and the codec's payload.

Layout (little-endian)::

    offset bytes  field
         0     4  magic "NVS" 0x1A
         4     1  version of this layout
         5     1  length of the header = offset of the payload
         6     1  pixel format of the decoded frames   (index in PIXEL_FORMATS)
         7     1  matrix of the clip                   (index in MATRICES)
         8     1  range of the clip                    (index in RANGES)
         9     1  chroma siting of the clip            (index in SITINGS)
        10     2  width
        12     2  height
        14     4  frames
        18     4  frame rate, numerator
        22     4  frame rate, denominator
        26     8  length of the payload
        34     4  CRC-32 of the payload, then of the header with zeros in this field
        38     1+ family of the codec (ASCII, to the end of the header)

"Index" is the position in the constant tuple, which may only be extended at its end. The header is at most 64
bytes. The checksum covers all of the file, so a damaged file is refused before a codec reads it.

A stream is untrusted input. The family is an id that is looked up among the installed families, so a stream
cannot name code to import. Nothing in it is unpickled. Every length is checked before memory is allocated.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from bench.base.errors import BenchError, StreamError
from bench.base.files import atomic_file
from bench.video.clip import MAX_FRAMES, MAX_SIDE, ClipInfo
from bench.video.colour import conversion

PixelFormat = Literal["yuv420p", "rgb24"]

MAGIC = b"NVS\x1a"
VERSION = 1
PIXEL_FORMATS = ("yuv420p", "rgb24")
MATRICES = ("bt709", "bt601", "bt2020")
RANGES = ("limited", "full")
SITINGS = ("left", "center", "topleft")

MAX_HEADER_BYTES = 64
MAX_PIXELS = 1 << 36  # 33,000 frames of 1080p: above any test sequence, below the size of a disk

#: Fields of the header that have a table of values, in the order of their bytes.
_TABLES = (("pixel_format", PIXEL_FORMATS), ("matrix", MATRICES), ("range", RANGES), ("siting", SITINGS))
_FIXED = struct.Struct("<4s6B2H3IQI")  # all fields but the family
_CRC_OFFSET = _FIXED.size - 4
_LENGTH_OFFSET = _CRC_OFFSET - 8
_FAMILY = re.compile(r"[a-z][a-z0-9_]{0,23}")
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a stream: its decoder, and the geometry and colour of the decoded frames.

    Attributes:
        family: codec family (`bench.codec.registry.families`), 1 to 24 characters.
        pixel_format: of the decoded frames.
        width, height: in pixels, even, 2 to 8192.
        frames: number of frames, 1 to 2^20.
        fps: frames per second.
        matrix, range, siting: of the clip's YUV samples. RGB frames are converted to YUV with them.
    """

    family: str
    pixel_format: PixelFormat
    width: int
    height: int
    frames: int
    fps: Fraction
    matrix: str = "bt709"
    range: str = "limited"
    siting: str = "left"

    @classmethod
    def of_clip(cls, info: ClipInfo, *, family: str, pixel_format: PixelFormat) -> Header:
        """The header for a stream of this clip.

        The colour `bt601-ffmpeg` converts a BT.709 clip to RGB with the BT.601 matrix. The header of an RGB
        stream therefore holds the matrix of the conversion, not that of the clip, so that the frames return
        to the clip's YUV samples.
        """
        matrix = conversion(info.colour).matrix if pixel_format == "rgb24" else info.matrix
        return cls(
            family=family,
            pixel_format=pixel_format,
            width=info.width,
            height=info.height,
            frames=info.frames,
            fps=info.fps,
            matrix=matrix,
            range=info.range,
            siting=info.siting,
        )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        pixels = self.width * self.height
        return pixels * 3 if self.pixel_format == "rgb24" else pixels * 3 // 2

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one decoded frame as a uint8 array: (height, width, 3) for rgb24, else one dimension."""
        return (self.height, self.width, 3) if self.pixel_format == "rgb24" else (self.frame_bytes,)

    def problem(self) -> str | None:
        """Why this header is invalid; None if it is valid. The tables of values are checked elsewhere."""
        if not _FAMILY.fullmatch(self.family):
            return f"family must be 1 to 24 of a-z, 0-9 and _ after a letter, not {self.family!r}"
        for name, value in (("width", self.width), ("height", self.height)):
            if not 2 <= value <= MAX_SIDE or value % 2:
                return f"{name} must be even and 2 to {MAX_SIDE}, not {value}"
        if not 1 <= self.frames <= MAX_FRAMES:
            return f"frames must be 1 to {MAX_FRAMES}, not {self.frames}"
        if self.width * self.height * self.frames > MAX_PIXELS:
            return f"{self.width}x{self.height}x{self.frames} exceeds {MAX_PIXELS} pixels"
        if not (0 < self.fps.numerator < 1 << 32 and self.fps.denominator < 1 << 32):
            return f"frame rate must be a positive ratio of 32-bit numbers, not {self.fps}"
        return None


@dataclass(frozen=True)
class Stream:
    """An open stream whose header and checksum are valid.

    Attributes:
        path: the file; errors name it.
        payload: the codec's bytes, mapped from the file without a copy.
        bytes: size of the whole file, the numerator of its rate.
    """

    path: Path
    header: Header
    payload: memoryview = field(repr=False)
    bytes: int


def write_stream(path: str | Path, header: Header, chunks: Iterable[bytes]) -> int:
    """Write one stream file, atomically.

    Args:
        chunks: the payload in order. Chunks are written one by one, so the payload need not fit into memory.

    Returns:
        The size of the file in bytes.

    Raises:
        BenchError: the header is invalid.
        OSError: the file cannot be written. A file that existed at `path` is unchanged then.
    """
    crc, length = 0, 0
    offset = len(_pack(path, header, 0, 0))
    with atomic_file(path) as file:
        file.seek(offset)
        for chunk in chunks:
            file.write(chunk)
            crc = zlib.crc32(chunk, crc)
            length += len(memoryview(chunk).cast("B"))
        crc = zlib.crc32(_pack(path, header, length, 0), crc)
        file.seek(0)
        file.write(_pack(path, header, length, crc))
    return offset + length


def read_stream(path: str | Path) -> Stream:
    """Open one stream file and check its header, length and checksum.

    Raises:
        StreamError: not a stream, of another version, cut short, damaged or with an invalid header.
        BenchError: no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise BenchError(path, "no such file", "give the path of a stream")
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise StreamError(path, "is empty")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return parse_stream(memoryview(data), path)


def parse_stream(data: memoryview | bytes, path: str | Path) -> Stream:
    """As `read_stream`, from bytes in memory. Errors name `path`."""
    path, data = Path(path), memoryview(data)
    header, length, crc = _unpack(data, path)
    offset = data[5]
    if len(data) != offset + length:
        verb = "is cut short" if len(data) < offset + length else "has bytes after its end"
        raise StreamError(path, f"{verb}: {len(data)} bytes, but {offset + length} by its header")
    if _checksum(data[:offset], data[offset:]) != crc:
        raise StreamError(path, "is damaged: its checksum does not match", "copy it again or encode again")
    if problem := header.problem():
        raise StreamError(path, problem)
    return Stream(path, header, data[offset:], len(data))


def repair_checksum(data: bytearray) -> None:
    """Correct the checksum and the payload length of an altered stream, for tests of decoders."""
    struct.pack_into("<Q", data, _LENGTH_OFFSET, max(0, len(data) - data[5]))
    struct.pack_into(
        "<I", data, _CRC_OFFSET, _checksum(memoryview(data)[: data[5]], memoryview(data)[data[5] :])
    )


def _checksum(header: memoryview, payload: memoryview) -> int:
    crc = 0
    for start in range(0, len(payload), _BLOCK):
        crc = zlib.crc32(payload[start : start + _BLOCK], crc)
    return zlib.crc32(bytes(header[:_CRC_OFFSET]) + bytes(4) + bytes(header[_CRC_OFFSET + 4 :]), crc)


def _pack(path: str | Path, header: Header, length: int, crc: int) -> bytes:
    if problem := header.problem():
        raise BenchError(path, problem, "change the clip or the codec")
    codes = []
    for name, table in _TABLES:
        value = getattr(header, name)
        if value not in table:
            raise BenchError(path, f"unknown {name} {value!r}", f"use one of {', '.join(table)}")
        codes.append(table.index(value))
    family = header.family.encode("ascii")
    numbers = (header.width, header.height, header.frames, header.fps.numerator, header.fps.denominator)
    return _FIXED.pack(MAGIC, VERSION, _FIXED.size + len(family), *codes, *numbers, length, crc) + family


def _unpack(data: memoryview, path: Path) -> tuple[Header, int, int]:
    if data[:4] != MAGIC[: len(data)]:
        raise StreamError(path, "is not a stream of this suite", "give a file that `bench encode` wrote")
    if len(data) > 4 and data[4] != VERSION:
        raise StreamError(
            path, f"has format version {data[4]}, not {VERSION}", "use the version of the suite that wrote it"
        )
    if len(data) <= _FIXED.size or not _FIXED.size < data[5] <= min(MAX_HEADER_BYTES, len(data)):
        raise StreamError(path, "is cut short or damaged within its header")
    _, _, _, *codes, width, height, frames, numerator, denominator, length, crc = _FIXED.unpack_from(data)
    names = {}
    for (name, table), code in zip(_TABLES, codes, strict=True):
        if code >= len(table):
            raise StreamError(path, f"{name} has the unknown code {code}")
        names[name] = table[code]
    if denominator == 0:
        raise StreamError(path, "the denominator of the frame rate is 0")
    header = Header(
        family=bytes(data[_FIXED.size : data[5]]).decode("ascii", "replace"),
        width=width,
        height=height,
        frames=frames,
        fps=Fraction(numerator, denominator),
        **names,
    )
    return header, length, crc
