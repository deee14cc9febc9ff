"""Decode times of real streams: rows of the table, choice of seeds, paths of streams."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.base.errors import BenchError, StreamError
from bench.cli import main
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.conditions.reader import load_condition
from bench.reproduce.retime import first_seeds, retime
from bench.scoring.measure import measure
from bench.scoring.record import Record
from bench.sequences.prepare import prepare

CONDITION = """
title: tiny
clips:
  tiny: {sequence: discs-tiny, trim: [0, 6]}
codecs:
  x264-medium: {points: {low: {crf: 40, preset: ultrafast}}}
  identity: {}
metrics: [psnr_rgb_db]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two measured streams in a folder of results."""
    folder = tmp_path_factory.mktemp("retime")
    (folder / "tiny-v0.yaml").write_text(CONDITION)
    condition = load_condition(folder / "tiny-v0.yaml")
    clip = prepare(condition, "tiny", folder / "clip")
    for codec, point in (("x264-medium", "low"), ("identity", "raw")):
        place = folder / "results" / "points" / "tiny-v0" / "tiny" / codec / point / "seed0"
        stream, report = place / "stream.bin", place / "encode.json"
        encode(
            EncodePlan(
                config=registry.codec_config(codec),
                point=point,
                settings=condition.settings(codec, point, "tiny"),
                clip=clip,
                out=stream,
                report=report,
                device="cpu",
            )
        )
        measure(
            stream=stream,
            clip=clip.path.with_name("clip.json"),
            report=report,
            condition=condition.name,
            metrics=condition.metrics,
            codec=codec,
            point=point,
            run="seed0",
            out=place / "record.json",
            frames_csv=place / "frames.csv",
            device="cpu",
        )
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of results/points in the working directory."""
    shutil.copytree(made / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return Path("results/points")


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["codec"]: row for row in csv.DictReader(file)}


def place(results: Path, codec: str) -> Path:
    (found,) = (results / "tiny-v0" / "tiny" / codec).glob("*/seed0")
    return found


@pytest.mark.slow
def test_the_command_times_every_stream_in_its_own_process(
    results: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = dict(os.environ)
    report = place(results, "identity") / "encode.json"
    values = json.loads(report.read_text())
    values["details"]["decoder_weights_bytes"] = 1234  # as a learned codec's encoder tells
    report.write_text(json.dumps(values))
    command = ["retime", str(results), "--out", "times.csv", "--repeats", "2", "--device", "cpu"]
    assert main(command) == 0
    assert dict(os.environ) == before
    found = rows(Path("times.csv"))
    assert set(found) == {"x264-medium", "identity"}
    for codec, row in found.items():
        record = Record.read(place(results, codec) / "record.json")
        assert (row["clip"], row["run"], row["frames"], row["repeats"]) == ("tiny", "seed0", "6", "2")
        assert row["stream_sha256"] == record.stream_sha256
        wall, low, high = (float(row[name]) for name in ("wall_s", "wall_s_low", "wall_s_high"))
        assert 0 < low <= wall <= high < 60
        assert wall == pytest.approx((low + high) / 2)
        assert float(row["frames_per_second"]) == pytest.approx(6 / wall)
        assert 0 < float(row["cpu_s_low"]) <= float(row["cpu_s_high"])
        assert float(row["one_frame_cpu_s"]) > 0
        assert 0 < float(row["one_frame_wall_s"]) < 60
        assert float(row["peak_memory_bytes"]) > 1 << 20
        assert (row["device"], row["threads"], row["peak_device_memory_bytes"]) == ("cpu", "1", "")
    assert found["identity"]["decoder_weights_bytes"] == "1234"
    assert found["x264-medium"]["decoder_weights_bytes"] == ""
    assert "[retime] 2 of 2: tiny/x264-medium/low/seed0: " in capfd.readouterr().err


def test_of_several_seeds_the_lowest_is_timed(results: Path) -> None:
    path = place(results, "identity") / "record.json"
    record = Record.read(path)
    one = replace(record, seed=5, run="seed5"), replace(record, seed=2, run="seed2")
    reference = replace(record, seed=7, run="reference-seed7", reference=True)
    other = replace(record, seed=9, run="seed9", point="another")
    paths = [Path(f"{index}.json") for index in range(4)]
    chosen = first_seeds(zip(paths, [one[0], reference, one[1], other], strict=True))
    assert [(path.name, record.run) for path, record in chosen] == [
        ("2.json", "seed2"),
        ("1.json", "reference-seed7"),
        ("3.json", "seed9"),
    ]


def test_the_stream_of_a_reference_is_in_results_reference(results: Path) -> None:
    own = place(results, "identity")
    record = replace(Record.read(own / "record.json"), reference=True, run="reference-seed0")
    tracked = Path("results/reference/tiny-v0/tiny/identity/raw/seed0")
    tracked.mkdir(parents=True)
    (own / "stream.bin").rename(tracked / "stream.bin")
    elsewhere = own.with_name("reference-seed0")
    own.rename(elsewhere)
    record.write(elsewhere / "record.json")
    retime([elsewhere / "record.json"], out="times.csv", repeats=1, device="cpu")
    row = rows(Path("times.csv"))["identity"]
    assert (row["run"], row["repeats"], row["wall_s_low"]) == ("reference-seed0", "1", row["wall_s_high"])


def test_a_stream_that_cannot_be_timed_is_refused_without_a_table(results: Path) -> None:
    out, own, empty = Path("times.csv"), place(results, "x264-medium"), Path("empty")
    empty.mkdir()
    with pytest.raises(BenchError, match="--repeats 0: must be at least 1"):
        retime([results], out=out, repeats=0, device="cpu")
    with pytest.raises(BenchError, match=r"holds no record\.json"):
        retime([empty], out=out, repeats=1, device="cpu")
    stream = own / "stream.bin"
    data = stream.read_bytes()
    stream.write_bytes(data[:-1])
    with pytest.raises(BenchError, match="is another stream than that of"):
        retime([results], out=out, repeats=1, device="cpu")
    record = Record.read(own / "record.json")
    replace(record, stream_sha256=hashlib.sha256(data[:-1]).hexdigest()).write(own / "record.json")
    with pytest.raises(StreamError, match="is cut short"):
        retime([results], out=out, repeats=1, device="cpu")
    stream.unlink()
    with pytest.raises(BenchError, match=r"its stream\.bin is missing"):
        retime([results], out=out, repeats=1, device="cpu")
    assert not out.exists()
