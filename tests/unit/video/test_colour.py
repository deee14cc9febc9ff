"""Colour conversion, checked against the formulas of BT.709 and BT.601."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clip_data import flat_frame, flat_rgb, prepare_sequence

from bench.base.errors import BenchError
from bench.base.ffmpeg import ffmpeg_exe
from bench.video.clip import planes
from bench.video.colour import CONVERSIONS, conversion, to_rgb, to_yuv
from bench.video.psnr import mse, psnr_db

pytestmark = pytest.mark.numeric


WIDTH, HEIGHT = 32, 16
WEIGHTS = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt601-ffmpeg": (0.299, 0.114)}
COLOURS = [
    *((16, 128, 128), (235, 128, 128), (126, 128, 128), (81, 90, 240), (145, 54, 34), (41, 240, 110)),
    *((63, 102, 240), (173, 42, 26), (32, 240, 118), (100, 150, 90), (180, 100, 160), (1, 128, 254)),
]


@pytest.mark.parametrize("colour", WEIGHTS)
def test_to_rgb_follows_the_formula(colour: str) -> None:
    frames = [flat_frame(*patch, WIDTH, HEIGHT) for patch in COLOURS]
    red, blue = WEIGHTS[colour]
    converted = list(to_rgb(frames, width=WIDTH, height=HEIGHT, colour=colour))
    assert len(converted) == len(COLOURS)
    for patch, frame in zip(COLOURS, converted, strict=True):
        expected = flat_rgb(*patch, red_weight=red, blue_weight=blue)
        # ffmpeg's default conversion of untagged video is a few levels off.
        assert np.abs(frame - expected).max() <= (3 if colour == "bt601-ffmpeg" else 1), patch


@pytest.mark.parametrize("colour", WEIGHTS)
def test_to_yuv_follows_the_formula(colour: str) -> None:
    red, blue = WEIGHTS[colour]
    patches = np.random.default_rng(1).integers(0, 256, (12, 3))
    frames = [np.broadcast_to(patch.astype(np.uint8), (HEIGHT, WIDTH, 3)) for patch in patches]
    for patch, frame in zip(patches, to_yuv(frames, width=WIDTH, height=HEIGHT, colour=colour), strict=True):
        r, g, b = patch / 255
        luma = red * r + (1 - red - blue) * g + blue * b
        expected = (16 + 219 * luma, 128 + 112 * (b - luma) / (1 - blue), 128 + 112 * (r - luma) / (1 - red))
        for plane, value in zip(planes(frame, WIDTH, HEIGHT), expected, strict=True):
            assert np.abs(plane - value).max() <= 1.01, patch


def chroma_edge(*, along: str) -> np.ndarray:
    """A frame of even luma whose V plane has one edge, in the middle."""
    frame = flat_frame(128, 128, 128, WIDTH, HEIGHT)
    v = planes(frame, WIDTH, HEIGHT)[2]
    if along == "columns":
        v[:, WIDTH // 4 :] = 200
    else:
        v[HEIGHT // 4 :] = 200
    return frame


def crossing(values: np.ndarray) -> float:
    """Position, in samples, at which a rising line of samples crosses half its height."""
    half = (float(values[0]) + float(values[-1])) / 2
    at = int(np.argmax(values > half))
    low, high = float(values[at - 1]), float(values[at])
    return at - 1 + (half - low) / (high - low)


def test_chroma_is_sited_left_and_between_rows() -> None:
    # Chroma column k lies on luma column 2k (left siting), chroma row k between luma rows 2k and 2k+1.
    # The edge is halfway between the last low and the first high chroma sample.
    across = next(to_rgb([chroma_edge(along="columns")], width=WIDTH, height=HEIGHT))[HEIGHT // 2, :, 1]
    down = next(to_rgb([chroma_edge(along="rows")], width=WIDTH, height=HEIGHT))[:, WIDTH // 2, 1]
    columns, rows = crossing(-across.astype(int)), crossing(-down.astype(int))  # green falls as V rises
    assert columns == pytest.approx(2 * (WIDTH // 4 - 0.5), abs=0.1)
    assert rows == pytest.approx(2 * (HEIGHT // 4 - 0.5) + 0.5, abs=0.1)


def test_to_yuv_has_the_same_siting(tmp_path: Path) -> None:
    """A shift between the two directions would cost far more chroma PSNR than rounding does."""
    clip = prepare_sequence(tmp_path / "clip", "bigbuckbunny", trim=(60, 64), scale=(320, 180))
    back = to_yuv(clip.rgb(), width=320, height=180)
    for frame, returned in zip(clip.frames(), back, strict=True):
        errors = [mse(a, b) for a, b in zip(planes(frame, 320, 180), planes(returned, 320, 180), strict=True)]
        y, u, v = map(psnr_db, errors)
        assert y > 60
        assert min(u, v) > 47


def test_bt601_ffmpeg_equals_ffmpeg_without_options(tmp_path: Path) -> None:
    from PIL import Image

    frame = np.random.default_rng(2).integers(16, 236, WIDTH * HEIGHT * 3 // 2, np.uint8)
    (tmp_path / "clip.yuv").write_bytes(frame.tobytes())
    size = ["-video_size", f"{WIDTH}x{HEIGHT}", "-pixel_format", "yuv420p"]
    command = [ffmpeg_exe(), "-loglevel", "error", *size, "-i", "clip.yuv", "%04d.png"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with Image.open(tmp_path / "0001.png") as image:
        expected = np.asarray(image)
    assert np.array_equal(next(to_rgb([frame], width=WIDTH, height=HEIGHT, colour="bt601-ffmpeg")), expected)
    assert not np.array_equal(next(to_rgb([frame], width=WIDTH, height=HEIGHT, colour="bt601")), expected)


def test_frames_keep_their_order_and_number() -> None:
    frames = [flat_frame(16 + index, 128, 128, WIDTH, HEIGHT) for index in range(200)]
    back = to_yuv(to_rgb(iter(frames), width=WIDTH, height=HEIGHT), width=WIDTH, height=HEIGHT)
    assert [int(frame[0]) for frame in back] == [16 + index for index in range(200)]
    assert list(to_rgb([], width=WIDTH, height=HEIGHT)) == []


def test_an_error_of_the_source_is_raised() -> None:
    def frames() -> Iterator[np.ndarray]:
        yield flat_frame(50, 128, 128, WIDTH, HEIGHT)
        raise BenchError("clip.y4m", "frame 1 is cut short", "prepare it again")

    with pytest.raises(BenchError, match="frame 1 is cut short"):
        list(to_rgb(frames(), width=WIDTH, height=HEIGHT))


def test_a_source_that_ends_within_a_frame_is_refused() -> None:
    half = flat_frame(50, 128, 128, WIDTH, HEIGHT)[:100]
    with pytest.raises(BenchError, match="colour conversion"):
        list(to_rgb([half], width=WIDTH, height=HEIGHT))


def test_closing_the_iterator_ends_ffmpeg() -> None:
    fed = []

    def frames() -> Iterator[np.ndarray]:
        for index in range(100_000):
            fed.append(index)
            yield flat_frame(50, 128, 128, 320, 180)

    converted = to_rgb(frames(), width=320, height=180)
    next(converted)
    converted.close()
    assert len(fed) < 1000  # the pipes hold a few frames


def test_an_unknown_conversion_lists_the_known_ones() -> None:
    with pytest.raises(BenchError, match=f"use one of {', '.join(CONVERSIONS)}"):
        conversion("bt2020")
