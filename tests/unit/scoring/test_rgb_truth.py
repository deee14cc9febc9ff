"""Clips whose truth is RGB: a decoder's RGB frames are scored without a conversion to 4:2:0."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.base.errors import BenchError
from bench.base.ffmpeg import pipe_frames
from bench.base.files import read_json, sha256_file, write_json
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.conditions.sections import ClipPlan
from bench.scoring.measure import mean_frame_psnr_db, measure
from bench.scoring.metrics import ROUND_TRIP, ROUND_TRIP_RGB
from bench.scoring.record import Record
from bench.scoring.score import score
from bench.sequences.prepare import prepare_clip
from bench.sequences.row import SourceSequence
from bench.video.clip import Clip
from bench.video.round_trip import round_trip_psnr_db
from bench.workflow.estimate import _clip_bytes

WIDTH, HEIGHT, FRAMES = 320, 180, 2


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """ffmpeg's test picture: saturated stripes with sharp edges, which 4:2:0 blurs."""
    source = ["-f", "lavfi", "-i", f"testsrc=size={WIDTH}x{HEIGHT}:rate=25", "-frames:v", str(FRAMES)]
    output = ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    frames = list(pipe_frames([*source, *output], frame_bytes=3 * WIDTH * HEIGHT))
    return np.stack(frames).reshape(FRAMES, HEIGHT, WIDTH, 3)


@pytest.fixture(scope="module")
def clip(pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tmp_path_factory.mktemp("rgb")
    (folder / "png").mkdir()
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "png" / f"{index}.png")
    return prepared(folder / "png", folder / "clip")


def prepared(pictures: Path, folder: Path, **steps: object) -> Clip:
    row = SourceSequence(
        name="pictures",
        kind="frames",
        location=str(pictures),
        width=WIDTH,
        height=HEIGHT,
        fps=Fraction(25),
        frames=FRAMES,
        matrix="-",
        range="-",
        siting="-",
        licence="CC0",
        citation="me",
        note="",
    )
    plan = ClipPlan(sequence="pictures", **steps)
    return prepare_clip(row, plan, name="pictures", colour="bt709", out_dir=folder)


def measured(clip: Clip, folder: Path, codec: str, settings: dict[str, Any]) -> Record:
    """The record of a stream: encode, one file, a separate process that decodes it, scores."""
    config = registry.codec_config(codec)
    encode(
        EncodePlan(
            config=config,
            point="x",
            settings=registry.resolve_settings(config, {}, settings),
            clip=clip,
            out=folder / "stream.bin",
            report=folder / "encode.json",
            device="cpu",
        )
    )
    return measure(
        stream=folder / "stream.bin",
        clip=clip.path.with_name("clip.json"),
        report=folder / "encode.json",
        condition="c-v0",
        metrics=["psnr_rgb_db", "psnr_yuv_db", "vmaf"],
        codec=codec,
        point="x",
        run="seed0",
        out=folder / "record.json",
        frames_csv=folder / "frames.csv",
        crop=folder / "crop.png",
        device="cpu",
    )


