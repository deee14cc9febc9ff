"""What a condition takes before it is run: jobs and bytes against the plan and the table of sequences."""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.base.errors import BenchError
from bench.base.paths import CONDITIONS_DIR
from bench.cli import plan as command
from bench.codec import registry
from bench.codec.contract import Codec
from bench.conditions.reader import load_condition
from bench.sequences.table import SEQUENCES
from bench.video.clip import ClipInfo
from bench.workflow.estimate import Estimate, Room
from bench.workflow.hours import Stopwatch
from bench.workflow.plan import make_plan, planned_info
from bench.workflow.probe import MOST_PIXELS, probe_clip, time_codec, time_scoring

UVG_FRAMES, UVG_ARCHIVES = 3900, 5_300_014_449
TINY: dict[str, Any] = {
    "title": "tiny",
    "clips": {"discs": {"sequence": "discs-tiny"}},
    "device": "cpu",
    "budget": {"epochs": 2},
    "seeds": [3, 5],
    "codecs": {
        "nerv-matched": {
            "settings": {"strides": [2, 2, 2], "lower_width": 4, "stem_width": 16},
            "points": {"low": {"channels": 8}, "high": {"channels": 16}},
        },
        "x264-medium": {"points": {"crf38": {"crf": 38}, "crf23": {"crf": 23}}},
        "identity": {},
        "mean-frame": {},
    },
    "metrics": ["psnr_rgb_db"],
}


@pytest.fixture(autouse=True)
def _nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_condition(**changes: Any) -> str:
    Path("tiny.yaml").write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
    return "tiny.yaml"


def estimate_of(name: str) -> Estimate:
    return Estimate(make_plan(name))


def rooms(estimate: Estimate) -> dict[str, Room]:
    return {room.sort: room for room in estimate.disk()}


def touch(path: str, content: bytes = b"") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


@pytest.mark.parametrize("name", ["demo-v1", "uvg-1080p-v1"])
def test_jobs_are_those_of_the_plan(name: str) -> None:
    estimate = estimate_of(name)
    jobs = {row.kind: row for row in estimate.jobs()}
    points = estimate.plan.points
    assert {row.done for row in jobs.values()} == {0}
    assert jobs["measure"].to_do == len(points)
    assert jobs["prepare"].to_do == len(estimate.plan.condition.clips)
    for codec in estimate.plan.condition.codecs:
        made = [point for point in points if point.codec == codec and not point.reference]
        assert (f"encode {codec}" in jobs) == bool(made)
        assert not made or jobs[f"encode {codec}"].to_do == len(made)
    assert ("fetch" in jobs) == (name != "demo-v1")


def test_downloads_and_disk_of_uvg_are_those_of_the_table_of_sequences() -> None:
    estimate = estimate_of("uvg-1080p-v1")
    with SEQUENCES.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["name"].startswith("uvg-")]
    archives = [int(row["archive_bytes"]) for row in rows]
    assert sum(archives) == UVG_ARCHIVES
    found = estimate.download()
    assert (found.total, found.to_come) == (UVG_ARCHIVES, UVG_ARCHIVES)

    disk = rooms(estimate)
    raw = UVG_FRAMES * 1920 * 1080 * 3 // 2
    assert disk["archives"].total == sum(sorted(archives)[-2:])
    assert disk["sequences"].total == sum(int(row["raw_bytes"]) for row in rows) == raw
    assert disk["clips"].total == raw + 6 * UVG_FRAMES
    fits = [estimate.fit_cost(point) for point in fitted(estimate)]
    assert len(fits) == 5 * 5 * 7
    assert sum(fit.weights for fit in fits) == pytest.approx(5 * 7 * 49.6e6, rel=0.03)
    controls = raw + 7 * 1920 * 1080 * 3 // 2
    encoders = 7 * 5 * 0.2 / 8 * UVG_FRAMES * 1920 * 1080
    assert disk["streams"].total == pytest.approx(controls + encoders + sum(f.stream_bytes for f in fits))
    assert disk["state"].total == sum(4 * fit.parameters for fit in fits)
    assert disk["fit"].total == max(12 * fit.parameters for fit in fits)


