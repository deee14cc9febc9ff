"""The stream container: layout, limits, and damaged or malicious files."""

from __future__ import annotations

import struct
import zlib
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench.base.errors import BenchError, StreamError
from bench.codec.container import (
    MAX_HEADER_BYTES,
    PIXEL_FORMATS,
    Header,
    parse_stream,
    read_stream,
    repair_checksum,
    write_stream,
)

HEADER = Header(
    family="control",
    pixel_format="yuv420p",
    width=64,
    height=48,
    frames=9,
    fps=Fraction(30000, 1001),
    matrix="bt601",
    range="full",
    siting="center",
)
PAYLOAD = bytes(range(256)) * 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "stream.bin"
    write_stream(path, HEADER, [PAYLOAD[:100], b"", memoryview(PAYLOAD[100:])])
    return path


def altered(path: Path, at: int, value: bytes, *, repair: bool = True) -> bytearray:
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    if repair:
        repair_checksum(data)
    return data


def test_round_trip(path: Path) -> None:
    stream = read_stream(path)
    assert stream.header == HEADER
    assert bytes(stream.payload) == PAYLOAD
    assert stream.path == path
    assert stream.bytes == path.stat().st_size == len(PAYLOAD) + 38 + len("control")


def test_the_documented_layout(path: Path) -> None:
    data = path.read_bytes()
    assert data[:4] == b"NVS\x1a"
    assert list(data[4:10]) == [1, 45, 0, 1, 1, 1]
    assert struct.unpack_from("<HHIIIQ", data, 10) == (64, 48, 9, 30000, 1001, len(PAYLOAD))
    crc = zlib.crc32(data[:34] + bytes(4) + data[38:45], zlib.crc32(PAYLOAD))
    assert struct.unpack_from("<I", data, 34) == (crc,)
    assert data[38:45] == b"control"


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_frame_bytes_and_shape(pixel_format: str) -> None:
    header = Header(family="x", pixel_format=pixel_format, width=64, height=48, frames=1, fps=Fraction(25))
    count = 1
    for side in header.frame_shape:
        count *= side
    assert header.frame_bytes == count == 64 * 48 * (3 if pixel_format == "rgb24" else 1.5)


def test_the_longest_family_fits_the_header(tmp_path: Path) -> None:
    header = Header(
        family="f" * 24, pixel_format="rgb24", width=8192, height=8192, frames=1024, fps=Fraction(25)
    )
    write_stream(tmp_path / "s", header, [])
    assert (tmp_path / "s").stat().st_size <= MAX_HEADER_BYTES
    assert read_stream(tmp_path / "s").header == header


def test_an_rgb_stream_holds_the_matrix_of_its_conversion(tiny_clip) -> None:
    info = replace(tiny_clip.info, colour="bt601-ffmpeg")
    assert Header.of_clip(info, family="x", pixel_format="yuv420p").matrix == "bt709"
    assert Header.of_clip(info, family="x", pixel_format="rgb24").matrix == "bt601"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 63}, "width must be even and 2 to 8192, not 63"),
        ({"height": 8194}, "height must be even and 2 to 8192, not 8194"),
        ({"width": 0}, "width must"),
        ({"frames": 0}, "frames must be 1 to 1048576, not 0"),
        ({"frames": 1 << 21}, "frames"),
        ({"width": 8192, "height": 8192, "frames": 1 << 20}, "pixels"),
        ({"fps": Fraction(0)}, "frame rate"),
        ({"fps": Fraction(1 << 33)}, "frame rate"),
        ({"family": "../x"}, "family"),
        ({"family": "f" * 25}, "family"),
        ({"matrix": "bt470"}, "unknown matrix 'bt470'; use one of bt709"),
        ({"siting": "right"}, "siting"),
    ],
)
def test_an_invalid_header_is_not_written(tmp_path: Path, changes: dict, message: str) -> None:
    header = Header(**{**asdict(HEADER), **changes})
    with pytest.raises(BenchError, match=message):
        write_stream(tmp_path / "stream.bin", header, [PAYLOAD])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    def chunks():
        yield PAYLOAD
        raise error

    (tmp_path / "stream.bin").write_bytes(b"before")
    with pytest.raises(error):
        write_stream(tmp_path / "stream.bin", HEADER, chunks())
    assert [p.name for p in tmp_path.iterdir()] == ["stream.bin"]
    assert (tmp_path / "stream.bin").read_bytes() == b"before"


def test_every_truncation_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for size in range(len(data)):
        with pytest.raises(StreamError) as error:
            parse_stream(data[:size], path)
        assert str(path) in str(error.value)
        assert len(str(error.value).splitlines()) == 1


def test_every_flipped_bit_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            with pytest.raises(StreamError):
                parse_stream(data, path)
            data[at] ^= 1 << bit


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"RIFF", "not a stream"),
        (4, b"\x02", "format version 2, not 1"),
        (4, b"\x00", "format version 0, not 1"),
        (6, b"\x02", "pixel_format"),
        (7, b"\xff", "matrix"),
        (8, b"\xff", "range"),
        (9, b"\xff", "siting"),
        (10, b"\x00\x00", "width must be .* not 0"),
        (10, b"\x01\x00", "width must be .* not 1"),
        (12, b"\xff\xff", "height must be .* not 65535"),
        (14, b"\x00\x00\x00\x00", "frames must be .* not 0"),
        (14, b"\xff\xff\xff\xff", "frames"),
        (18, b"\x00\x00\x00\x00", "frame rate"),
        (22, b"\x00\x00\x00\x00", "frame rate"),
        (38, b"../cont", "family"),
        (38, b"\xff" * 7, "family"),
    ],
)
def test_an_invalid_header_with_a_valid_checksum_is_refused(
    path: Path, at: int, value: bytes, message: str
) -> None:
    with pytest.raises(StreamError, match=message):
        parse_stream(altered(path, at, value), path)


@pytest.mark.parametrize("length", [0, 5, 37, 38, 255])
def test_a_wrong_header_length_is_refused(path: Path, length: int) -> None:
    with pytest.raises(StreamError):
        parse_stream(altered(path, 5, bytes([length]), repair=False), path)


@pytest.mark.parametrize("length", [0, 1, len(PAYLOAD) - 1, len(PAYLOAD) + 1, 2**63, 2**64 - 1])
def test_a_wrong_payload_length_is_refused(path: Path, length: int) -> None:
    with pytest.raises(StreamError, match=r"cut short|after its end"):
        parse_stream(altered(path, 26, struct.pack("<Q", length), repair=False), path)


@pytest.mark.parametrize("content", [b"", b"\0", b"YUV4MPEG2 W64 H48 F25:1\nFRAME\n", b"\x80\x04]."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(StreamError, match=r"empty|not a stream"):
        read_stream(tmp_path / "other")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(BenchError, match="no such file"):
            read_stream(path)
