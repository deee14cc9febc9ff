"""Payload of a stream of the family `external`: the codec's id, then the files that its encoder wrote.

Layout, with numbers as LEB128::

    length and text of the codec id (ASCII)
    length and text of the parameters that the decode command uses (JSON, empty if there are none)
    number of declared files, and the SHA-256 of each (32 bytes)
    number of files; for each: length and text of its name, 1 for an IVF file without frame headers else 0,
        size, bytes

The name is empty where the file is the next one of the setting `stream`. An IVF file is stored without its
frame headers of 12 bytes, as the family `ffmpeg` stores VP9, if the same file can be built from the rest.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import Any

from bench.base.errors import StreamError
from bench.base.names import NAME
from bench.base.strict_json import parse_json

_IVF_HEADER_BYTES = 32
_IVF_FRAME = struct.Struct("<IQ")
_MOST_FILES, _MOST_DIGESTS, _MOST_TEXT = 100_000, 64, 1 << 16
FILE_NAME = re.compile(r"(?!.*(^|/)\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_MOST_IVF_FRAMES = 1 << 20


@dataclass(frozen=True)
class Packed:
    """The content of a payload: codec id, parameters, digests of declared files, name and bytes of files."""

    codec: str
    parameters: dict[str, Any]
    digests: tuple[bytes, ...]
    files: tuple[tuple[str, bytes | memoryview], ...]


def pack(content: Packed) -> list[bytes]:
    """The payload in chunks."""
    codec = content.codec.encode("ascii")
    parameters = json.dumps(content.parameters, separators=(",", ":")).encode() if content.parameters else b""
    chunks = [
        leb128(len(codec)) + codec + leb128(len(parameters)) + parameters,
        leb128(len(content.digests)) + b"".join(content.digests) + leb128(len(content.files)),
    ]
    for name, data in content.files:
        file, text = bytes(data), name.encode("ascii")
        stripped = strip_ivf(file) if file[:4] == b"DKIF" else None
        stored = file if stripped is None else stripped
        chunks.append(leb128(len(text)) + text + leb128(int(stripped is not None)) + leb128(len(stored)))
        chunks.append(stored)
    return chunks


def unpack(payload: memoryview) -> Packed:
    """The content of an untrusted payload.

    Raises:
        StreamError: it is not one that `pack` writes.
    """
    reader = _Reader(payload)
    codec = reader.text("codec id", 100)
    if not NAME.fullmatch(codec):
        raise StreamError("payload", "has an invalid codec id")
    text = reader.text("parameters", _MOST_TEXT)
    try:
        parameters = parse_json(text) if text else {}
    except ValueError as error:
        raise StreamError("payload", f"has invalid parameters ({error})") from None
    valid = isinstance(parameters, dict) and all(
        isinstance(v, str | int | float) for v in parameters.values()
    )
    if not valid:
        raise StreamError("payload", "has invalid parameters")
    digests = tuple(bytes(reader.take(32)) for _ in range(reader.number("number of digests", _MOST_DIGESTS)))
    files: list[tuple[str, bytes | memoryview]] = []
    for _ in range(reader.number("number of files", _MOST_FILES)):
        name = reader.text("file name", 200)
        if name and not FILE_NAME.fullmatch(name):
            raise StreamError("payload", f"has the invalid file name {name!r}")
        is_ivf = reader.number("kind of file", 1)
        data = reader.take(reader.number("size of a file", len(payload)))
        files.append((name, build_ivf(data) if is_ivf else data))
    if reader.at != len(payload):
        raise StreamError("payload", "has bytes after its end")
    return Packed(codec, parameters, digests, tuple(files))


def strip_ivf(data: bytes) -> bytes | None:
    """An IVF file with the size of each frame as LEB128 in place of its header; None if not reversible.

    The result is the file's header, the timestamp of the first frame, the step between frames, the frames.
    """
    at, frames, times = _IVF_HEADER_BYTES, [], []
    while at + _IVF_FRAME.size <= len(data):
        size, time = _IVF_FRAME.unpack_from(data, at)
        at += _IVF_FRAME.size
        frames.append(data[at : at + size])
        times.append(time)
        at += size
    if not frames or max(times) >= 1 << 32 or len(frames) > _MOST_IVF_FRAMES:
        return None
    step = times[1] - times[0] if len(times) > 1 else 1
    if step < 0:
        return None
    packed = b"".join(
        [data[:_IVF_HEADER_BYTES], leb128(times[0]), leb128(step), *(leb128(len(f)) + f for f in frames)]
    )
    return packed if build_ivf(memoryview(packed)) == data else None


def build_ivf(packed: memoryview) -> bytes:
    """The IVF file of `strip_ivf`.

    Raises:
        StreamError: damaged.
    """
    reader = _Reader(packed)
    parts = [bytes(reader.take(_IVF_HEADER_BYTES))]
    time, step = reader.number("timestamp", 1 << 32), reader.number("timestamp", 1 << 32)
    while reader.at < len(packed):
        frame = reader.take(reader.number("size of a frame", len(packed)))
        if len(parts) > 2 * _MOST_IVF_FRAMES:
            raise StreamError("payload", "has too many frames")
        parts += [_IVF_FRAME.pack(len(frame), time), bytes(frame)]
        time += step
    return b"".join(parts)


def leb128(value: int) -> bytes:
    """A number in groups of 7 bits, the lowest first; all but the last have the top bit set."""
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


class _Reader:
    """Reads numbers, texts and bytes, and checks every length."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def number(self, what: str, most: int) -> int:
        value = 0
        for index, byte in enumerate(self.data[self.at : self.at + 9]):
            value |= (byte & 127) << 7 * index
            if byte < 128:
                self.at += index + 1
                if value > most:
                    raise StreamError("payload", f"{what} is {value}, the most is {most}")
                return value
        raise StreamError("payload", "is cut short or damaged within a number")

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            raise StreamError("payload", "is cut short")
        part = self.data[self.at : self.at + size]
        self.at += size
        return part

    def text(self, what: str, most: int) -> str:
        try:
            return bytes(self.take(self.number(f"length of the {what}", most))).decode("ascii")
        except UnicodeDecodeError:
            raise StreamError("payload", f"has an invalid {what}") from None