def test_identity_is_lossless_in_rgb(clip: Clip, pictures: np.ndarray, tmp_path: Path) -> None:
    record = measured(clip, tmp_path, "identity", {})
    assert read_stream(tmp_path / "stream.bin").header.pixel_format == "rgb24"
    assert (record.metrics["psnr_rgb_db"], record.metrics["identical_frames"]) == (100.0, FRAMES)
    assert record.metrics["psnr_yuv_db"] == 100.0
    assert record.metrics[ROUND_TRIP_RGB] is None
    assert record.reasons[ROUND_TRIP_RGB] == "the decoder yields RGB"
    assert ROUND_TRIP not in record.metrics
    assert 24 < record.rate_bpp < 24.1
    assert record.truth == "rgb" == Record.read(tmp_path / "record.json").truth
    assert record.row()["truth"] == "rgb"
    assert record.clip_sha256 == sha256_file(clip.path.with_name("clip.rgb.npy"))
    crop = np.asarray(Image.open(tmp_path / "crop.png"))
    assert np.array_equal(crop, pictures[FRAMES // 2])


@pytest.mark.slow
def test_a_lossless_codec_of_420_pays_for_the_conversion(clip: Clip, tmp_path: Path) -> None:
    """x264 at CRF 0 codes clip.y4m without a loss, but that file has lost most of the colour already."""
    record = measured(clip, tmp_path, "x264-medium", {"crf": 0})
    assert (record.metrics["psnr_yuv_db"], record.metrics["vmaf"]) == (100.0, pytest.approx(100, abs=3))
    assert record.metrics["psnr_rgb_db"] == pytest.approx(24.5, abs=0.2)
    assert record.metrics["psnr_rgb_db"] == record.metrics[ROUND_TRIP_RGB] == round_trip_psnr_db(clip)
    assert record.metrics["identical_frames"] == 0
    assert record.truth == "rgb"


def test_mean_frame_has_its_known_score(clip: Clip, pictures: np.ndarray, tmp_path: Path) -> None:
    record = measured(clip, tmp_path, "mean-frame", {})
    mean = np.floor(pictures.mean(axis=0) + 0.5)
    errors = [np.square(picture - mean).mean() for picture in pictures]
    expected = np.mean([100.0 if error == 0 else 10 * np.log10(255**2 / error) for error in errors])
    assert record.metrics["psnr_rgb_db"] == pytest.approx(expected) == mean_frame_psnr_db(clip)


@pytest.mark.slow
def test_a_network_is_fitted_to_rgb_and_scored_in_rgb(
    clip: Clip, pictures: np.ndarray, tmp_path: Path
) -> None:
    """Its PSNR-RGB is that of the decoded frames against the pictures, without any conversion."""
    small = prepared(clip.path.parent.with_name("png"), tmp_path / "small", crop=(0, 0, 64, 48))
    settings = {"epochs": 4, "rounding": None, "channels": 8, "strides": [2, 2, 2], "stem_width": 16}
    record = measured(small, tmp_path, "nerv-matched", settings | {"lower_width": 4})
    stream = read_stream(tmp_path / "stream.bin")
    decoded = list(decode(stream, codec_of(stream), device="cpu", clock=StageClock()))
    cropped = pictures[:, :48, :64].astype(float)
    errors = [np.square(a - b).mean() for a, b in zip(decoded, cropped, strict=True)]
    expected = np.mean(10 * np.log10(255**2 / np.array(errors)))
    assert record.metrics["psnr_rgb_db"] == pytest.approx(expected, abs=1e-9)
    assert record.reasons[ROUND_TRIP_RGB] == "the decoder yields RGB"


def test_rgb_frames_are_scored_as_they_are(clip: Clip, pictures: np.ndarray) -> None:
    """One changed sample of one frame is the whole error of the clip."""
    frames = pictures.copy()
    frames[1, 5, 7, 2] ^= 1
    scores = score(iter(frames), clip, pixel_format="rgb24")
    assert scores.values["identical_frames"] == FRAMES - 1
    assert scores.rows[1]["mse_rgb"] == pytest.approx(1 / pictures[0].size)
    assert scores.rows[0]["mse_rgb"] == 0


def test_yuv_metrics_compare_with_the_converted_clip(clip: Clip) -> None:
    scores = score(clip.frames(), clip, pixel_format="yuv420p")
    assert scores.values["psnr_yuv_db"] == 100.0
    assert scores.values["identical_frames"] == 0


def test_clip_json_states_the_truth(clip: Clip) -> None:
    values = read_json(clip.path.with_name("clip.json"))
    assert values["truth"] == "rgb"
    assert {path.name: digest for path, digest in clip.sha256_by_file.items()} == {
        "clip.rgb.npy": sha256_file(clip.truth_path),
        "clip.y4m": sha256_file(clip.path),
    }


def test_the_plan_counts_both_files_of_frames(clip: Clip) -> None:
    sizes = sum(path.stat().st_size for path in clip.sha256_by_file)
    assert 0 < sizes - _clip_bytes(clip.info) < 300, "the headers"


@pytest.mark.parametrize("name", ["clip.rgb.npy", "clip.y4m"])
def test_a_missing_file_of_frames_is_refused(clip: Clip, tmp_path: Path, name: str) -> None:
    for path in clip.path.parent.iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BenchError, match=name):
        Clip.load(tmp_path)


@pytest.mark.parametrize("change", [-1, 1])
def test_an_rgb_file_of_the_wrong_size_is_refused(clip: Clip, tmp_path: Path, change: int) -> None:
    for path in clip.path.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = (tmp_path / "clip.rgb.npy").read_bytes()
    (tmp_path / "clip.rgb.npy").write_bytes(data[:change] if change < 0 else data + b"\0")
    with pytest.raises(BenchError, match=r"clip\.rgb\.npy: .*prepare the clip again"):
        Clip.load(tmp_path)


def test_another_array_is_refused(clip: Clip, tmp_path: Path) -> None:
    for path in clip.path.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for array in (np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.int8), np.zeros((1, 2, 2, 3), np.uint8)):
        np.save(tmp_path / "clip.rgb.npy", array)
        with pytest.raises(BenchError, match=r"clip\.rgb\.npy: must hold uint8 values of shape"):
            Clip.load(tmp_path)
    np.save(tmp_path / "clip.rgb.npy", np.array([{}], dtype=object))
    with pytest.raises(BenchError, match=r"clip\.rgb\.npy: must be an array file"):
        Clip.load(tmp_path)


def test_an_older_clip_json_has_the_truth_yuv420p(tiny_clip: Clip, tmp_path: Path) -> None:
    values = tiny_clip.info.to_json()
    assert values["truth"] == "yuv420p"
    write_json(tmp_path / "clip.json", {k: v for k, v in values.items() if k not in ("truth", "yuv_sha256")})
    (tmp_path / "clip.y4m").write_bytes(tiny_clip.path.read_bytes())
    assert Clip.load(tmp_path).info == tiny_clip.info
    write_json(tmp_path / "clip.json", values | {"truth": "yuv444p"})
    with pytest.raises(BenchError, match="truth must be yuv420p or rgb, not 'yuv444p'"):
        Clip.load(tmp_path)


def test_frames_of_an_rgb_clip_are_memory_mapped(clip: Clip, pictures: np.ndarray) -> None:
    array = clip.rgb_array()
    assert isinstance(array.base, np.memmap)
    array[0, 0, 0, 0] ^= 255  # a private page
    assert np.array_equal(clip.rgb_array(), pictures)
    assert np.array_equal(list(clip.rgb(1)), pictures[1:])
    with pytest.raises(ValueError, match="frames 1:3 of a clip of 2"):
        next(clip.rgb(1, 3))


def test_an_altered_rgb_file_is_refused_where_it_is_read(clip: Clip, tmp_path: Path) -> None:
    for path in clip.path.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copy = Clip.load(tmp_path)
    frames = copy.rgb()
    next(frames)
    data = bytearray(copy.truth_path.read_bytes())
    data[-1] ^= 1
    copy.truth_path.write_bytes(data)
    with pytest.raises(BenchError, match=r"clip\.rgb\.npy: was changed while it was read"):
        list(frames)
    for read in (lambda: next(copy.rgb()), copy.rgb_array):
        with pytest.raises(BenchError, match=r"clip\.rgb\.npy: its sha256 is .* but .* in clip\.json"):
            read()
