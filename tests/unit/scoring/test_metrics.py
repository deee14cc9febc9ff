"""Metrics against their definitions, against ffmpeg and against the official implementations."""

from __future__ import annotations

import importlib.metadata
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clip_data import prepare_sequence, write_clip

from bench.base.errors import BenchError
from bench.base.ffmpeg import ffmpeg_exe, pipe_bytes, pipe_frames, raw_video_args
from bench.base.paths import ROOT
from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import (
    METRICS,
    ROUND_TRIP,
    SCORERS,
    Metric,
    describe,
    frame_metric,
    metric_of,
)
from bench.scoring.ms_ssim import ms_ssim, ms_ssim_rgb, ssim
from bench.scoring.psnr import pooled_psnr_db
from bench.scoring.score import pair_frames, score
from bench.video.clip import Clip, planes
from bench.video.colour import to_yuv
from bench.video.psnr import mse, psnr_db, weighted_yuv_db
from bench.video.round_trip import round_trip_psnr_db

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def carphone(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return prepare_sequence(tmp_path_factory.mktemp("clips") / "carphone", "carphone_pristine", trim=(0, 20))


@pytest.fixture(scope="module")
def coded(carphone: Clip) -> list[np.ndarray]:
    """The clip after x264: real errors on real frames."""
    info = carphone.info
    args = raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps)
    stream = b"".join(
        pipe_bytes([*args, "-c:v", "libx264", "-crf", "30", "-f", "h264", "pipe:1"], feed=carphone.frames())
    )
    back = ["-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
    return list(pipe_frames(back, frame_bytes=info.frame_bytes, feed=[stream]))


@pytest.fixture
def noise(tmp_path: Path) -> Clip:
    frames = np.random.default_rng(0).integers(16, 236, (4, 32 * 16 * 3 // 2), np.uint8)
    return write_clip(tmp_path / "noise", list(frames), width=32, height=16)


def test_psnr_matches_its_definition() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.integers(0, 256, (2, 40, 30, 3), np.uint8)
    wanted = np.mean((a.astype(float) - b) ** 2)
    assert mse(a, b) == pytest.approx(wanted, rel=1e-15)
    assert psnr_db(wanted) == pytest.approx(20 * math.log10(255 / math.sqrt(wanted)))
    assert mse(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)) == 255**2
    assert psnr_db(255**2) == 0
    with pytest.raises(ValueError, match="shapes"):
        mse(a, b[:-1])


def test_psnr_of_equal_and_nearly_equal_frames_is_100() -> None:
    assert psnr_db(0) == 100
    assert psnr_db(1e-12) == 100
    assert pooled_psnr_db([0, 0]) == 100


def test_pooled_psnr_is_the_psnr_of_the_mean_error() -> None:
    errors = [1.0, 100.0]
    assert pooled_psnr_db(errors) == psnr_db(50.5)
    assert pooled_psnr_db(errors) < np.mean([psnr_db(error) for error in errors])


def test_yuv_weights_are_6_1_1() -> None:
    assert weighted_yuv_db(40, 44, 36) == pytest.approx((6 * 40 + 44 + 36) / 8)


def test_psnr_yuv_joins_planes_in_four_ways(noise: Clip) -> None:
    """Errors of 2, 8 and 1 levels in Y, U and V."""
    frames = []
    for frame in noise.frames():
        y, u, v = planes(frame, 32, 16)
        pairs = zip((y, u, v), (2, 8, 1), strict=True)
        frames.append(np.concatenate([(plane - error).ravel() for plane, error in pairs]))
    values = score(frames, noise, pixel_format="yuv420p").values
    db = [10 * math.log10(255**2 / error) for error in (4, 64, 1)]
    assert values["psnr_yuv_db"] == pytest.approx((6 * db[0] + db[1] + db[2]) / 8)
    assert values["psnr_yuv_411_db"] == pytest.approx((4 * db[0] + db[1] + db[2]) / 6)
    of_mse = 10 * math.log10(255**2 / ((6 * 4 + 64 + 1) / 8))
    assert values["psnr_yuv_mse_db"] == pytest.approx(of_mse)
    of_all_samples = np.mean([mse(a, b) for a, b in zip(noise.frames(), frames, strict=True)])
    assert values["psnr_yuv_411_mse_db"] == pytest.approx(10 * math.log10(255**2 / of_all_samples))


def test_flicker_is_the_psnr_of_the_differences_of_frames(noise: Clip, tmp_path: Path) -> None:
    """A constant error does not flicker. Errors of +3 and -3 in turn change by 6 levels."""
    frames = list(noise.frames())
    steady = [frame - 3 for frame in frames]
    assert score(steady, noise, pixel_format="yuv420p").values["flicker_psnr_y_db"] == 100
    turns = [frame + (3 if index % 2 else -3) for index, frame in enumerate(frames)]
    scores = score([turn.astype(np.uint8) for turn in turns], noise, pixel_format="yuv420p")
    wanted = 20 * math.log10(255 / 6)
    assert scores.values["flicker_psnr_y_db"] == pytest.approx(wanted)
    assert [row["flicker_psnr_y_db"] for row in scores.rows] == [None, *[pytest.approx(wanted)] * 3]
    one = write_clip(tmp_path / "one", frames[:1], width=32, height=16)
    scores = score(frames[:1], one, pixel_format="yuv420p")
    assert scores.values["flicker_psnr_y_db"] is None
    assert scores.reasons["flicker_psnr_y_db"] == "needs at least 2 frames; the clip has 1"


def test_flicker_of_the_largest_change_is_the_worst_value(tmp_path: Path) -> None:
    black, white = (np.full(32 * 16 * 3 // 2, level, np.uint8) for level in (0, 255))
    clip = write_clip(tmp_path / "clip", [black, white], width=32, height=16)
    value = score([white, black], clip, pixel_format="yuv420p").values["flicker_psnr_y_db"]
    assert value == METRICS["flicker_psnr_y_db"].worst == pytest.approx(-20 * math.log10(2))


def test_ms_ssim_of_yuv_weighs_planes_6_1_1(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    frame = generator.integers(16, 236, 322 * 322 * 3 // 2, np.uint8)
    other = np.clip(frame + generator.normal(0, 25, frame.shape), 16, 235).astype(np.uint8)
    clip = write_clip(tmp_path / "clip", [frame], width=322, height=322)
    names = ["ms_ssim_y", "ms_ssim_u", "ms_ssim_v", "ms_ssim_yuv"]
    values = score([other], clip, pixel_format="yuv420p", metrics=names).values
    pairs = zip(*(planes(one, 322, 322) for one in (frame, other)), strict=True)
    of_planes = [ms_ssim(a, b) for a, b in pairs]
    assert [values[name] for name in names[:3]] == pytest.approx(of_planes, abs=1e-6)
    assert values["ms_ssim_yuv"] == pytest.approx(np.dot([6, 1, 1], of_planes) / 8, abs=1e-6)


def test_color_video_vdp_needs_its_package(noise: Clip) -> None:
    """With the package, an identical clip has 10 JOD; without it, the error names the command."""
    frames = list(noise.frames())
    if list(importlib.metadata.distributions(name="cvvdp")):
        assert score(frames, noise, pixel_format="yuv420p", metrics=["cvvdp"]).values["cvvdp"] == 10
        worse = score(frames[::-1], noise, pixel_format="yuv420p", metrics=["cvvdp"])
        assert worse.values["cvvdp"] < 9
        return
    problem = r"metric cvvdp: needs the package cvvdp, which is not installed; pip install '\.\[cvvdp\]'"
    with pytest.raises(BenchError, match=problem):
        score(frames, noise, pixel_format="yuv420p", metrics=["cvvdp"])


def test_plane_psnr_matches_the_psnr_filter_of_ffmpeg(
    carphone: Clip, coded: list[np.ndarray], tmp_path: Path
) -> None:
    info = carphone.info
    (tmp_path / "coded.yuv").write_bytes(b"".join(frame.tobytes() for frame in coded))
    command = [
        *(ffmpeg_exe(), "-loglevel", "error"),
        *raw_video_args(
            pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps, source="coded.yuv"
        ),
        *("-i", str(carphone.path), "-lavfi", "psnr=stats_file=psnr.log", "-f", "null", "-"),
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    lines = (tmp_path / "psnr.log").read_text().splitlines()
    rows = score(coded, carphone, pixel_format="yuv420p").rows
    assert len(lines) == len(rows) == 20
    for line, row in zip(lines, rows, strict=True):
        logged = dict(word.split(":") for word in line.split())
        assert row["mse_y"] == pytest.approx(float(logged["mse_y"]), abs=0.0051)
        for plane in "yuv":
            assert row[f"psnr_{plane}_db"] == pytest.approx(float(logged[f"psnr_{plane}"]), abs=0.0051)


def test_scores_of_coded_frames_match_direct_computation(carphone: Clip, coded: list[np.ndarray]) -> None:
    scores = score(coded, carphone, pixel_format="yuv420p")
    by_plane = {
        name: [
            psnr_db(mse(planes(a, 176, 144)[index], planes(b, 176, 144)[index]))
            for a, b in zip(carphone.frames(), coded, strict=True)
        ]
        for index, name in enumerate("yuv")
    }
    for name, values in by_plane.items():
        assert scores.values[f"psnr_{name}_db"] == pytest.approx(np.mean(values))
    wanted = (6 * np.mean(by_plane["y"]) + np.mean(by_plane["u"]) + np.mean(by_plane["v"])) / 8
    assert scores.values["psnr_yuv_db"] == pytest.approx(wanted)
    assert 25 < scores.values["psnr_rgb_pooled_db"] <= scores.values["psnr_rgb_db"] < wanted
    assert scores.values["identical_frames"] == 0
    assert scores.reasons[ROUND_TRIP] == "the decoder yields YUV"


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_793, 200_001])
def test_mse_is_exact(size: int) -> None:
    """Against integers, for sizes at and beside the edges of blocks; the last pair has the largest sum."""
    a, b = np.random.default_rng(size).integers(0, 256, (2, size), np.uint8)
    for x, y in ((a, b), (np.zeros_like(a), np.full_like(a, 255))):
        assert mse(x, y) == int(((x.astype(np.int64) - y) ** 2).sum()) / size


def test_ssim_and_ms_ssim_match_the_official_arrays(golden_dir: Path) -> None:
    """The tolerance is the rounding of these sums in float32: see tests/unit/float64.py."""
    import torch
    from float64 import Rounding

    golden = np.load(golden_dir / "losses_metrics.npz")

    def values(dtype: torch.dtype) -> np.ndarray:
        pred, target = (255 * np.moveaxis(golden[name], 1, 3) for name in ("pred", "target"))
        odd = [255 * np.moveaxis(golden[f"odd/{name}"][0], 0, 2) for name in ("pred", "target")]
        pairs = list(zip(pred, target, strict=True))
        three = [
            [ssim(a, b, dtype=dtype), ms_ssim(a, b, dtype=dtype), ms_ssim(a, b, window=5, dtype=dtype)]
            for a, b in pairs
        ]
        return np.array([*np.transpose(three).ravel(), ms_ssim(*odd, dtype=dtype)])

    ours, exact = values(torch.float32), values(torch.float64)
    names = ("ssim_per_image", "ms_ssim_per_image", "ms_ssim_win5_per_image", "odd/ms_ssim")
    theirs = np.concatenate([golden[name].ravel() for name in names])
    Rounding(exact, float(np.abs(ours - exact).max()), 1).check("SSIM", theirs, ceiling=5e-6)


@pytest.mark.parametrize(("height", "width"), [(176, 180), (161, 200), (183, 330), (270, 161)])
def test_ms_ssim_matches_pytorch_msssim(height: int, width: int) -> None:
    """Sides that the layout's strips and tiles divide, and others, at every scale."""
    import pytorch_msssim
    import torch

    generator = np.random.default_rng(3)
    a = generator.integers(0, 256, (height, width, 3), np.uint8)
    b = np.clip(a.astype(int) + generator.integers(-20, 21, a.shape), 0, 255).astype(np.uint8)
    x, y = (torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None] for image in (a, b))
    official = float(pytorch_msssim.ms_ssim(x, y, data_range=255))
    assert ms_ssim(a, b) == pytest.approx(official, abs=1e-6)
    luma = float(pytorch_msssim.ms_ssim(x[:, :1], y[:, :1], data_range=255))
    assert ms_ssim(a[..., 0], b[..., 0]) == pytest.approx(luma, abs=1e-6)
    assert ssim(a, b) == pytest.approx(float(pytorch_msssim.ssim(x, y, data_range=255)), abs=1e-6)
    assert ms_ssim(a, a) == 1


def test_ms_ssim_of_opposite_images_is_clipped_to_zero() -> None:
    """Where an image is the negative of the other one, cs is negative and has no real power."""
    a = np.random.default_rng(0).integers(0, 256, (180, 180), np.uint8)
    assert ms_ssim(a, 255 - a) == 0
    assert ssim(a, 255 - a) < -0.5


def test_the_number_of_torch_threads_is_restored() -> None:
    import torch

    before = torch.get_num_threads()
    image = np.zeros((16, 16, 3), np.uint8)
    ssim(image, image)
    assert torch.get_num_threads() == before


def test_ms_ssim_computes_and_copies_on_one_thread(tmp_path: Path) -> None:
    """Threads that start for each small copy wait for cores that other jobs use."""
    import torch
    from torch.overrides import TorchFunctionMode

    threads = set()

    class Observed(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            threads.add(torch.get_num_threads())
            return func(*args, **(kwargs or {}))

    clip = prepare_sequence(tmp_path / "clip", "discs", trim=(0, 1))
    pairs = list(pair_frames(clip.frames(), clip, pixel_format="yuv420p"))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with Observed():
            assert ms_ssim_rgb(pairs[0]) == 1
    finally:
        torch.set_num_threads(before)
    assert threads == {1}


def test_small_clips_have_no_ms_ssim_and_a_reason(carphone: Clip, coded: list[np.ndarray]) -> None:
    scores = score(coded, carphone, pixel_format="yuv420p", metrics=["ms_ssim_rgb", "ms_ssim_y"])
    assert scores.values["ms_ssim_rgb"] is None
    assert "sides of at least 161 pixels; the smaller one has 144" in scores.reasons["ms_ssim_y"]
    assert scores.reasons["vmaf"] == "not among the condition's metrics"


def test_larger_clips_have_ms_ssim(tmp_path: Path) -> None:
    clip = prepare_sequence(tmp_path / "clip", "discs", trim=(0, 2))
    rgb = clip.rgb_array()
    shifted = np.roll(rgb, 1, axis=2)
    scores = score(shifted, clip, pixel_format="rgb24", metrics=["ms_ssim_rgb", "ms_ssim_y"])
    wanted = np.mean([ms_ssim(a, b) for a, b in zip(rgb, shifted, strict=True)])
    assert scores.values["ms_ssim_rgb"] == pytest.approx(wanted)
    assert 0.5 < scores.values["ms_ssim_y"] < 1


def test_vmaf_ranks_and_compares_frames_of_equal_index(carphone: Clip, coded: list[np.ndarray]) -> None:
    same = score(carphone.frames(), carphone, pixel_format="yuv420p", metrics=["vmaf"])
    worse = score(coded, carphone, pixel_format="yuv420p", metrics=["vmaf"])
    late = score([coded[0], *coded[:-1]], carphone, pixel_format="yuv420p", metrics=["vmaf"])
    assert same.values["vmaf"] > 95
    assert same.values["vmaf"] > worse.values["vmaf"] > late.values["vmaf"]
    assert len([row["vmaf"] for row in worse.rows]) == 20
    assert worse.values["vmaf"] == pytest.approx(np.mean([row["vmaf"] for row in worse.rows]))


def test_vmaf_has_the_clip_as_its_reference(tmp_path: Path, carphone: Clip) -> None:
    """VMAF is not symmetric: it is low for a blurred copy, and high for the clip against a blurred copy."""
    info, sharp = carphone.info, list(carphone.frames())
    blurred = []
    for frame in sharp:
        luma, *chroma = (plane.copy() for plane in planes(frame, info.width, info.height))
        rows = (luma[:-1].astype(int) + luma[1:]) // 2
        luma[:-1, :-1] = (rows[:, :-1] + rows[:, 1:]) // 2
        blurred.append(np.concatenate([plane.ravel() for plane in (luma, *chroma)]))
    blurred_clip = write_clip(tmp_path / "blurred", blurred, width=info.width, height=info.height)
    loss = score(blurred, carphone, pixel_format="yuv420p", metrics=["vmaf"]).values["vmaf"]
    gain = score(sharp, blurred_clip, pixel_format="yuv420p", metrics=["vmaf"]).values["vmaf"]
    assert loss is not None
    assert gain is not None
    assert loss < gain - 10


def test_vmaf_of_a_tiny_clip_is_null(noise: Clip) -> None:
    scores = score(noise.frames(), noise, pixel_format="yuv420p", metrics=["vmaf"])
    assert scores.values["vmaf"] is None
    assert "sides of at least 32 pixels; the smaller one has 16" in scores.reasons["vmaf"]


def test_identical_yuv_frames_have_100_db_and_are_counted(noise: Clip) -> None:
    frames = list(noise.frames())
    frames[2] = frames[2] ^ 1
    scores = score(frames, noise, pixel_format="yuv420p")
    assert scores.values["identical_frames"] == 3
    assert [row["identical"] for row in scores.rows] == [1, 1, 0, 1]
    assert [row["psnr_y_db"] for row in scores.rows] == [100, 100, pytest.approx(48.13, abs=0.01), 100]
    assert scores.values["psnr_y_pooled_db"] == pytest.approx(48.13 + 6.02, abs=0.01)


def test_a_perfect_rgb_decoder_reaches_the_round_trip_psnr(carphone: Clip) -> None:
    scores = score(carphone.rgb(), carphone, pixel_format="rgb24")
    assert scores.values["identical_frames"] == 20
    assert scores.values["psnr_rgb_db"] == 100
    assert scores.values["psnr_yuv_db"] == pytest.approx(scores.values[ROUND_TRIP])
    assert 50 < scores.values[ROUND_TRIP] < 99
    assert ROUND_TRIP not in scores.reasons
    assert round_trip_psnr_db(carphone) == scores.values[ROUND_TRIP]


def test_both_forms_of_a_pair_are_of_the_same_frame(carphone: Clip) -> None:
    rgb = carphone.rgb_array()
    back = list(to_yuv(rgb, width=176, height=144))
    for index, pair in enumerate(pair_frames(rgb, carphone, pixel_format="rgb24")):
        assert pair.index == index
        assert np.array_equal(pair.decoded_rgb, rgb[index])
        assert np.array_equal(pair.reference_rgb, rgb[index])
        assert np.array_equal(pair.decoded_yuv, back[index])
    for pair, true in zip(
        pair_frames(carphone.frames(), carphone, pixel_format="yuv420p"), carphone.frames(), strict=True
    ):
        assert np.array_equal(pair.reference_yuv, true)
        assert np.array_equal(pair.decoded_rgb, pair.reference_rgb)


@pytest.mark.parametrize(("count", "problem"), [(3, "fewer frames"), (0, "fewer frames"), (5, "more frames")])
def test_a_wrong_number_of_frames_is_an_error(noise: Clip, count: int, problem: str) -> None:
    frames = [*noise.frames(), next(noise.frames())][:count]
    for metrics in ([], ["vmaf"]):
        with pytest.raises(BenchError, match=problem):
            score(frames, noise, pixel_format="yuv420p", metrics=metrics)


def test_an_error_of_the_decoder_is_raised(carphone: Clip) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from carphone.frames(0, 7)
        raise BenchError("stream.bin", "has 7 of 20 frames", "encode the clip again")

    with pytest.raises(BenchError, match="has 7 of 20 frames"):
        score(frames(), carphone, pixel_format="yuv420p", metrics=["vmaf"])


def test_an_error_of_the_decoder_is_raised_although_the_output_ends_within_a_frame() -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from (np.zeros(76032, np.uint8) for _ in range(60))  # more than the pipes hold: some comes out
        raise BenchError("stream.bin", "has 60 frames", "encode the clip again")

    raw = raw_video_args(pixel_format="rgb24", width=176, height=144, fps=25)
    with pytest.raises(BenchError, match="has 60 frames"):
        list(pipe_frames([*raw, "-f", "rawvideo", "pipe:1"], frame_bytes=1 << 24, feed=frames()))


def test_the_error_for_an_unknown_metric_lists_all_metrics(noise: Clip) -> None:
    with pytest.raises(BenchError, match=r"metric 'psnr': is unknown; use one of psnr_rgb_db, .*vmaf"):
        score(noise.frames(), noise, pixel_format="yuv420p", metrics=["psnr"])


def test_a_metric_is_one_function_and_its_registration(noise: Clip) -> None:
    try:

        @frame_metric("max_error_y", pool=max, tolerance=1, unit="levels", digits=0)
        def max_error_y(pair: FramePair) -> float:
            reference, decoded = pair.reference_planes[0], pair.decoded_planes[0]
            return float(np.abs(reference.astype(int) - decoded).max())

        frames = list(noise.frames())
        frames[1] = frames[1] - 5
        without = score(frames, noise, pixel_format="yuv420p")
        scores = score(frames, noise, pixel_format="yuv420p", metrics=["max_error_y"])
        assert without.values["max_error_y"] is None
        assert scores.values["max_error_y"] == 5
        assert [row["max_error_y"] for row in scores.rows] == [0, 5, 0, 0]
        assert describe("max_error_y").axis == "max_error_y (levels)"
        with pytest.raises(ValueError, match="registered already"):
            frame_metric("max_error_y", tolerance=1)(max_error_y)
    finally:
        METRICS.pop("max_error_y", None)
        SCORERS.pop("max_error_y", None)


def test_every_metric_has_a_description_and_a_scorer() -> None:
    assert list(METRICS) == [
        *("psnr_rgb_db", "psnr_rgb_pooled_db", "psnr_y_db", "psnr_u_db", "psnr_v_db", "psnr_yuv_db"),
        *("psnr_yuv_mse_db", "psnr_yuv_411_db", "psnr_yuv_411_mse_db", "psnr_y_pooled_db"),
        *("flicker_psnr_y_db", "ms_ssim_rgb", "ms_ssim_y", "ms_ssim_u", "ms_ssim_v", "ms_ssim_yuv"),
        *("identical_frames", "vmaf", "vmaf_neg", "vmaf_v1", "vmaf_4k", "psnr_hvs_db", "ciede2000", "cambi"),
        *("xpsnr_y_db", "xpsnr_u_db", "xpsnr_v_db", "cvvdp"),
    ]
    assert set(SCORERS) == set(METRICS)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.label != name
        assert (metric.unit == "dB") == name.endswith("_db")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("vmaf_fitted", "vmaf"),
        ("psnr_rgb_db_held_out", "psnr_rgb_db"),
        ("round_trip_psnr_yuv_db", "psnr_yuv_db"),
        ("ms_ssim_y_fitted", "ms_ssim_y"),
    ],
)
def test_a_derived_value_has_the_description_of_its_metric(name: str, base: str) -> None:
    assert metric_of(name) is METRICS[base]


def test_ms_ssim_in_decibels_has_its_own_unit_and_digits() -> None:
    metric = metric_of("ms_ssim_rgb_db")
    assert metric is not None
    assert (metric.name, metric.axis, metric.digits) == ("ms_ssim_rgb_db", "MS-SSIM (RGB) (dB)", 2)
    assert metric.ceiling is None
    assert METRICS["ms_ssim_rgb"].ceiling == 1


def test_an_unknown_column_is_described_by_its_name() -> None:
    assert metric_of("psnr_yuv_411_pooled_db") is None
    assert metric_of("vmaf_db") is None
    assert describe("psnr_yuv_411_pooled_db") == Metric(name="psnr_yuv_411_pooled_db", unit="dB")
    assert describe("sharpness").axis == "sharpness"


def test_descriptions_import_no_torch() -> None:
    code = "import sys, bench.scoring.metrics; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_scores_do_not_depend_on_threads(carphone: Clip) -> None:
    decoded = [np.clip(frame.astype(int) + 2, 0, 255).astype(np.uint8) for frame in carphone.frames()]
    numbers: list[int] = []
    one, three = (
        score(
            decoded,
            carphone,
            pixel_format="yuv420p",
            metrics=["ms_ssim_y"],
            on_frame=lambda pair: numbers.append(pair.index),
            threads=threads,
        )
        for threads in (1, 3)
    )
    assert one == three
    assert numbers == 2 * list(range(carphone.info.frames))
