"""Measurement of streams: what a record contains, and which inputs are errors."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.base.errors import BenchError, StreamError
from bench.base.ffmpeg import ffmpeg_exe
from bench.codec import registry
from bench.codec.container import Header, read_stream, repair_checksum, write_stream
from bench.codec.decoder_process import decode_process, time_decode
from bench.codec.encode import EncodePlan, encode
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition
from bench.scoring.measure import mean_frame_psnr_db, measure
from bench.scoring.metrics import METRICS, ROUND_TRIP
from bench.scoring.record import Record
from bench.sequences.prepare import prepare
from bench.video.clip import Clip

CONDITION = """
title: two tiny clips
clips:
  tiny: {sequence: discs-tiny}
  other: {sequence: discs-tiny, trim: [0, 5]}
codecs:
  x264-medium: {points: [crf28]}
  identity: {}
  mean-frame: {}
metrics: [psnr_rgb_db, psnr_yuv_db, vmaf, ms_ssim_y]
"""


@dataclass
class Run:
    """One stream of one codec and the folder of its outputs."""

    folder: Path
    condition: Condition
    clip: Clip
    codec: str
    point: str

    def measure(self, **changes: object) -> Record:
        arguments = {
            "stream": self.folder / "stream.bin",
            "clip": self.clip.path.with_name("clip.json"),
            "report": self.folder / "encode.json",
            "condition": self.condition.name,
            "metrics": self.condition.metrics,
            "codec": self.codec,
            "point": self.point,
            "run": "seed0",
            "out": self.folder / "record.json",
            "frames_csv": self.folder / "frames.csv",
            "crop": self.folder / "crop.png",
            "crop_frame": 4,
            "crop_region": (8, 16, 32, 24),
            "device": "cpu",
        }
        return measure(**arguments | changes)

    def outputs(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"stream.bin", "encode.json"}

    def alter(self, at: int, value: int) -> None:
        """Change one byte of the stream, and update its checksum and its report."""
        path = self.folder / "stream.bin"
        data = bytearray(path.read_bytes())
        data[at] = value
        repair_checksum(data)
        path.write_bytes(data)
        self.report_changes(stream_sha256=hashlib.sha256(data).hexdigest())

    def report_changes(self, **values: object) -> None:
        path = self.folder / "encode.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture(scope="module")
def condition(tmp_path_factory: pytest.TempPathFactory) -> Condition:
    path = tmp_path_factory.mktemp("conditions") / "tiny-v0.yaml"
    path.write_text(CONDITION)
    return load_condition(path)


@pytest.fixture(scope="module")
def clips(condition: Condition, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder = tmp_path_factory.mktemp("clips")
    return {name: prepare(condition, name, folder / name) for name in condition.clips}


def encoded(folder: Path, condition: Condition, clip: Clip, codec: str, point: str) -> Run:
    plan = EncodePlan(
        config=registry.codec_config(codec),
        point=point,
        settings=condition.settings(codec, point, clip.info.name),
        clip=clip,
        out=folder / "stream.bin",
        report=folder / "encode.json",
        device="cpu",
    )
    encode(plan)
    return Run(folder, condition, clip, codec, point)


@pytest.fixture
def x264(tmp_path: Path, condition: Condition, clips: dict[str, Clip]) -> Run:
    return encoded(tmp_path / "x264", condition, clips["tiny"], "x264-medium", "crf28")


@pytest.fixture
def identity(tmp_path: Path, condition: Condition, clips: dict[str, Clip]) -> Run:
    return encoded(tmp_path / "identity", condition, clips["tiny"], "identity", "raw")


@pytest.fixture
def mean_frame(tmp_path: Path, condition: Condition, clips: dict[str, Clip]) -> Run:
    return encoded(tmp_path / "mean", condition, clips["tiny"], "mean-frame", "raw")


def test_a_record_has_identity_rate_and_metrics(x264: Run) -> None:
    record = x264.measure()
    assert Record.read(x264.folder / "record.json") == record
    size = (x264.folder / "stream.bin").stat().st_size
    assert (record.stream_bytes, record.rate_bpp) == (size, 8 * size / (64 * 48 * 10))
    assert (record.condition, record.clip, record.codec, record.point) == (
        *("tiny-v0", "tiny", "x264-medium"),
        "crf28",
    )
    assert (record.family, record.kind, record.run, record.seed) == ("ffmpeg", "classical", "seed0", 0)
    assert not record.reference
    assert (record.frames, record.width, record.height, record.fps) == (10, 64, 48, "25/1")
    assert record.settings["crf"] == 28
    assert record.clip_sha256 == x264.clip.info.sha256
    assert set(record.metrics) == {*METRICS, ROUND_TRIP}
    assert 25 < record.metrics["psnr_rgb_db"] < record.metrics["psnr_yuv_db"] < 45
    assert record.metrics["vmaf"] > 50
    for name, value in record.metrics.items():
        assert (value is None) == (name in record.reasons)
    assert "sides of at least 161 pixels" in record.reasons["ms_ssim_y"]
    assert "condition's metrics" in record.reasons["ms_ssim_rgb"]


def test_a_decode_is_timed_from_process_start_to_last_frame(x264: Run) -> None:
    decode = x264.measure(repeat=True).decode
    assert decode["repeatable"] is True
    assert decode["device"] == "cpu"
    assert decode["wall_s"] > decode["stages"]["decode"]["wall_s"] > 0
    assert decode["cpu_s"] > decode["stages"]["decode"]["cpu_s"] > 0
    assert decode["peak_memory_bytes"] > 1e6
    record = Record.read(x264.folder / "record.json")
    assert record.encode["threads"] == 1
    for energy in (decode["energy"], record.encode["energy"]):  # this machine may not have RAPL
        assert ("reason" in energy) == (energy["cpu_j_per_frame"] is None)
    assert record.encode["stages"]["encode"]["wall_s"] > 0
    assert record.provenance["encode"]["ffmpeg"] == record.provenance["ffmpeg"]


def test_a_record_has_the_budget_of_its_fit(x264: Run) -> None:
    seconds = {"spent_s": 1.5, "once_s": 0.1, "save_s": 0.1, "refresh_s": 0.0, "coding_s": 2.0}
    budget = {"encode_s": 60, "epochs": 9, "predicted_s": 59.5, "probe": {**seconds, "epoch_s": [2.0, 3.0]}}
    path = x264.folder / "encode.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"budget": budget}))
    assert x264.measure().encode["budget"] == budget
    path.write_text(json.dumps(json.loads(path.read_text()) | {"budget": {**budget, "epochs": 0}}))
    with pytest.raises(BenchError, match="encode: budget: epochs"):
        x264.measure()


def test_frames_csv_has_one_row_a_frame(x264: Run) -> None:
    record = x264.measure()
    with (x264.folder / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(10))
    for name in ("psnr_rgb_db", "psnr_y_db", "psnr_yuv_db", "vmaf"):
        assert np.mean([float(row[name]) for row in rows]) == pytest.approx(record.metrics[name])
    assert "ms_ssim_y" not in rows[0]


@pytest.mark.slow
def test_the_crop_is_the_given_region_of_the_given_frame(identity: Run, x264: Run) -> None:
    identity.measure()
    with Image.open(identity.folder / "crop.png") as image:
        picture = np.asarray(image)
    assert np.array_equal(picture, identity.clip.rgb_array()[4, 16:40, 8:40])
    x264.measure(crop=None)
    assert "crop.png" not in x264.outputs()


def test_controls_have_their_known_scores(identity: Run, mean_frame: Run) -> None:
    record = identity.measure()
    assert record.metrics["identical_frames"] == 10
    assert record.metrics["psnr_rgb_db"] == record.metrics["psnr_y_pooled_db"] == 100
    assert record.rate_bpp == pytest.approx(12, rel=0.01)
    record = mean_frame.measure()
    assert record.metrics["psnr_y_db"] == pytest.approx(mean_frame_psnr_db(mean_frame.clip))
    assert record.metrics["identical_frames"] == 0


def test_a_wrong_identity_is_an_error(identity: Run) -> None:
    identity.alter(-1, 0)
    with pytest.raises(
        BenchError, match="the measurement is wrong: identity has 9 of 10 frames identical"
    ) as caught:
        identity.measure()
    assert "\n" not in str(caught.value)
    assert identity.outputs() == set()


def test_a_wrong_mean_frame_is_an_error(mean_frame: Run) -> None:
    stream = read_stream(mean_frame.folder / "stream.bin")
    at = stream.bytes - len(stream.payload) + 1
    for offset in range(3):
        mean_frame.alter(at + offset, 255)
    with pytest.raises(BenchError, match="the measurement is wrong: mean-frame has PSNR-Y"):
        mean_frame.measure()
    assert mean_frame.outputs() == set()


def test_a_stream_of_another_clip_is_an_error(x264: Run, clips: dict[str, Clip]) -> None:
    with pytest.raises(StreamError, match="frames is 10, but that of clip other is 5"):
        x264.measure(clip=clips["other"].path.with_name("clip.json"))
    assert x264.outputs() == set()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"codec": "x265-medium"}, "codec is 'x264-medium', not 'x265-medium'"),
        ({"point": "crf33"}, "point is 'crf28', not 'crf33'"),
        ({"run": "seed1"}, "seed is 0, not 1"),
        ({"run": "first"}, "is not the name of a run"),
    ],
)
def test_a_report_of_another_point_is_an_error(x264: Run, changes: dict[str, str], problem: str) -> None:
    with pytest.raises(BenchError, match=problem):
        x264.measure(**changes)
    assert x264.outputs() == set()


def test_a_report_of_another_stream_is_an_error(x264: Run) -> None:
    x264.report_changes(stream_sha256="0" * 64)
    with pytest.raises(BenchError, match="is the report of a stream other than"):
        x264.measure()
    (x264.folder / "encode.json").write_text("{}")
    with pytest.raises(BenchError, match="key 'codec' is missing"):
        x264.measure()


@pytest.mark.slow
def test_a_stream_can_be_measured_without_its_report(x264: Run) -> None:
    with_report = x264.measure(run="reference-seed0")
    without = x264.measure(report=None, run="reference-seed0")
    assert without.reference
    assert without.metrics == with_report.metrics
    assert without.encode["wall_s"] is None


def test_a_damaged_stream_is_an_error_in_one_line_and_leaves_no_output(x264: Run) -> None:
    for at in range(400, 480):
        x264.alter(at, 0xA5)
    with pytest.raises(StreamError, match=r"stream\.bin: ffmpeg failed") as caught:
        x264.measure()
    assert "\n" not in str(caught.value)
    assert x264.outputs() == set()


def test_a_failure_removes_an_older_record(x264: Run) -> None:
    x264.measure()
    x264.alter(-40, 0xA5)
    for at in range(400, 480):
        x264.alter(at, 0xA5)
    with pytest.raises(StreamError):
        x264.measure()
    assert not (x264.folder / "record.json").exists()


def test_the_folder_of_the_decoder_holds_only_the_stream(x264: Run) -> None:
    stream = x264.folder / "stream.bin"
    header = read_stream(stream).header
    with decode_process(stream, header, "cpu") as process:
        folder = process.copy.parent
        assert [path.name for path in folder.iterdir()] == ["stream.bin"]
        assert len(list(process.frames())) == 10
        assert process.cost is not None
    assert not folder.exists()
    assert stream.is_file()


def test_closing_early_ends_the_decoder(identity: Run) -> None:
    stream = identity.folder / "stream.bin"
    with decode_process(stream, read_stream(stream).header, "cpu") as process:
        next(process.frames())
    assert process.process.returncode is not None
    assert not process.copy.parent.exists()


def test_checksums_are_those_of_the_frames(identity: Run) -> None:
    stream = identity.folder / "stream.bin"
    _, checksums = time_decode(stream, read_stream(stream).header, "cpu")
    assert checksums == [hashlib.md5(frame.tobytes()).hexdigest() for frame in identity.clip.frames()]


def test_a_cpu_decode_is_not_repeated_unasked(x264: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.scoring.measure.time_decode", lambda *_: pytest.fail("decoded twice"))
    assert x264.measure().decode["repeatable"] is None


def test_frames_csv_has_the_md5_that_ffmpeg_prints(identity: Run) -> None:
    identity.measure()
    with (identity.folder / "frames.csv").open(newline="") as file:
        ours = [row["md5"] for row in csv.DictReader(file)]
    command = [ffmpeg_exe(), "-v", "error", "-i", str(identity.clip.path), "-f", "framemd5", "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert ours == [line.split(",")[-1].strip() for line in lines if not line.startswith("#")]


def test_an_unknown_family_is_an_error(x264: Run) -> None:
    stream = x264.folder / "stream.bin"
    header = Header(**{**vars(read_stream(stream).header), "family": "nowhere"})
    write_stream(stream, header, [b"\1\2\3"])
    with pytest.raises(StreamError, match="nowhere"):
        x264.measure(report=None)


def test_an_unknown_metric_is_an_error(x264: Run) -> None:
    with pytest.raises(BenchError, match="metric 'psnr': is unknown"):
        x264.measure(metrics=("psnr",))
    assert x264.outputs() == set()


def test_a_crop_outside_the_clip_is_the_centre_of_the_middle_frame(x264: Run) -> None:
    x264.measure(crop_frame=99, crop_region=(60, 0, 32, 32))
    with Image.open(x264.folder / "crop.png") as image:
        assert image.size == (64, 48)