def fitted(estimate: Estimate) -> list[Any]:
    return [point for point in estimate.made if estimate.plan.configs[point.codec].kind == "fitted"]


def test_what_is_here_is_not_to_come() -> None:
    estimate = estimate_of("uvg-ffnerv-paper")
    name, point = "uvg-ffnerv-paper", estimate.made[0]
    touch("resources/sequences/uvg-beauty.yuv")  # fetched, its clip is not made
    touch(f"resources/clips/{name}/jockey/source.json")
    touch(f"resources/clips/{name}/jockey/clip.json")  # made, its source may be gone
    touch(point.file("stream.bin"), b"12345")
    jobs = {row.kind: row for row in estimate.jobs()}
    assert (jobs["fetch"].to_do, jobs["fetch"].done) == (6, 1)
    assert (jobs["prepare"].to_do, jobs["prepare"].done) == (6, 1)
    assert jobs["encode ffnerv-official"].done == 0  # its report is not there
    touch(point.file("encode.json"))
    touch(point.file("record.json"))
    jobs = {row.kind: row for row in estimate.jobs()}
    assert (jobs["encode ffnerv-official"].to_do, jobs["encode ffnerv-official"].done) == (6 * 7 - 1, 1)
    assert jobs["measure"].done == 1
    assert estimate.stream_bytes(point) == 5
    assert estimate.download().to_come == UVG_ARCHIVES - 925_430_047 - 770_631_599
    disk = rooms(estimate)
    assert disk["clips"].total - disk["clips"].to_come == 600 * (1920 * 1080 * 3 // 2 + 6)
    # The buffer of key frames, while a fit of 600 frames runs: 601 frames of two bytes a number.
    costs = [estimate.fit_cost(p) for p in fitted(estimate)]
    buffer = 3 * 1920 * 1080 * 2 * 601
    assert disk["fit"].total == max(12 * cost.parameters for cost in costs) + buffer
    assert disk["state"].total == sum(4 * cost.parameters for cost in costs)


def test_seeds_are_fits_of_their_own_and_controls_are_known_to_the_byte() -> None:
    estimate = estimate_of(write_condition())
    jobs = {row.kind: row.to_do for row in estimate.jobs()}
    assert jobs == {
        "prepare": 1,
        "encode nerv-matched": 4,
        "encode x264-medium": 2,
        "encode identity": 1,
        "encode mean-frame": 1,
        "measure": 8,
    }
    sizes = {point.codec: estimate.stream_bytes(point) for point in estimate.made}
    frame = 64 * 48 * 3 // 2
    assert (sizes["identity"], sizes["mean-frame"]) == (10 * frame, frame)
    assert sizes["x264-medium"] == int(0.2 * 64 * 48 * 10 / 8)
    assert estimate.download().total == 0


def test_a_probe_has_the_shape_of_its_clip(tmp_path: Path) -> None:
    info = planned_info(load_condition("uvg-1080p-v1"), "beauty")
    small = probe_clip(info, tmp_path).info
    assert (small.width, small.height, small.frames, small.fps) == (640, 360, 8, info.fps)
    assert small.width * small.height <= MOST_PIXELS
    assert small.colour == info.colour


def watch(estimate: Estimate, folder: Path) -> Stopwatch:
    return Stopwatch(
        estimate,
        folder,
        device_of=lambda codec: "cpu",
        synchronize=lambda device: lambda: None,
        tell=lambda line: None,
    )


def test_hours_are_by_pixel_and_by_step(tmp_path: Path) -> None:
    timer = watch(estimate_of(write_condition()), tmp_path)
    found = {hours.sort: hours for hours in timer.encodes()}
    assert {sort: hours.jobs for sort, hours in found.items()} == {
        "nerv-matched": 4,
        "x264-medium": 2,
        "identity": 1,
        "mean-frame": 1,
    }
    low, low_again, high, _ = found["nerv-matched"].seconds
    assert low == low_again
    assert 0 < low < 60
    assert high > 0
    assert found["x264-medium"].seconds[0] == found["x264-medium"].seconds[1] > 0
    assert found["x264-medium"].source == "crf23 at 64x48; by pixels"
    assert found["nerv-matched"].source.startswith("0.0")
    assert timer.devices == ["cpu"]
    measuring = timer.measuring()
    assert measuring is not None
    assert (measuring.jobs, len(measuring.seconds)) == (8, 8)


def test_a_codec_that_does_not_run_is_not_estimated(tmp_path: Path) -> None:
    codecs = {"x264-medium": {"settings": {"preset": "nonsense"}, "points": ["crf38"]}, "identity": {}}
    timer = watch(estimate_of(write_condition(codecs=codecs)), tmp_path)
    refused, identity = timer.encodes()
    assert refused.source.startswith("not estimated: ")
    assert (refused.seconds, refused.jobs) == ((), 1)
    assert len(identity.seconds) == 1
    measuring = timer.measuring()
    assert measuring is not None
    assert measuring.source.endswith("without x264-medium")
    assert (measuring.jobs, len(measuring.seconds)) == (2, 1)


def test_nothing_is_left_to_time_where_all_is_done(tmp_path: Path) -> None:
    estimate = estimate_of(write_condition(codecs={"identity": {}}))
    for name in ("stream.bin", "encode.json", "record.json"):
        touch(estimate.made[0].file(name))
    timer = watch(estimate, tmp_path)
    assert list(timer.encodes()) == []
    assert timer.measuring() is None


def test_scoring_costs_more_with_more_metrics(tmp_path: Path) -> None:
    info = planned_info(load_condition("demo-v1"), "bunny-320x180")
    clip = probe_clip(info, tmp_path)
    plain = time_scoring(clip, "yuv420p", ["psnr_rgb_db"])
    assert 0 < plain < time_scoring(clip, "yuv420p", ["ms_ssim_rgb", "ms_ssim_y"])


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    info = planned_info(load_condition("demo-v1"), "bunny-320x180")
    clip = probe_clip(info, tmp_path / "clip")
    config = registry.codec_config("mean-frame")
    time = time_codec(config, {"mode": "mean-frame"}, clip, device="cpu")
    assert time.encode_s > 0
    assert time.decode_s > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip"]


def bench_plan(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["plan", *words])
    return args.run(args)


def test_the_command_prints_jobs_bytes_and_times(capsys) -> None:
    assert bench_plan("--condition", write_condition()) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == "tiny: tiny"
    assert lines[1] == "clips: 1, codecs: 4, points: 8, skipped: 0"
    assert re.search(r"^measure +8 +0$", told.out, re.MULTILINE)
    assert re.search(r"^in all, without tables and figures +17 +0$", told.out, re.MULTILINE)
    assert re.search(r"^disk +[\d.]+ MB +[\d.]+ MB +[\d.,]+ [GT]B are free here$", told.out, re.MULTILINE)
    assert re.search(r"^nerv-matched +4 .* s +\S+M at 64x48, \S+M at 64x48; others by MACs$", told.out, re.M)
    assert "Timed on cpu (" in told.out
    assert "timing networks of nerv-matched for 64x48" in told.err


def test_without_probes_nothing_is_timed_and_nothing_is_fetched(capsys) -> None:
    assert bench_plan("--condition", "uvg-ffnerv-representation", "--no-probe") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "Timed" not in told.out
    assert re.search(r"^download +5\.30 GB +5\.30 GB +7 sequences$", told.out, re.MULTILINE)
    assert list(Path().iterdir()) == []


def test_what_is_skipped_has_its_reason(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(self: Codec, clip: ClipInfo, settings: Any) -> str | None:
        return "of no use here" if settings["mode"] == "identity" else None

    monkeypatch.setattr(type(registry.load_family("control")), "skip", skip)
    assert bench_plan("--condition", write_condition(), "--no-probe") == 0
    assert "skipped, identity (1): of no use here\n" in capsys.readouterr().out


def test_the_default_is_the_default_run(capsys) -> None:
    assert bench_plan("--no-probe") == 0
    assert capsys.readouterr().out.startswith("demo-v1: ")


def test_an_unknown_condition_is_one_line() -> None:
    with pytest.raises(BenchError, match="unknown condition 'uvg-1080p'; try uvg-1080p-v1"):
        bench_plan("--condition", "uvg-1080p")
    assert (CONDITIONS_DIR / "uvg-1080p-v1.yaml").is_file()
