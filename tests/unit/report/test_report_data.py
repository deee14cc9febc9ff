"""Data of the report page: chosen frames, decoded pictures, scripts that hold text, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import page_data
import pandas as pd
import pytest
from cli_process import bench, refused
from PIL import Image

from bench.base.files import read_json
from bench.base.result_files import RunKey
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.conditions.reader import load_condition
from bench.report.frame_choice import choose_frames, mean_changes
from bench.report.frame_pictures import frame_series, write_pictures
from bench.report.page import _write_script
from bench.report.run_data import read_records, trust_data
from bench.scoring.measure import measure
from bench.video.clip import Clip
from bench.video.colour import to_rgb
from bench.workflow.outputs import Selection
from bench.workflow.plan import make_plan
from bench.workflow.targets import NAMED_TARGETS

RULES = ("first", "motion", "worst", "even")


def test_frames_are_chosen_in_the_order_of_the_rules() -> None:
    options = {"count": 100, "even": 4, "motion": [0, 1, 9, 2], "worst": {"A": 50, "B": 12}}
    chosen = choose_frames(RULES, most=20, **options)
    assert chosen == {
        0: ["first frame"],
        2: ["most motion"],
        12: ["worst of B", "evenly spaced"],
        37: ["evenly spaced"],
        50: ["worst of A"],
        62: ["evenly spaced"],
        87: ["evenly spaced"],
    }
    assert list(choose_frames(RULES, most=3, **options)) == [0, 2, 50]
    assert list(choose_frames(("even",), most=9, **options | {"count": 2})) == [0, 1]


def test_a_frame_that_is_worst_for_two_codecs_has_both_reasons() -> None:
    chosen = choose_frames(("worst",), most=1, count=9, even=1, motion=[0], worst={"A": 3, "B": 3})
    assert chosen == {3: ["worst of A", "worst of B"]}


def test_the_change_of_a_frame_is_the_mean_absolute_difference() -> None:
    frames = [np.full((2, 2), level, np.uint8) for level in (10, 250, 0)]
    assert mean_changes(frames) == [0.0, 240.0, 250.0]


def test_a_script_holds_any_text_as_data(tmp_path: Path) -> None:
    text = "</script><!-- \u2028 & 'quoted' \"text\" \\u003c"
    _write_script(tmp_path / "data.js", "REPORT", {"label": text, "value": float("nan")})
    script = (tmp_path / "data.js").read_text()
    assert not set("<>&\u2028") & set(script)
    body = script.removeprefix("window.REPORT = ").removesuffix(";\n")
    assert json.loads(body) == {"label": text, "value": None}


@pytest.fixture(scope="module")
def coded(tiny_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> dict[RunKey, Path]:
    """A measured stream of x264: its record by its key."""
    folder = tmp_path_factory.mktemp("coded")
    config = registry.codec_config("x264-medium")
    settings = registry.resolve_settings(config, {}, {"crf": 38})
    files = {"out": folder / "stream.bin", "report": folder / "encode.json"}
    encode(EncodePlan(config=config, point="crf38", settings=settings, clip=tiny_clip, device="cpu", **files))
    measure(
        stream=folder / "stream.bin",
        clip=tiny_clip.path.with_name("clip.json"),
        report=folder / "encode.json",
        condition="demo-v1",
        metrics=["psnr_rgb_db"],
        codec="x264-medium",
        point="crf38",
        run="seed0",
        out=folder / "record.json",
        frames_csv=folder / "frames.csv",
    )
    key = RunKey(condition="demo-v1", clip="tiny", codec="x264-medium", point="crf38", run="seed0")
    return {key: folder / "record.json"}


def test_pictures_are_the_decoded_frames(coded: dict[RunKey, Path], tiny_clip: Clip, tmp_path: Path) -> None:
    (record,) = coded.values()
    rows = pd.DataFrame([read_json(record)]).assign(series="x264-medium")
    part = {"map": np.linspace(0, 1, 6).reshape(2, 3), "flow": np.ones((2, 4, 4))}
    write_pictures(
        tmp_path / "frames",
        condition=load_condition("demo-v1"),
        clip=tiny_clip,
        rows=rows,
        records=coded,
        device="cpu",
        parts_of=lambda stream, frames: dict.fromkeys(frames, part),
        progress=lambda text: None,
    )
    index = read_json(tmp_path / "frames" / "frames.json")
    numbers = [entry["frame"] for entry in index["frames"]]
    reasons = {entry["frame"]: entry["reasons"] for entry in index["frames"]}
    values = frame_series(index, coded, ["psnr_rgb_db"])["psnr_rgb_db"]["tiny/x264-medium/crf38/seed0"]
    assert "worst of x264 medium" in reasons[int(np.argmin(values))]
    assert reasons[0][0] == "first frame"
    stream = read_stream(record.with_name("stream.bin"))
    codec = codec_of(stream)
    yuv = decode(stream, codec, device="cpu", clock=StageClock())
    decoded = list(to_rgb(yuv, width=64, height=48, colour="bt709"))
    source, coded_entry = index["pictures"]
    for number in numbers:
        folder = tmp_path / "frames" / coded_entry["folder"]
        with Image.open(folder / f"{number}.webp") as picture:
            assert np.array_equal(np.asarray(picture), decoded[number])
        with Image.open(tmp_path / "frames" / source["folder"] / f"{number}.webp") as picture:
            assert np.array_equal(np.asarray(picture), next(iter(tiny_clip.rgb(number, number + 1))))
        assert (folder / f"{number}-1.webp").is_file()
    assert coded_entry["parts"]["names"][str(numbers[0])] == ["map", "flow"]
    assert coded_entry["bytes"] == sum(
        (tmp_path / "frames" / coded_entry["folder"] / f"{number}.webp").stat().st_size for number in numbers
    )


@pytest.mark.slow
def test_an_older_record_has_no_value_of_a_newer_metric_and_the_reason(tmp_path: Path) -> None:
    table = page_data.table(hostile=False)
    page_data.write(tmp_path, table, with_frames=False)
    paths = {
        RunKey.of(row): Path(RunKey.of(row).file("record.json", tmp_path / "results"))
        for row in table.to_dict("records")
    }
    records = read_records(paths)
    trust = trust_data(table, records, metrics=["vmaf", "vmaf_neg"], planned=1, skipped=[], notes=[])
    reasons = {(entry["metric"], entry["reason"]): entry["records"] for entry in trust["absent"]}
    assert reasons["VMAF-NEG", "the record is older than the metric"] == len(records)
    assert 0 < reasons["VMAF", "ffmpeg has no filter libvmaf"] < len(records)


@pytest.mark.slow
def test_the_command_shows_tracked_records_and_replaces_its_own_page_only(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    for name in ("report.json", "stale.js"):
        (page / name).write_text("{}")
    done = bench("report", "demo-v1", "--bits", "-o", page, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (page / "stale.js").exists()
    data = json.loads((page / "data.js").read_text().removeprefix("window.REPORT = ").removesuffix(";\n"))
    assert data["trust"]["measured"] >= 20
    assert {run["tracked"] for run in data["runs"]} == {True}
    for run in data["runs"]:
        assert {"record", "stream", "encode report"} <= set(run["files"])
        assert all((page / link).is_file() for link in run["files"].values())
    records = json.loads((page / "records.js").read_text().removeprefix("window.RECORDS = ")[:-2])
    sources = [record["provenance"] for record in records["runs"].values()]
    sources += [source["encode"] for source in sources]
    assert len(records["shared"]) < 10
    assert all("torch" in records["shared"][source["packages"]] for source in sources)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("kept")
    refused(bench("report", "demo-v1", "--bits", "-o", "other", cwd=tmp_path), "other", "report page")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "kept"


@pytest.mark.slow
def test_a_condition_without_records_is_refused(tmp_path: Path) -> None:
    refused(bench("report", "uvg-1080p-v1", "-o", "page", cwd=tmp_path), "no point has a record")


def test_every_run_writes_the_page_with_frames_and_bits_of_its_clips() -> None:
    selection = Selection(make_plan("demo-v1"), "demo-v1")
    assert "results/report/demo-v1" in selection.targets([])
    assert selection.page_frames() == ["results/report-frames/demo-v1/bunny-320x180"]
    assert selection.page_bits() == ["results/tables/demo-v1/bits_bunny-320x180.csv"]
    (target,) = (target for target in NAMED_TARGETS if target.name == "report_page")
    assert target.files(selection) == ["results/report/demo-v1"]
