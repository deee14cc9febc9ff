"""Stream formats of the encoders: the contents of a payload, and ffmpeg's names to decode them.

A payload is one byte for the format, then the elementary stream: NAL units for H.264, HEVC and VVC, open
bitstream units (low overhead) for AV1. VP9 has no byte stream format: its packets follow each other, each
after its size (LEB128), and are converted to IVF for the decoder. IVF's headers of 12 bytes per frame would
be 3 % of the rate at 0.05 bpp and 320x180. Containers would add 11 to 13 % to a stream of 20 kB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from bench.base.errors import StreamError
from bench.codec.container import Header

Bytes = bytes | memoryview

_IVF_HEADER = struct.Struct("<4sHH4sHHIIII")
_IVF_FRAME = struct.Struct("<IQ")


@dataclass(frozen=True, kw_only=True)
class Format:
    """An elementary stream format, with ffmpeg's names for it.

    Attributes:
        name: the format's name; code: the payload's first byte. Never reuse one.
        demuxer, decoder: ffmpeg's names; the muxer has the demuxer's name.
        units: elementary stream -> names of its units in order, for `bench describe`.
        output: arguments that convert the decoder's frames to 8 bit, if necessary.
        pack: output of ffmpeg's muxer -> elementary stream of the payload; unpack: the reverse.
        timed: whether the stream has timestamps; otherwise ffmpeg needs the frame rate.
    """

    name: str
    code: int
    demuxer: str
    decoder: str
    units: Callable[[Bytes], Iterator[str]]
    output: tuple[str, ...] = ()
    pack: Callable[[bytes], bytes] = lambda data: data
    unpack: Callable[[memoryview, Header], Iterator[Bytes]] = lambda payload, header: iter([payload])
    timed: bool = False


def nal_units(stream: Bytes, *, kind: Callable[[int], int], names: Mapping[int, str]) -> Iterator[str]:
    """Names of the NAL units after start codes; `kind`: the two bytes of a unit's header -> its type."""
    data = bytes(stream)
    at = data.find(b"\0\0\1")
    while 0 <= at <= len(data) - 5:
        unit = kind(int.from_bytes(data[at + 3 : at + 5], "big"))
        yield names.get(unit, f"type {unit}")
        at = data.find(b"\0\0\1", at + 3)


def obu_units(stream: Bytes) -> Iterator[str]:
    """Names of AV1's open bitstream units (AV1 specification, 5.3), with the visibility of frames."""
    at = 0
    while at < len(stream):
        head = stream[at]
        body = at + 1 + (head >> 2 & 1)
        size, body = read_leb128(stream, body) if head & 2 else (len(stream) - body, body)
        at = body + size
        if at > len(stream):
            raise StreamError("payload", "ends within an OBU")
        unit = head >> 3 & 15
        if unit in (3, 6) and size:  # frame header, frame
            shown_again, key, shown = stream[body] >> 7, not stream[body] >> 5 & 3, stream[body] >> 4 & 1
            yield _frame_name(shown_again, key, shown)
        else:
            yield _OBU_NAMES.get(unit, f"type {unit}")


def vp9_packets(stream: Bytes) -> Iterator[Bytes]:
    """The packets of a VP9 payload. Each has one visible frame, and may have hidden ones before it."""
    at = 0
    while at < len(stream):
        size, start = read_leb128(stream, at)
        at = start + size
        if not size or at > len(stream):
            raise StreamError("payload", "is cut short or damaged: a packet's size is wrong")
        yield stream[start:at]


def vp9_units(stream: Bytes) -> Iterator[str]:
    """Names of VP9's frames (VP9 specification, 6.2 and annex B), including hidden ones in superframes."""
    for packet in vp9_packets(stream):
        for frame in _frames_of(packet):
            bits = frame[0] << (1 if frame[0] >> 4 & 3 == 3 else 0)  # profile 3 has one bit more
            yield _frame_name(bits >> 3 & 1, not bits >> 2 & 1, bits >> 1 & 1)


def pack_ivf(data: bytes) -> bytes:
    """The packets of an IVF file, each after its size, without headers and timestamps."""
    packed, at = bytearray(), _IVF_HEADER.size
    while at < len(data):
        size, _ = _IVF_FRAME.unpack_from(data, at)
        at += _IVF_FRAME.size
        packed += leb128(size) + data[at : at + size]
        at += size
    return bytes(packed)


