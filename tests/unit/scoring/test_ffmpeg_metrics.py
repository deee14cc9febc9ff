"""Metrics of ffmpeg: the joint process against single filters, and against computations from definitions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from clip_data import flat_frame, write_clip

from bench.base.ffmpeg import ffmpeg_exe, raw_video_args
from bench.scoring.ffmpeg_metrics import FfmpegScorer, filter_graph, xpsnr_of_clip
from bench.scoring.metrics import METRICS, SCORERS
from bench.scoring.score import Scores, score
from bench.video.clip import Clip, planes

pytestmark = pytest.mark.numeric

NAMES = [name for name in METRICS if SCORERS[name] is FfmpegScorer]
#: Metric -> options of the filter libvmaf that compute it alone, and key of its value.
SINGLE = {
    "vmaf": ("model=version=vmaf_v0.6.1", "vmaf"),
    "vmaf_neg": ("model=version=vmaf_v0.6.1neg", "vmaf"),
    "vmaf_v1": ("model=version=vmaf_v1.0.16_3d0h", "vmaf"),
    "vmaf_4k": ("model=version=vmaf_4k_v0.6.1", "vmaf"),
    "psnr_hvs_db": ("feature=name=psnr_hvs", "psnr_hvs"),
    "ciede2000": ("feature=name=ciede", "ciede2000"),
    "cambi": ("feature=name=cambi", "cambi"),
}


def moving_texture(width: int, height: int, frames: int = 2) -> list[np.ndarray]:
    """Smooth random frames that move by one pixel a frame, in limited range."""
    generator = np.random.default_rng(0)
    sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    noise = [generator.uniform(0, 1, (rows // 8 + 2, columns // 8 + 2)) for rows, columns in sizes]
    smooth = [np.kron(one, np.ones((9, 9))) for one in noise]
    flat = []
    for frame in range(frames):
        parts = [
            (16 + 219 * one[:rows, frame : frame + columns] + generator.integers(0, 3, (rows, columns)))
            for one, (rows, columns) in zip(smooth, sizes, strict=True)
        ]
        flat.append(np.concatenate([part.astype(np.uint8).ravel() for part in parts]))
    return flat


def noisy(frames: list[np.ndarray], level: int) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    errors = (generator.integers(-level, level + 1, frame.shape) for frame in frames)
    pairs = zip(frames, errors, strict=True)
    return [np.clip(frame + error, 16, 235).astype(np.uint8) for frame, error in pairs]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return write_clip(tmp_path_factory.mktemp("texture"), moving_texture(320, 180), width=320, height=180)


@pytest.fixture(scope="module")
def decoded(clip: Clip) -> list[np.ndarray]:
    return noisy(list(clip.frames()), 7)


@pytest.fixture(scope="module")
def scores(clip: Clip, decoded: list[np.ndarray]) -> Scores:
    """All metrics of ffmpeg, computed by one process."""
    return score(decoded, clip, pixel_format="yuv420p", metrics=NAMES)


def run_filter(clip: Clip, decoded: list[np.ndarray], graph: str) -> str:
    """Standard output of ffmpeg with one filter of the decoded frames [0:v] and the reference [1:v]."""
    info = clip.info
    command = [
        *(ffmpeg_exe(), "-loglevel", "error"),
        *raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps),
        *("-i", str(clip.path), "-lavfi", graph, "-f", "null", "-"),
    ]
    frames = b"".join(frame.tobytes() for frame in decoded)
    return subprocess.run(command, input=frames, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("name", SINGLE)
def test_the_joint_process_computes_what_a_single_filter_does(
    name: str, clip: Clip, decoded: list[np.ndarray], scores: Scores
) -> None:
    options, key = SINGLE[name]
    graph = f"[0:v][1:v]libvmaf={options}:log_fmt=json:log_path=/dev/stdout"
    frames = json.loads(run_filter(clip, decoded, graph))["frames"]
    alone = [frame["metrics"][key] for frame in frames]
    assert [row[name] for row in scores.rows] == alone
    assert scores.values[name] == pytest.approx(np.mean(alone))


def test_xpsnr_takes_its_weights_from_the_source(
    clip: Clip, decoded: list[np.ndarray], scores: Scores
) -> None:
    log = run_filter(clip, decoded, "[1:v][0:v]xpsnr=stats_file=-")
    for plane in "yuv":
        name = f"xpsnr_{plane}_db"
        single = [float(line.split(f"{plane}:")[1].split()[0]) for line in log.splitlines()[:2]]
        assert [row[name] for row in scores.rows] == single
        assert scores.values[name] == xpsnr_of_clip(single)
    average = float(log.split("XPSNR average, 2 frames  y: ")[1].split()[0])
    assert scores.values["xpsnr_y_db"] == pytest.approx(average, abs=2e-4)


def test_identical_frames_have_the_best_values(clip: Clip) -> None:
    values = score(clip.frames(), clip, pixel_format="yuv420p", metrics=NAMES).values
    for name in ("psnr_hvs_db", "ciede2000", "xpsnr_y_db", "xpsnr_u_db", "xpsnr_v_db"):
        assert values[name] == 100
    for name in ("vmaf", "vmaf_neg", "vmaf_v1", "vmaf_4k"):
        assert values[name] > 95


def test_more_noise_is_worse_by_every_metric(clip: Clip, scores: Scores) -> None:
    """CAMBI is of banding, which noise hides."""
    worse = score(noisy(list(clip.frames()), 20), clip, pixel_format="yuv420p", metrics=NAMES).values
    for name in NAMES:
        if name != "cambi":
            assert worse[name] < scores.values[name], name


def test_neg_does_not_reward_enhancement(clip: Clip) -> None:
    def enhanced(frame: np.ndarray) -> np.ndarray:
        luma, *chroma = planes(frame, 320, 180)
        contrast = np.clip(1.2 * (luma.astype(float) - 126) + 126, 0, 255).astype(np.uint8)
        return np.concatenate([part.ravel() for part in (contrast, *chroma)])

    frames = [enhanced(frame) for frame in clip.frames()]
    values = score(frames, clip, pixel_format="yuv420p", metrics=["vmaf", "vmaf_neg"]).values
    assert values["vmaf"] > values["vmaf_neg"] + 1


def test_cambi_is_lower_without_bands_and_ignores_the_source(tmp_path: Path) -> None:
    """A slow ramp in whole levels has visible bands; dither hides them."""
    ramp = np.broadcast_to(np.linspace(60, 70, 320), (240, 320))
    dither = np.random.default_rng(0).uniform(-0.5, 0.5, ramp.shape)
    chroma = np.full(2 * 160 * 120, 128, np.uint8)
    banded, smooth = (
        [np.concatenate([luma.astype(np.uint8).ravel(), chroma])]
        for luma in (np.round(ramp), np.round(ramp + dither))
    )
    sources = [
        write_clip(tmp_path / name, frames, width=320, height=240)
        for name, frames in (("banded", banded), ("smooth", smooth))
    ]
    of_banded, of_smooth = (
        [score(frames, one, pixel_format="yuv420p", metrics=["cambi"]).values["cambi"] for one in sources]
        for frames in (banded, smooth)
    )
    assert of_banded[0] == of_banded[1] > 10
    assert of_smooth[0] == of_smooth[1] < 5
    assert not METRICS["cambi"].higher_is_better


@pytest.mark.parametrize(
    ("width", "height", "without"),
    [
        (320, 160, set()),
        (318, 158, {"vmaf_v1"}),
        (216, 32, {"vmaf_v1"}),
        (214, 160, {"vmaf_v1", "cambi"}),
        (32, 32, {"vmaf_v1", "cambi"}),
        (64, 16, {*NAMES}),
    ],
)
def test_small_frames_have_no_value_and_a_reason(
    width: int, height: int, without: set[str], tmp_path: Path
) -> None:
    """libvmaf fails where a frame is smaller than a feature needs, some features by a segmentation fault."""
    clip = write_clip(tmp_path / "small", moving_texture(width, height), width=width, height=height)
    result = score(clip.frames(), clip, pixel_format="yuv420p", metrics=NAMES)
    assert {name for name in NAMES if result.values[name] is None} == without
    for name in without:
        assert "frame side" in result.reasons[name]


def test_a_graph_computes_only_what_is_listed() -> None:
    assert filter_graph(["vmaf"], xpsnr_log="x") == (
        r"[0:v][1:v]libvmaf=model='version=vmaf_v0.6.1\:name=vmaf'"
        ":n_threads=1:log_fmt=json:log_path=/dev/stdout"
    )
    assert filter_graph(["xpsnr_u_db"], xpsnr_log="x") == "[1:v][0:v]xpsnr=stats_file=x"
    assert "model=''" in filter_graph(["cambi"], xpsnr_log="x")


# CIEDE2000 from its definition.


def colour_difference(first: np.ndarray, second: np.ndarray, k: tuple[float, float, float]) -> np.ndarray:
    """CIEDE2000 of L*a*b* colours (3, ...), from Sharma, Wu and Dalal (2005), Eq. 2 to 22."""
    chroma = np.hypot(first[1:2], first[2:]), np.hypot(second[1:2], second[2:])
    mean = (chroma[0] + chroma[1])[0] / 2
    scale = 1 + 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    lightness, a, b = np.stack([first, second], 1)
    a = a * scale
    c, h = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    grey = c[0] * c[1] == 0
    dh = np.where(grey, 0, (h[1] - h[0] + 180) % 360 - 180)
    far = np.abs(h[0] - h[1]) > 180
    h_mean = np.where(grey, h.sum(0), h.sum(0) / 2 + np.where(far, np.where(h.sum(0) < 360, 180, -180), 0))
    l_mean, c_mean = lightness.mean(0), c.mean(0)
    cos = [np.cos(np.radians(n * h_mean + shift)) for n, shift in ((1, -30), (2, 0), (3, 6), (4, -63))]
    t = 1 - 0.17 * cos[0] + 0.24 * cos[1] + 0.32 * cos[2] - 0.20 * cos[3]
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    rotation = -2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    rotation = rotation * np.sin(np.radians(60 * np.exp(-(((h_mean - 275) / 25) ** 2))))
    d_l = (lightness[1] - lightness[0]) / (k[0] * s_l)
    d_c = (c[1] - c[0]) / (k[1] * (1 + 0.045 * c_mean))
    d_h = 2 * np.sqrt(c[0] * c[1]) * np.sin(np.radians(dh) / 2) / (k[2] * (1 + 0.015 * c_mean * t))
    return np.sqrt(d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h)


def lab(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """L*a*b* (3, height, width) of a frame. libvmaf repeats chroma and has these weights of U and V."""
    y, u, v = (plane.astype(float) for plane in planes(frame, width, height))
    u, v = (np.kron(plane - 128, np.ones((2, 2))) / 224 for plane in (u, v))
    y = (y - 16) / 219
    rgb = np.stack([y + 1.28033 * v, y - 0.21482 * u - 0.38059 * v, y + 2.12798 * u])
    linear = np.where(rgb > 10 / 255, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    matrix = [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07217], [0.01933, 0.11919, 0.95030]]
    xyz = np.tensordot(matrix, linear, 1) / np.reshape([0.95047, 1, 1.08883], (3, 1, 1))
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_colour_difference_has_published_values() -> None:
    """Pairs 1, 4, 10 and 20 of the test data of Sharma, Wu and Dalal."""
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (50, 3.2592, 0.3350), 1.0),
    ]
    for first, second, wanted in pairs:
        colours = (np.array(one, float).reshape(3, 1) for one in (first, second))
        assert colour_difference(*colours, (1, 1, 1))[0] == pytest.approx(wanted, abs=1e-4)


def test_ciede2000_matches_its_definition(clip: Clip, decoded: list[np.ndarray], scores: Scores) -> None:
    for frame, other, row in zip(clip.frames(), decoded, scores.rows, strict=True):
        difference = colour_difference(lab(frame, 320, 180), lab(other, 320, 180), (0.65, 1, 4))
        assert row["ciede2000"] == pytest.approx(45 - 20 * np.log10(difference.mean()), abs=0.005)


def test_ciede2000_of_one_step_of_grey(tmp_path: Path) -> None:
    """A difference of lightness alone: dE = dL / (0.65 S_L)."""
    grey, lighter = (flat_frame(level, 128, 128, 32, 32) for level in (126, 127))
    clip = write_clip(tmp_path / "grey", [grey, grey], width=32, height=32)
    value = score([lighter] * 2, clip, pixel_format="yuv420p", metrics=["ciede2000"]).values["ciede2000"]
    light = [lab(frame, 32, 32)[0, 0, 0] for frame in (grey, lighter)]
    mean = np.mean(light) - 50
    wanted = (light[1] - light[0]) / (0.65 * (1 + 0.015 * mean**2 / np.sqrt(20 + mean**2)))
    assert value == pytest.approx(45 - 20 * np.log10(wanted), abs=0.005)


# XPSNR from its definition.


def test_xpsnr_matches_its_definition(tmp_path: Path) -> None:
    """Frames of more than 640x480 pixels, whose weights are not smoothed; below 32 frames per second."""
    width, height, size = 768, 432, 24
    frames = moving_texture(width, height)
    decoded = noisy(frames, 9)
    clip = write_clip(tmp_path / "large", frames, width=width, height=height)
    names = ["xpsnr_y_db", "xpsnr_u_db", "xpsnr_v_db"]
    rows = score(decoded, clip, pixel_format="yuv420p", metrics=names).rows
    previous = np.zeros((height, width))
    share = width * height / (3840 * 2160)
    activity_of_picture = np.sqrt(16 * 2 ** (2 * 8 - 9) / np.sqrt(share))
    for frame, other, row in zip(frames, decoded, rows, strict=True):
        source, coded = (planes(one, width, height) for one in (frame, other))
        weights = xpsnr_weights(source[0].astype(float), previous, size)
        previous = source[0].astype(float)
        for name, a, b, block in zip(names, source, coded, (size, size // 2, size // 2), strict=True):
            error = block_sums((a.astype(float) - b) ** 2, block)
            weighted = (error * weights).sum() * activity_of_picture
            assert row[name] == pytest.approx(10 * np.log10(255**2 * a.size / weighted), abs=2e-4)


def block_sums(values: np.ndarray, size: int) -> np.ndarray:
    rows, columns = values.shape
    return values.reshape(rows // size, size, columns // size, size).sum((1, 3))


def xpsnr_weights(luma: np.ndarray, previous: np.ndarray, size: int) -> np.ndarray:
    """Weight of each block: the inverse of its mean absolute activity in space and time."""
    padded = np.pad(luma, 1)
    rows, columns = luma.shape
    near = sum(
        weight * padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
        for weight, shifts in (
            (2, ((0, 1), (0, -1), (1, 0), (-1, 0))),
            (1, ((1, 1), (1, -1), (-1, 1), (-1, -1))),
        )
        for dy, dx in shifts
    )
    inside = np.pad(np.ones((rows - 2, columns - 2)), 1)
    space = block_sums(np.abs(12 * luma - near) * inside, size) / block_sums(inside, size)
    time = 2 * block_sums(np.abs(luma - previous), size) / size**2
    return 1 / np.maximum(space + time, 4)
