"""Stream container: every header survives, every change and every cut is refused."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.base.errors import BenchError, StreamError
from bench.codec.container import (
    MATRICES,
    MAX_HEADER_BYTES,
    MAX_PIXELS,
    PIXEL_FORMATS,
    RANGES,
    SITINGS,
    Header,
    parse_stream,
    read_stream,
    repair_checksum,
    write_stream,
)

SIDES = st.integers(1, 4096).map(lambda half: 2 * half)
UINT32 = st.integers(1, 2**32 - 1)
HEADERS = st.builds(
    Header,
    family=st.from_regex(r"[a-z][a-z0-9_]{0,23}", fullmatch=True),
    pixel_format=st.sampled_from(PIXEL_FORMATS),
    width=SIDES,
    height=SIDES,
    frames=st.integers(1, 1 << 20),
    fps=st.builds(Fraction, UINT32, UINT32),
    matrix=st.sampled_from(MATRICES),
    range=st.sampled_from(RANGES),
    siting=st.sampled_from(SITINGS),
).filter(lambda header: header.width * header.height * header.frames <= MAX_PIXELS)
PAYLOADS = st.lists(st.binary(max_size=200), max_size=4)


def stream_bytes(header: Header, chunks: list[bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s")
        write_stream(path, header, chunks)
        return path.read_bytes()


@given(HEADERS, PAYLOADS)
def test_header_and_payload_round_trip(header: Header, chunks: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s")
        size = write_stream(path, header, chunks)
        stream = read_stream(path)
        assert (stream.header, bytes(stream.payload)) == (header, b"".join(chunks))
        assert size == stream.bytes == path.stat().st_size
        assert size - len(stream.payload) <= MAX_HEADER_BYTES


@given(HEADERS, PAYLOADS, st.data())
def test_every_changed_byte_is_refused(header: Header, chunks: list[bytes], data: st.DataObject) -> None:
    stream = bytearray(stream_bytes(header, chunks))
    position = data.draw(st.integers(0, len(stream) - 1))
    stream[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StreamError):
        parse_stream(bytes(stream), "changed")


@given(HEADERS, PAYLOADS, st.binary(min_size=1, max_size=40))
def test_every_truncation_and_every_addition_is_refused(
    header: Header, chunks: list[bytes], tail: bytes
) -> None:
    stream = stream_bytes(header, chunks)
    for length in range(len(stream)):
        with pytest.raises(StreamError):
            parse_stream(stream[:length], "cut")
    with pytest.raises(StreamError):
        parse_stream(stream + tail, "longer")


@given(HEADERS, PAYLOADS, st.data())
def test_hostile_header_with_a_correct_checksum_is_valid_or_refused(
    header: Header, chunks: list[bytes], data: st.DataObject
) -> None:
    """A header that is accepted has a valid geometry, whatever its bytes were."""
    stream = bytearray(stream_bytes(header, chunks))
    end = stream[5]
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    assume(len(stream) > 38)
    repair_checksum(stream)
    try:
        parsed = parse_stream(bytes(stream), "hostile")
    except StreamError:
        return
    assert parsed.header.problem() is None
    assert parsed.header.pixel_format in PIXEL_FORMATS


@given(HEADERS, st.sampled_from(["width", "height", "frames", "fps", "family"]), st.data())
def test_invalid_header_is_not_written(header: Header, field: str, data: st.DataObject) -> None:
    wrong = {
        "width": st.one_of(st.integers(-4, 1), st.integers(8193, 1 << 20), SIDES.map(lambda n: n - 1)),
        "height": st.one_of(st.integers(-4, 1), st.integers(8193, 1 << 20), SIDES.map(lambda n: n + 1)),
        "frames": st.one_of(st.integers(-4, 0), st.integers((1 << 20) + 1, 1 << 40)),
        "fps": st.one_of(st.just(Fraction(0)), st.builds(Fraction, st.integers(1 << 32, 1 << 40))),
        "family": st.one_of(st.just(""), st.just("x" * 25), st.sampled_from(["A", "a b", "1a", "é", "a\n"])),
    }
    values = {**vars(header), field: data.draw(wrong[field])}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s")
        with pytest.raises(BenchError, match=field if field != "fps" else "frame rate"):
            write_stream(path, Header(**values), [b"x"])
        assert not list(Path(folder).iterdir())
