"""Payload of a learned codec's stream: the decoder that it needs, then the entropy-coded strings.

Layout::

    bytes  field
        1  architecture                (code in ARCHITECTURES)
       32  SHA-256 of the weight file
        4  CRC-32 of all integer latents in coding order, little-endian
       1+  rows and columns of the padded frame in units of the architecture's stride, a varint each
       1+  frames from one keyframe to the next, a varint
     then  of every frame, each string: its length in 32-bit words, a varint, and the words

Varints are little-endian groups of seven bits (LEB128). The units repeat the header's size, so that a decoder
detects altered bytes before it allocates memory. The CRC detects a decoder whose arithmetic differs from the
encoder's and whose frames would be wrong.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.base.errors import StreamError
from bench.codec.container import MAX_FRAMES, Stream

WORD_BYTES = 4
#: Words of the shortest string: the final state of rANS.
FEWEST_WORDS = 2

_FIXED = struct.Struct("<B32sI")
_LONGEST_VARINT = 5


@dataclass(frozen=True)
class Architecture:
    """Layout of an architecture's frames in a stream.

    Attributes:
        code: the payload's first byte. Never reuse one.
        stride: padded sides of a frame are multiples of it.
        key_strings, other_strings: number of strings of a keyframe, and of another frame; 0 if every frame is
            a keyframe.
    """

    code: int
    stride: int
    key_strings: int
    other_strings: int = 0

    def strings(self, *, key: bool) -> int:
        return self.key_strings if key else self.other_strings


ARCHITECTURES = {
    "bmshj2018-factorized": Architecture(1, 64, 1),
    "bmshj2018-hyperprior": Architecture(2, 64, 2),
    "mbt2018-mean": Architecture(3, 64, 2),
    "cheng2020-anchor": Architecture(4, 64, 2),
    "ssf2020": Architecture(5, 128, 2, 4),
}


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Contents of a learned codec's stream.

    Attributes:
        architecture: a name in ARCHITECTURES; digest: SHA-256 of the weight file, in hexadecimal.
        latents_crc: CRC-32 of the integer latents of all frames.
        keyint: frames from one keyframe to the next; 1 if every frame is a keyframe.
        frames: the strings of each frame.
    """

    architecture: str
    digest: str
    latents_crc: int
    keyint: int
    frames: Sequence[Sequence[bytes | memoryview]]

    def chunks(self, *, height: int, width: int) -> Iterable[bytes]:
        """The payload's bytes, piece by piece, for frames of this size."""
        kind = ARCHITECTURES[self.architecture]
        yield _FIXED.pack(kind.code, bytes.fromhex(self.digest), self.latents_crc)
        yield b"".join(map(varint, (*units(height, width, kind.stride), self.keyint)))
        for strings in self.frames:
            for string in strings:
                yield varint(len(string) // WORD_BYTES) + bytes(string)

    @classmethod
    def of_stream(cls, stream: Stream) -> Payload:
        """The contents of a stream's payload; the strings are views of it.

        Raises:
            StreamError: a length is wrong, or a field contradicts the header.
        """
        header, data, where = stream.header, stream.payload, stream.path
        if header.pixel_format != "rgb24":
            raise StreamError(where, f"pixel_format is {header.pixel_format}, must be rgb24")
        if len(data) < _FIXED.size:
            raise StreamError(where, "is cut short")
        code, digest, crc = _FIXED.unpack_from(data)
        name = next((name for name, kind in ARCHITECTURES.items() if kind.code == code), None)
        if name is None:
            raise StreamError(
                where, f"has the unknown architecture code {code}", "use a newer version of the suite"
            )
        kind = ARCHITECTURES[name]
        reader = _Reader(data, _FIXED.size, where)
        coded = reader.varint(), reader.varint()
        if coded != units(header.height, header.width, kind.stride):
            raise StreamError(
                where, f"codes {coded[0]}x{coded[1]} units of {kind.stride}, which contradicts its header"
            )
        keyint = reader.varint()
        if not 1 <= keyint <= MAX_FRAMES or (keyint > 1 and not kind.other_strings):
            raise StreamError(where, f"has a keyframe every {keyint} frames")
        frames = []
        for index in range(header.frames):
            frames.append([reader.string() for _ in range(kind.strings(key=index % keyint == 0))])
        reader.end()
        return cls(architecture=name, digest=digest.hex(), latents_crc=crc, keyint=keyint, frames=frames)


def units(height: int, width: int, stride: int) -> tuple[int, int]:
    """Rows and columns of the padded frame, in units of `stride`."""
    return math.ceil(height / stride), math.ceil(width / stride)


def varint(value: int) -> bytes:
    """A number from 0 in groups of seven bits, lowest first."""
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


class _Reader:
    """Reads varints and strings from untrusted bytes."""

    def __init__(self, data: memoryview, at: int, where: str | Path) -> None:
        self.data, self.at, self.where = data, at, where

    def varint(self) -> int:
        value = 0
        for shift in range(0, 7 * _LONGEST_VARINT, 7):
            if self.at >= len(self.data):
                raise StreamError(self.where, "is cut short")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise StreamError(self.where, "has a length of more than 35 bits")

    def string(self) -> memoryview:
        words = self.varint()
        start, self.at = self.at, self.at + words * WORD_BYTES
        if words < FEWEST_WORDS or self.at > len(self.data):
            raise StreamError(self.where, f"has a string of {words} words")
        return self.data[start : self.at]

    def end(self) -> None:
        if self.at != len(self.data):
            raise StreamError(self.where, f"has {len(self.data) - self.at} bytes after its last frame")