def unpack_ivf(payload: memoryview, header: Header) -> Iterator[Bytes]:
    """An IVF file of the packets, in order, one per tick."""
    rate = header.fps.numerator, header.fps.denominator
    size = header.width, header.height
    yield _IVF_HEADER.pack(b"DKIF", 0, _IVF_HEADER.size, b"VP90", *size, *rate, header.frames, 0)
    for index, packet in enumerate(vp9_packets(payload)):
        yield _IVF_FRAME.pack(len(packet), index)
        yield packet


def leb128(value: int) -> bytes:
    """A number in groups of 7 bits, the lowest first; all but the last have the top bit set."""
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def read_leb128(data: Bytes, at: int) -> tuple[int, int]:
    """A number, and the offset of its end.

    Raises:
        StreamError: it is cut short or longer than 8 bytes.
    """
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise StreamError("payload", "is cut short or damaged within a number")


def _frames_of(packet: Bytes) -> Iterator[Bytes]:
    """The frames of a packet. A superframe ends with an index of their sizes between two equal bytes."""
    last = packet[-1]
    count, width = (last & 7) + 1, (last >> 3 & 3) + 1
    start = len(packet) - 2 - count * width
    if last >> 5 != 6 or start < 0 or packet[start] != last:
        yield packet
        return
    at = 0
    for offset in range(start + 1, len(packet) - 1, width):
        size = int.from_bytes(packet[offset : offset + width], "little")
        if not 0 < size <= start - at:
            raise StreamError("payload", "has a superframe with wrong sizes")
        yield packet[at : at + size]
        at += size


def _frame_name(shown_again: int, key: bool, shown: int) -> str:
    if shown_again:
        return "frame shown again"
    return "key frame" if key else "frame" if shown else "hidden frame"


_H264_NAMES = {1: "slice", 5: "IDR slice", 6: "SEI", 7: "SPS", 8: "PPS", 9: "AUD"}
_HEVC_NAMES = {0: "slice (unreferenced)", 1: "slice", 19: "IDR slice", 20: "IDR slice", 21: "CRA slice"}
_HEVC_NAMES |= {32: "VPS", 33: "SPS", 34: "PPS", 35: "AUD", 39: "SEI", 40: "SEI"}
_VVC_NAMES = dict.fromkeys(range(4), "slice") | {7: "IDR slice", 8: "IDR slice", 9: "CRA slice"}
_VVC_NAMES |= {14: "VPS", 15: "SPS", 16: "PPS", 17: "APS", 18: "APS", 20: "AUD", 23: "SEI", 24: "SEI"}
_OBU_NAMES = {1: "sequence header", 2: "temporal delimiter", 3: "frame header", 4: "tile group"}
_OBU_NAMES |= {5: "metadata", 6: "frame", 7: "frame header again", 15: "padding"}

_FORMATS = (
    Format(
        name="h264",
        code=1,
        demuxer="h264",
        decoder="h264",
        units=partial(nal_units, kind=lambda head: head >> 8 & 31, names=_H264_NAMES),
    ),
    Format(
        name="hevc",
        code=2,
        demuxer="hevc",
        decoder="hevc",
        units=partial(nal_units, kind=lambda head: head >> 9 & 63, names=_HEVC_NAMES),
    ),
    Format(name="av1", code=3, demuxer="obu", decoder="libdav1d", units=obu_units),
    Format(
        name="vp9",
        code=4,
        demuxer="ivf",
        decoder="vp9",
        units=vp9_units,
        pack=pack_ivf,
        unpack=unpack_ivf,
        timed=True,
    ),
    # VVenC codes 10 bits. Without dither, swscale rounds to the nearest 8-bit value.
    Format(
        name="vvc",
        code=5,
        demuxer="vvc",
        decoder="vvc",
        units=partial(nal_units, kind=lambda head: head >> 3 & 31, names=_VVC_NAMES),
        output=("-sws_dither", "none", "-pix_fmt", "yuv420p"),
    ),
    Format(
        name="hevc10",
        code=6,
        demuxer="hevc",
        decoder="hevc",
        units=partial(nal_units, kind=lambda head: head >> 9 & 63, names=_HEVC_NAMES),
        output=("-sws_dither", "none", "-pix_fmt", "yuv420p"),
    ),
)
FORMATS = {format_.name: format_ for format_ in _FORMATS}
