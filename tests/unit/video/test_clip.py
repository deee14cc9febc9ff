"""Clips: clip.json, clip.y4m, and what is refused."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_data import flat_frame, flat_rgb, write_clip

from bench.base.errors import BenchError
from bench.video.clip import Clip, ClipInfo, planes
from bench.video.y4m import read_y4m_frames

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


def test_frames_round_trip(clip: Clip, frames: list[np.ndarray]) -> None:
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


def test_rgb_uses_the_conversion_of_the_clip(tmp_path: Path) -> None:
    frame = flat_frame(120, 90, 160, WIDTH, HEIGHT)
    weights = {"bt709": (0.2126, 0.0722), "bt601-ffmpeg": (0.299, 0.114)}
    for colour, (red, blue) in weights.items():
        clip = write_clip(tmp_path / colour, [frame] * 3, width=WIDTH, height=HEIGHT, colour=colour)
        array = clip.rgb_array()
        assert array.shape == (3, HEIGHT, WIDTH, 3)
        assert array.dtype == np.uint8
        expected = flat_rgb(120, 90, 160, red_weight=red, blue_weight=blue)
        assert np.abs(array - expected).max() <= 3  # test_colour.py has the exact bounds
    assert len(list(clip.rgb(1, 3))) == 2


def test_planes_share_the_memory_of_the_frame(frames: list[np.ndarray]) -> None:
    y, u, v = planes(frames[0], WIDTH, HEIGHT)
    assert y.shape == (HEIGHT, WIDTH)
    assert u.shape == v.shape == (HEIGHT // 2, WIDTH // 2)
    assert np.array_equal(np.concatenate([y.ravel(), u.ravel(), v.ravel()]), frames[0])
    assert np.shares_memory(v, frames[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": ...}, "missing field width"),
        ({"colr": "bt709"}, "unknown field colr"),
        ({"width": "16"}, "width must be of type int, not '16'"),
        ({"frames": True}, "frames must be of type int, not True"),
        ({"sha256": 5}, "sha256 must be of type str, not 5"),
        ({"frames": 0}, "frames must be 1 to 1048576, not 0"),
        ({"width": 15}, "width must be even for 4:2:0, not 15"),
        ({"height": 9000}, "height must be 2 to 8192, not 9000"),
        ({"fps": "25/0"}, "fps must be a ratio such as 25/1, not '25/0'"),
        ({"fps": "0/1"}, "fps must be positive, not '0/1'"),
        ({"pixel_format": "yuv444p"}, "pixel_format must be yuv420p, not 'yuv444p'"),
        ({"height": 14}, "height is 12, but 14 in clip.json"),
        ({"fps": "25/1"}, "fps is 30000/1001, but 25 in clip.json"),
        ({"frames": 6}, "6 frames of 16x12 are"),
    ],
)
def test_an_error_in_clip_json_names_the_field(clip: Clip, values: dict[str, object], message: str) -> None:
    rewrite(clip, **values)
    with pytest.raises(BenchError, match=message) as caught:
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
    with pytest.raises(BenchError, match="top level must be an object"):
        Clip.load(clip.path.parent)


def test_a_missing_y4m_is_refused(clip: Clip) -> None:
    clip.path.unlink()
    with pytest.raises(BenchError, match=r"clip\.y4m: No such file"):
        Clip.load(clip.path.parent)


@pytest.mark.parametrize("change", [-1, 1, -(WIDTH * HEIGHT)])
def test_a_y4m_of_the_wrong_size_is_refused(clip: Clip, change: int) -> None:
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[:change] if change < 0 else data + bytes(change))
    with pytest.raises(BenchError, match="5 frames of 16x12 are"):
        Clip.load(clip.path.parent)


def test_a_damaged_frame_line_is_an_error(clip: Clip) -> None:
    data = clip.path.read_bytes()
    at = data.rindex(b"FRAME")
    clip.path.write_bytes(data[:at] + b"FRAMF" + data[at + 5 :])
    rewrite(clip, sha256=hashlib.sha256(clip.path.read_bytes()).hexdigest())
    with pytest.raises(BenchError, match="frame 4 does not begin with a FRAME line"):
        list(Clip.load(clip.path.parent).frames())


def test_a_file_that_shrinks_while_it_is_read_is_an_error(clip: Clip) -> None:
    frames = clip.frames()
    next(frames)
    clip.path.write_bytes(clip.path.read_bytes()[:-20])
    with pytest.raises(BenchError, match="was changed while it was read"):
        list(frames)
    with pytest.raises(BenchError, match="frame 4 is cut short"):
        list(read_y4m_frames(clip.path, frame_bytes=clip.info.frame_bytes, first=3, stop=FRAMES))


def test_a_flipped_bit_is_noticed_where_the_frames_are_read(clip: Clip) -> None:
    """Header and size are right, and the clip was read before: only the digest shows the change."""
    list(clip.frames())
    data = bytearray(clip.path.read_bytes())
    data[-1] ^= 1
    clip.path.write_bytes(data)
    for frames in (clip.frames(), Clip.load(clip.path.parent).frames(0, 1), clip.rgb()):
        with pytest.raises(BenchError, match=r"its sha256 is .* but .* in clip\.json; prepare the"):
            next(frames)


def test_the_digest_is_computed_once_for_each_state_of_the_file(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(path: str) -> str:
        nonlocal count
        count += 1
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    monkeypatch.setattr("bench.base.files.sha256_file", counted)
    for _ in range(3):
        list(clip.frames())
    assert count == 1
    data = clip.path.read_bytes()
    clip.path.unlink()
    clip.path.write_bytes(data)  # the same bytes in another file
    list(clip.frames())
    assert count == 2
