from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_data import flat_frame, flat_rgb, write_clip

from bench.base.errors import BenchError
from bench.video.clip import Clip, ClipInfo, parse_y4m_header, planes, y4m_header

WIDTH, HEIGHT, FRAMES = 16, 12, 5


@pytest.fixture
def frames() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return list(generator.integers(0, 256, (FRAMES, WIDTH * HEIGHT * 3 // 2), np.uint8))


@pytest.fixture
def clip(tmp_path: Path, frames: list[np.ndarray]) -> Clip:
    return write_clip(tmp_path / "noise", frames, width=WIDTH, height=HEIGHT, fps="30000/1001")


def rewrite(clip: Clip, **values: object) -> None:
    """Alter clip.json; a value of ... takes the field out."""
    path = clip.path.with_name("clip.json")
    info = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in info.items() if value is not ...}))


def test_frames_come_back_as_written(clip: Clip, frames: list[np.ndarray]) -> None:
    assert np.array_equal(list(clip.frames()), frames)
    assert np.array_equal(list(clip.frames(2)), frames[2:])
    assert np.array_equal(list(clip.frames(1, 3)), frames[1:3])
    assert list(clip.frames(2, 2)) == []
    assert clip.info.pixels == WIDTH * HEIGHT * FRAMES


@pytest.mark.parametrize(("first", "stop"), [(-1, 2), (0, FRAMES + 1), (3, 2)])
def test_frames_outside_the_clip_are_refused(clip: Clip, first: int, stop: int) -> None:
    with pytest.raises(ValueError, match="of a clip of 5"):
        next(clip.frames(first, stop))


def test_info_survives_json(clip: Clip) -> None:
    values = json.loads(json.dumps(clip.info.to_json()))
    assert values["fps"] == "30000/1001"
    assert ClipInfo.from_json(values) == clip.info
    assert Clip.load(clip.path.parent).info.fps == Fraction(30000, 1001)


def test_rgb_is_the_clips_own_conversion(tmp_path: Path) -> None:
    frame = flat_frame(120, 90, 160, WIDTH, HEIGHT)
    weights = {"bt709": (0.2126, 0.0722), "bt601-ffmpeg": (0.299, 0.114)}
    for colour, (red, blue) in weights.items():
        clip = write_clip(tmp_path / colour, [frame] * 3, width=WIDTH, height=HEIGHT, colour=colour)
        array = clip.rgb_array()
        assert array.shape == (3, HEIGHT, WIDTH, 3)
        assert array.dtype == np.uint8
        wanted = flat_rgb(120, 90, 160, red_weight=red, blue_weight=blue)
        assert np.abs(array - wanted).max() <= 3  # see test_colour.py for the exact ones
    assert len(list(clip.rgb(1, 3))) == 2


def test_planes_are_views_of_the_frame(frames: list[np.ndarray]) -> None:
    y, u, v = planes(frames[0], WIDTH, HEIGHT)
    assert y.shape == (HEIGHT, WIDTH)
    assert u.shape == v.shape == (HEIGHT // 2, WIDTH // 2)
    assert np.array_equal(np.concatenate([y.ravel(), u.ravel(), v.ravel()]), frames[0])
    assert np.shares_memory(v, frames[0])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"width": ...}, "missing field width"),
        ({"colr": "bt709"}, "unknown field colr"),
        ({"width": "16"}, "width is '16', not of type int"),
        ({"frames": True}, "frames is True"),
        ({"frames": 0}, "frames is 0"),
        ({"width": 15}, "width is 15, 4:2:0 needs an even one"),
        ({"height": 9000}, "height is 9000"),
        ({"fps": "25/0"}, "fps is '25/0'"),
        ({"fps": "0/1"}, "not positive"),
        ({"pixel_format": "yuv444p"}, "pixel_format is 'yuv444p'"),
        ({"height": 14}, "height is 12, clip.json says 14"),
        ({"fps": "25/1"}, "fps is 30000/1001, clip.json says 25"),
        ({"frames": 6}, "6 frames of 16x12 make"),
    ],
)
def test_a_wrong_clip_json_names_the_field(clip: Clip, values: dict[str, object], told: str) -> None:
    rewrite(clip, **values)
    with pytest.raises(BenchError, match=told) as caught:
        Clip.load(clip.path.with_name("clip.json"))
    assert "\n" not in str(caught.value)
    assert str(clip.path.parent) in str(caught.value)


def test_missing_and_broken_files(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        Clip.load(tmp_path / "nowhere" / "clip.json")
    clip.path.with_name("clip.json").write_text("{")
    with pytest.raises(BenchError, match=r"is not a clip\.json"):
        Clip.load(clip.path.parent)
    clip.path.with_name("clip.json").write_text("[]")
    with pytest.raises(BenchError, match="no object"):
        Clip.load(clip.path.parent)


def test_a_missing_y4m_is_refused(clip: Clip) -> None:
    clip.path.unlink()
    with pytest.raises(BenchError, match=r"clip\.y4m: No such file"):
        Clip.load(clip.path.parent)


@pytest.mark.parametrize("change", [-1, 1, -(WIDTH * HEIGHT)])
def test_a_y4m_of_another_length_is_refused(clip: Clip, change: int) -> None:
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[:change] if change < 0 else data + bytes(change))
    with pytest.raises(BenchError, match="5 frames of 16x12 make"):
        Clip.load(clip.path.parent)


def test_a_misplaced_frame_line_is_found(clip: Clip) -> None:
    data = clip.path.read_bytes()
    at = data.rindex(b"FRAME")
    clip.path.write_bytes(data[:at] + b"FRAMF" + data[at + 5 :])
    with pytest.raises(BenchError, match="frame 4 does not begin with a FRAME line"):
        list(Clip.load(clip.path.parent).frames())


def test_a_file_that_shrinks_while_it_is_read_is_found(clip: Clip) -> None:
    frames = clip.frames()
    next(frames)
    clip.path.write_bytes(clip.path.read_bytes()[:-20])
    with pytest.raises(BenchError, match="frame 4 is cut short"):
        list(clip.frames(3))


@pytest.mark.parametrize(
    ("line", "told"),
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
def test_wrong_y4m_headers(line: bytes, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        parse_y4m_header(line, where="clip.y4m")


def test_y4m_header_round_trip() -> None:
    line = y4m_header(320, 180, Fraction(30000, 1001))
    assert parse_y4m_header(line, where="clip.y4m") == (320, 180, Fraction(30000, 1001))
    assert parse_y4m_header(b"YUV4MPEG2 W4 H2 F24:1\n", where="clip.y4m") == (4, 2, Fraction(24))
