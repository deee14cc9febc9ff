"""Tolerances of `bench verify`: every value of a record is compared with that of its metric."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.base.paths import ROOT
from bench.reproduce.verify import compare, compare_frames
from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import METRICS, NOT_LISTED, ROUND_TRIP, SCORERS, frame_metric, metric_of
from bench.scoring.record import Record

HELD_OUT_RECORD = ROOT / "results/reference/interpolation-v1/bunny-320x180"


@pytest.fixture
def record() -> Record:
    """A tracked record with means over fitted and over held-out frames."""
    path = next(iter(sorted(HELD_OUT_RECORD.rglob("record.json"))))
    return Record.read(path)


def problems(record: Record, changed: dict[str, float | None], **arguments: float) -> list[str]:
    old = dataclasses.replace(record, metrics={**record.metrics, **dict.fromkeys(changed, 69.6169)})
    new = dataclasses.replace(old, metrics={**old.metrics, **changed})
    return list(compare(old, new, **arguments))


def test_every_value_of_the_tracked_records_has_a_metric(record: Record) -> None:
    assert any(name.endswith("_held_out") for name in record.metrics)
    for path in sorted((ROOT / "results/reference").rglob("record.json")):
        for name in Record.read(path).metrics:
            assert metric_of(name) is not None, (path, name)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("vmaf", "vmaf"),
        ("vmaf_fitted", "vmaf"),
        ("psnr_rgb_db_held_out", "psnr_rgb_db"),
        ("psnr_rgb_pooled_db_fitted", "psnr_rgb_pooled_db"),
        (ROUND_TRIP, "psnr_yuv_db"),
    ],
)
def test_a_derived_value_has_the_metric_of_its_name(name: str, metric: str) -> None:
    assert metric_of(name) is METRICS[metric]


@pytest.mark.parametrize("name", ["vmaf_old", "psnr_db", "_fitted", "", "fitted", "psnr_rgb"])
def test_other_names_have_no_metric(name: str) -> None:
    assert metric_of(name) is None


@pytest.mark.parametrize("suffix", ["", "_fitted", "_held_out"])
@pytest.mark.parametrize(
    ("name", "within", "beyond"),
    [
        ("vmaf", 69.6174, 69.72),
        ("psnr_rgb_db", 69.6259, 69.64),
        ("psnr_y_pooled_db", 69.598, 69.5969 - 0.001),
        ("ms_ssim_rgb", 69.6178, 69.618),
    ],
)
def test_last_digits_pass_and_more_does_not(
    record: Record, name: str, suffix: str, within: float, beyond: float
) -> None:
    """Against 69.6169: on another processor a decoder's VMAF was 69.6174."""
    assert problems(record, {name + suffix: within}) == []
    (line,) = problems(record, {name + suffix: beyond})
    assert line.startswith(f"{name}{suffix} is ")
    assert "recorded 69.6169" in line


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_value_that_is_missing_or_no_number_is_reported(record: Record, value: float | None) -> None:
    (line,) = problems(record, {"vmaf_fitted": value})
    assert line.startswith(f"vmaf_fitted is {value}, recorded 69.6")


def test_a_tolerance_of_the_command_line_is_of_decibels_alone(record: Record) -> None:
    changed = {"psnr_u_db_held_out": 70.0, "psnr_v_db": 69.2, "vmaf_held_out": 70.0}
    assert len(problems(record, changed)) == 3
    assert [line.split()[0] for line in problems(record, changed, tolerance_db=0.5)] == ["vmaf_held_out"]
    assert len(problems(record, {"psnr_u_db": 69.617}, tolerance_db=0)) == 1


def test_an_unknown_metric_is_named(record: Record) -> None:
    (line,) = problems(record, {"vmaf_old_fitted": 69.6169})
    assert line.startswith("vmaf_old_fitted: unknown metric")


def test_a_metric_that_the_record_lacks_is_not_compared(record: Record) -> None:
    """The record is older than the metric, or than its place in the condition."""
    assert "vmaf_neg" not in record.metrics
    newer = dataclasses.replace(record, metrics={**record.metrics, "vmaf_neg": 80.0})
    assert list(compare(record, newer)) == []
    unlisted = dataclasses.replace(
        record, metrics={**record.metrics, "vmaf_neg": None}, reasons={"vmaf_neg": NOT_LISTED}
    )
    assert list(compare(unlisted, newer)) == []
    assert list(compare(newer, unlisted)) == ["vmaf_neg is None, recorded 80.0"]


def test_frames_are_compared_by_their_digests(tmp_path: Path) -> None:
    """A network's frames on another machine differ in a few pixels."""
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("frame,psnr_rgb_db,md5\n0,30.5,0a1\n1,31.0,0b2\n2,32.0,0c3\n")
    new.write_text("frame,psnr_rgb_db,md5\n0,30.5,0a1\n1,31.004,0d4\n2,31.999,0e5\n")
    assert compare_frames(old, old) == "all 3 frames are identical"
    assert compare_frames(old, new) == "2 of 3 frames differ, by at most 0.004 dB of PSNR-RGB"
    assert compare_frames(tmp_path / "missing.csv", new) == ""
    old.write_text("frame,psnr_rgb_db\n0,30.5\n1,31.0\n2,32.0\n")
    assert compare_frames(old, new) == ""


def test_a_new_metric_brings_its_tolerance(record: Record) -> None:
    try:

        @frame_metric("max_error_y", tolerance=1)
        def max_error_y(pair: FramePair) -> float:
            return 0.0

        assert problems(record, {"max_error_y_fitted": 70.6}) == []
        assert len(problems(record, {"max_error_y_fitted": 70.7})) == 1
    finally:
        METRICS.pop("max_error_y", None)
        SCORERS.pop("max_error_y", None)


@pytest.mark.parametrize(("kind", "count"), [("classical", 1), ("control", 1), ("fitted", 0), ("learned", 0)])
def test_identical_frames_are_exact_where_decoders_compute_in_integers(
    record: Record, kind: str, count: int
) -> None:
    """The last bit of a network's arithmetic decides whether a frame is the source's."""
    exact = dataclasses.replace(record, kind=kind)
    assert len(problems(exact, {"identical_frames": 70})) == count
    assert problems(exact, {"identical_frames": 69.6169}) == []


def test_sizes_and_hashes_are_exact(record: Record) -> None:
    longer = dataclasses.replace(record, stream_bytes=record.stream_bytes + 1)
    assert list(compare(record, longer)) == [
        f"stream_bytes is {longer.stream_bytes}, recorded {record.stream_bytes}"
    ]
