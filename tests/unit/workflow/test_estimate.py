"""Jobs, bytes and fit times of a condition before it runs, against its plan and the table of sequences."""

from __future__ import annotations

import argparse
import csv
import functools
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
from bench.conditions.run_config import default_condition
from bench.inr.study.fit_cost import fit_cost
from bench.inr.study.fit_hours import fit_seconds
from bench.sequences.table import SEQUENCES
from bench.video.clip import ClipInfo
from bench.workflow.estimate import Estimate, Space
from bench.workflow.plan import make_plan

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
    return Estimate(make_plan(name), fit_cost)


@functools.cache
def estimate_of_tracked(name: str) -> Estimate:
    """Of a condition of the suite without results. That of UVG counts the operations of 175 networks."""
    return estimate_of(name)


def spaces(estimate: Estimate) -> dict[str, Space]:
    return {space.kind: space for space in estimate.disk()}


def touch(path: str, content: bytes = b"") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo-v1", "uvg-1080p-v1"])
def test_jobs_are_those_of_the_plan(name: str) -> None:
    estimate = estimate_of_tracked(name)
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


@pytest.mark.slow
def test_downloads_and_disk_of_uvg_are_those_of_the_table_of_sequences() -> None:
    estimate = estimate_of_tracked("uvg-1080p-v1")
    with SEQUENCES.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["name"].startswith("uvg-")]
    archives = [int(row["archive_bytes"]) for row in rows]
    assert sum(archives) == UVG_ARCHIVES
    found = estimate.download()
    assert (found.total, found.missing) == (UVG_ARCHIVES, UVG_ARCHIVES)

    disk = spaces(estimate)
    raw = UVG_FRAMES * 1920 * 1080 * 3 // 2
    assert disk["archives"].total == sum(sorted(archives)[-2:])
    assert disk["sequences"].total == sum(int(row["raw_bytes"]) for row in rows) == raw
    assert disk["clips"].total == raw + 6 * UVG_FRAMES
    fits = [estimate._fit_bytes(point) for point in fitted(estimate)]
    assert len(fits) == 5 * 5 * 7
    assert sum(fit.weights for fit in fits) == pytest.approx(5 * 7 * 49.6e6, rel=0.03)
    controls = raw + 7 * 1920 * 1080 * 3 // 2
    encoders = 7 * 5 * 0.2 / 8 * UVG_FRAMES * 1920 * 1080
    assert disk["streams"].total == pytest.approx(controls + encoders + sum(f.stream_bytes for f in fits))
    assert disk["state"].total == sum(4 * fit.parameters for fit in fits)
    assert disk["fit"].total == max(12 * fit.parameters for fit in fits)


def fitted(estimate: Estimate) -> list[Any]:
    return [point for point in estimate.encoded if estimate.plan.configs[point.codec].kind == "fitted"]


