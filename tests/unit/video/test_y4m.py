"""The y4m format: header lines, frames and the order of bytes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.base.errors import BenchError
from bench.video.y4m import MAX_HEADER_BYTES, parse_y4m_header, read_y4m_frames, y4m_chunks, y4m_header


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "does not begin"),
        (b"RIFF1234\n", "does not begin"),
        (b"YUV4MPEG2 W16 H12 F25:1", "does not begin"),
        (b"YUV4MPEG2 W16 F25:1\n", "lacks a valid W, H or F"),
        (b"YUV4MPEG2 W16 H12 F25:0\n", "lacks a valid W, H or F"),
        (b"YUV4MPEG2 Wx H12 F25:1\n", "lacks a valid W, H or F"),
        (b"YUV4MPEG2 W16 H12 F25:1 C444\n", "C444 is not 8-bit 4:2:0"),
        (b"YUV4MPEG2 W16 H12 F25:1 C420p10\n", "C420p10 is not 8-bit 4:2:0"),
    ],
)
def test_invalid_headers_are_refused(line: bytes, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_y4m_header(line, where="clip.y4m")


SIDES = st.integers(1, 4096).map(lambda half: 2 * half)
RATES = st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=100_000)


@given(width=SIDES, height=SIDES, fps=RATES)
def test_header_round_trip(width: int, height: int, fps: Fraction) -> None:
    line = y4m_header(width, height, fps)
    assert len(line) <= MAX_HEADER_BYTES
    assert parse_y4m_header(line, where="clip.y4m") == (width, height, fps)


def test_optional_tags_may_be_missing() -> None:
    assert parse_y4m_header(b"YUV4MPEG2 W4 H2 F24:1\n", where="clip.y4m") == (4, 2, Fraction(24))
    extended = b"YUV4MPEG2 H2 W4 F24:1 XYSCSS=444 XW9\n"  # extensions do not override tags
    assert parse_y4m_header(extended, where="clip.y4m") == (4, 2, Fraction(24))


def test_file_layout(tmp_path: Path) -> None:
    frames = [np.arange(12, dtype=np.uint8), np.arange(12, 24, dtype=np.uint8)]
    data = b"".join(y4m_chunks(frames, width=4, height=2, fps=Fraction(25)))
    header = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n"
    assert data == header + b"FRAME\n" + bytes(range(12)) + b"FRAME\n" + bytes(range(12, 24))
    path = tmp_path / "clip.y4m"
    path.write_bytes(data)
    assert np.array_equal(list(read_y4m_frames(path, frame_bytes=12, first=0, stop=2)), frames)
    assert np.array_equal(list(read_y4m_frames(path, frame_bytes=12, first=1, stop=2)), frames[1:])
