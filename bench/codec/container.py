"""The file that a coded clip is: one header for all codecs, then the codec's payload.

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

The family is a short id that is looked up among the installed ones: a stream names no code to
import, nothing in it is unpickled, and every length is checked before memory is taken.
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
from typing import TYPE_CHECKING, Literal

from bench.base.errors import BenchError, StreamError
from bench.base.files import atomic_file

if TYPE_CHECKING:
    from bench.video.clip import ClipInfo

PixelFormat = Literal["yuv420p", "rgb24"]

MAGIC = b"NVS\x1a"
VERSION = 1
PIXEL_FORMATS = ("yuv420p", "rgb24")
MATRICES = ("bt709", "bt601", "bt2020")
RANGES = ("limited", "full")
SITINGS = ("left", "center", "topleft")

MAX_HEADER_BYTES = 64
MAX_SIDE = 8192
MAX_FRAMES = 1 << 20
MAX_PIXELS = 1 << 36  # 33 000 frames of 1080p: above any test sequence, below what fills a disk

_FIXED = struct.Struct("<4s6B2H3IQI")
_CRC_AT = _FIXED.size - 4
_FAMILY = re.compile(r"[a-z][a-z0-9_]{0,23}")
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Header:
    """What every stream says about itself: which decoder it needs and which clip comes out.

    Attributes:
        pixel_format: of the decoded frames.
        width, height: in pixels, both even; fps: frames a second.
        matrix, range, siting: of the clip's YUV samples; where the decoder yields RGB, what brings
            its frames back to YUV.
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
        """The header of a stream of this clip.

        A condition may turn a clip into RGB with another matrix than its own (`bt601-ffmpeg` does):
        a stream of RGB frames states the one that leads back.
        """
        matrix = info.matrix
        if pixel_format == "rgb24":
            from bench.video.colour import conversion

            matrix = conversion(info.colour).matrix
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
        """Shape of one decoded frame as an array of bytes."""
        return (self.height, self.width, 3) if self.pixel_format == "rgb24" else (self.frame_bytes,)

    def problem(self) -> str | None:
        """What makes this header impossible; None where nothing does."""
        if not _FAMILY.fullmatch(self.family):
            return f"family {self.family!r} is not a name of 1 to 24 small letters, digits and _"
        for name, value in (("width", self.width), ("height", self.height)):
            if not 2 <= value <= MAX_SIDE or value % 2:
                return f"{name} {value} is not an even number from 2 to {MAX_SIDE}"
        if not 1 <= self.frames <= MAX_FRAMES:
            return f"{self.frames} frames are not 1 to {MAX_FRAMES}"
        if self.width * self.height * self.frames > MAX_PIXELS:
            return f"{self.width}x{self.height}x{self.frames} is more than {MAX_PIXELS} pixels"
        if not (0 < self.fps.numerator < 1 << 32 and self.fps.denominator < 1 << 32):
            return f"frame rate {self.fps} is not positive or does not fit"
        return None


@dataclass(frozen=True)
class Stream:
    """A checked stream: its payload is a view of the file, not a copy of it."""

    path: Path
    header: Header
    payload: memoryview = field(repr=False)
    bytes: int


def write_stream(path: str | Path, header: Header, chunks: Iterable[bytes]) -> int:
    """Write one stream file, atomically.

    Args:
        chunks: the payload in order; taken one by one, so that it need not fit into memory.

    Returns:
        The size of the file in bytes.

    Raises:
        BenchError: the header holds what a stream cannot state.
        OSError: the file cannot be written; nothing stands under `path` then.
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
    """Open one stream file and check all that can be checked without its codec.

    Raises:
        StreamError: not a stream, of another version, cut short, altered or impossible.
        BenchError: there is no such file.
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
    """Like `read_stream`, from bytes at hand; `path` is what errors name."""
    path, data = Path(path), memoryview(data)
    header, length, crc = _unpack(data, path)
    offset = data[5]
    if len(data) != offset + length:
        verb = "is cut short" if len(data) < offset + length else "has bytes after its end"
        raise StreamError(path, f"{verb}: {len(data)} bytes where its header says {offset + length}")
    if _checksum(data[:offset], data[offset:]) != crc:
        raise StreamError(path, "is damaged: its checksum does not match", "copy it again or encode again")
    if problem := header.problem():
        raise StreamError(path, problem)
    return Stream(path, header, data[offset:], len(data))


def repair_checksum(data: bytearray) -> None:
    """Give altered bytes a checksum (and a length) that match: for tests of what decoders survive."""
    struct.pack_into("<Q", data, _CRC_AT - 8, max(0, len(data) - data[5]))
    struct.pack_into("<I", data, _CRC_AT, _checksum(memoryview(data)[: data[5]], memoryview(data)[data[5] :]))


def _checksum(header: memoryview, payload: memoryview) -> int:
    crc = 0
    for start in range(0, len(payload), _BLOCK):
        crc = zlib.crc32(payload[start : start + _BLOCK], crc)
    return zlib.crc32(bytes(header[:_CRC_AT]) + bytes(4) + bytes(header[_CRC_AT + 4 :]), crc)


def _pack(path: str | Path, header: Header, length: int, crc: int) -> bytes:
    if problem := header.problem():
        raise BenchError(path, problem, "a stream cannot hold this clip")
    codes = []
    for name, table in _TABLES:
        value = getattr(header, name)
        if value not in table:
            raise BenchError(path, f"{name} {value!r} is unknown", f"known: {', '.join(table)}")
        codes.append(table.index(value))
    family = header.family.encode("ascii")
    numbers = (header.width, header.height, header.frames, header.fps.numerator, header.fps.denominator)
    return _FIXED.pack(MAGIC, VERSION, _FIXED.size + len(family), *codes, *numbers, length, crc) + family


def _unpack(data: memoryview, path: Path) -> tuple[Header, int, int]:
    if data[:4] != MAGIC[: len(data)]:
        raise StreamError(path, "is not a stream of this suite", "give a file that `bench encode` wrote")
    if len(data) > 4 and data[4] != VERSION:
        raise StreamError(
            path, f"has version {data[4]}; this suite reads {VERSION}", "use the suite that wrote it"
        )
    if len(data) <= _FIXED.size or not _FIXED.size < data[5] <= min(MAX_HEADER_BYTES, len(data)):
        raise StreamError(path, "is cut short or damaged within its header")
    _, _, _, *codes, width, height, frames, numerator, denominator, length, crc = _FIXED.unpack_from(data)
    words = {}
    for (name, table), code in zip(_TABLES, codes, strict=True):
        if code >= len(table):
            raise StreamError(path, f"{name} has the unknown code {code}")
        words[name] = table[code]
    if denominator == 0:
        raise StreamError(path, "frame rate has the denominator 0")
    header = Header(
        family=bytes(data[_FIXED.size : data[5]]).decode("ascii", "replace"),
        width=width,
        height=height,
        frames=frames,
        fps=Fraction(numerator, denominator),
        **words,
    )
    return header, length, crc


_TABLES = (("pixel_format", PIXEL_FORMATS), ("matrix", MATRICES), ("range", RANGES), ("siting", SITINGS))