@pytest.mark.slow
def test_existing_files_are_not_missing() -> None:
    estimate = estimate_of("uvg-ffnerv-paper")
    name, point = "uvg-ffnerv-paper", estimate.encoded[0]
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
    assert estimate.download().missing == UVG_ARCHIVES - 925_430_047 - 770_631_599
    disk = spaces(estimate)
    assert disk["clips"].total - disk["clips"].missing == 600 * (1920 * 1080 * 3 // 2 + 6)
    # The buffer of key frames, while a fit of 600 frames runs: 601 frames of two bytes a number.
    costs = [estimate._fit_bytes(p) for p in fitted(estimate)]
    buffer = 3 * 1920 * 1080 * 2 * 601
    assert disk["fit"].total == max(12 * cost.parameters for cost in costs) + buffer
    assert disk["state"].total == sum(4 * cost.parameters for cost in costs)


@pytest.mark.slow
def test_each_seed_is_a_fit_and_the_size_of_controls_is_exact() -> None:
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
    sizes = {point.codec: estimate.stream_bytes(point) for point in estimate.encoded}
    frame = 64 * 48 * 3 // 2
    assert (sizes["identity"], sizes["mean-frame"]) == (10 * frame, frame)
    assert sizes["x264-medium"] == int(0.2 * 64 * 48 * 10 / 8)
    assert estimate.download().total == 0


def test_pending_fits_are_those_without_a_stream() -> None:
    estimate = estimate_of(write_condition())
    (fits,) = estimate.pending_fits().values()
    assert [settings["channels"] for _, settings in fits] == [8, 8, 16, 16]
    for name in ("stream.bin", "encode.json"):
        touch(estimate.encoded[0].file(name))
    (fits,) = estimate.pending_fits().values()
    assert [settings["channels"] for _, settings in fits] == [8, 16, 16]
    assert estimate_of(write_condition(codecs={"identity": {}})).pending_fits() == {}


def test_fits_take_the_time_of_their_steps() -> None:
    (fits,) = estimate_of(write_condition()).pending_fits().values()
    codec: Any = registry.load_family("nerv")
    lines: list[str] = []
    seconds = fit_seconds(codec, fits, threads=1, device="cpu", progress=lines.append)
    assert lines == ["timing steps at 64x48"]
    low, low_again, high, high_again = seconds
    assert low == low_again < 60
    assert high == high_again
    assert min(seconds) > 0


def test_a_fit_with_a_budget_in_seconds_takes_them() -> None:
    estimate = estimate_of(write_condition(budget={"encode_s": 90}))
    (fits,) = estimate.pending_fits().values()
    seconds = fit_seconds(registry.load_family("nerv"), fits, threads=1, device="cpu", progress=print)
    assert seconds == [90] * len(fits)


def bench_plan(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["plan", *words])
    return args.run(args)


def test_the_command_prints_jobs_bytes_and_times(capsys) -> None:
    assert bench_plan("--condition", write_condition()) == 0
    message = capsys.readouterr()
    lines = message.out.splitlines()
    assert lines[0] == "tiny: tiny"
    assert lines[1] == "clips: 1, codecs: 4, points: 8, skipped: 0"
    assert re.search(r"^measure +8 +0$", message.out, re.MULTILINE)
    assert re.search(r"^in all, without tables and figures +17 +0$", message.out, re.MULTILINE)
    assert re.search(r"^disk +[\d.]+ MB +[\d.]+ MB +[\d.,]+ [GT]B are free$", message.out, re.MULTILINE)
    assert re.search(r"^nerv-matched +4 +[\d.]+ s( to [\d.]+ s)? +[\d.]+ s$", message.out, re.MULTILINE)
    assert "Timed on cpu (" in message.out
    assert "[plan nerv-matched] timing steps at 64x48\n" in message.err


@pytest.mark.slow
def test_without_timing_nothing_is_timed_and_nothing_is_fetched(capsys) -> None:
    assert bench_plan("--condition", "uvg-ffnerv-representation", "--no-timing") == 0
    message = capsys.readouterr()
    assert message.err == ""
    assert "Timed" not in message.out
    assert re.search(r"^download +5\.30 GB +5\.30 GB +7 sequences$", message.out, re.MULTILINE)
    assert list(Path().iterdir()) == []


def test_a_skipped_point_is_printed_with_its_reason(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(self: Codec, clip: ClipInfo, settings: Any) -> str | None:
        return "of no use here" if settings["mode"] == "identity" else None

    monkeypatch.setattr(type(registry.load_family("control")), "skip", skip)
    assert bench_plan("--condition", write_condition(), "--no-timing") == 0
    assert "skipped, identity (1): of no use here\n" in capsys.readouterr().out


@pytest.mark.slow
def test_the_default_is_the_default_run(capsys) -> None:
    assert bench_plan("--no-timing") == 0
    assert capsys.readouterr().out.startswith(f"{default_condition()}: ")


def test_an_unknown_condition_is_one_line() -> None:
    with pytest.raises(BenchError, match="unknown condition 'uvg-1080p'; try uvg-1080p-v1"):
        bench_plan("--condition", "uvg-1080p")
    assert (CONDITIONS_DIR / "uvg-1080p-v1.yaml").is_file()
