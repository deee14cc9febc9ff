"""Records: JSON round trip, errors, and the table of many records."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bench.base.csv_files import write_csv
from bench.base.errors import BenchError
from bench.scoring.record import Record, collect

RUN = {
    "wall_s": 1.5,
    "cpu_s": 1.25,
    "stages": {"fit": {"wall_s": 1.0, "cpu_s": 0.9}, "entropy-code": {"wall_s": 0.5, "cpu_s": 0.4}},
    "peak_memory_bytes": 1000,
    "peak_device_memory_bytes": None,
    "device": "cpu",
    "threads": 1,
}


def record(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "condition": "test-v0",
        "clip": "small",
        "codec": "net",
        "family": "nets",
        "kind": "fitted",
        "label": "Net",
        "point": "p1",
        "run": "seed0",
        "seed": 0,
        "reference": False,
        "epochs": 18,
        "rate_bpp": 0.25,
        "rate_bpp_paper": None,
        "stream_bytes": 864,
        "frames": 9,
        "width": 64,
        "height": 48,
        "fps": "25/1",
        "metrics": {"psnr_rgb_db": 30.5, "vmaf": None},
        "reasons": {"vmaf": "ffmpeg has no libvmaf"},
        "parameters": 1000,
        "macs_per_pixel": 12.5,
        "encode": RUN,
        "decode": RUN | {"wall_s": 0.25},
        "settings": {"epochs": 18},
        "clip_sha256": "c",
        "stream_sha256": "s",
        "provenance": {"suite_version": "0.1.0", "date_utc": "2026-01-01", "machine": {"cpu": "A CPU"}},
    }
    return Record(**(values | changes))


def test_round_trip(tmp_path: Path) -> None:
    record().write(tmp_path / "record.json")
    assert Record.read(tmp_path / "record.json") == record()
    assert json.loads((tmp_path / "record.json").read_text())["schema"] == 1


def test_json_holds_no_infinity(tmp_path: Path) -> None:
    record(metrics={"psnr_rgb_db": float("inf")}).write(tmp_path / "record.json")
    assert Record.read(tmp_path / "record.json").metrics == {"psnr_rgb_db": None}


def test_a_row_is_flat() -> None:
    row = record().row()
    assert all(not isinstance(value, dict | list) for value in row.values())
    assert row["series"] == "net"
    assert record(reference=True).row()["series"] == "net (reference)"
    assert (row["psnr_rgb_db"], row["vmaf"]) == (30.5, None)
    assert (row["encode_wall_s"], row["decode_wall_s"]) == (1.5, 0.25)
    assert row["encode_entropy_code_wall_s"] == 0.5
    assert (row["encode_threads"], row["encode_device"], row["machine"]) == (1, "cpu", "A CPU")


def test_a_row_has_the_energy_or_the_reason_for_none(tmp_path: Path) -> None:
    energy = {"cpu_j_per_frame": 2.5, "gpu_j_per_frame": None, "reason": "gpu: not readable"}
    record(encode=RUN | {"energy": energy}).write(tmp_path / "record.json")
    row = Record.read(tmp_path / "record.json").row()
    assert (row["encode_cpu_j_per_frame"], row["encode_gpu_j_per_frame"]) == (2.5, None)
    assert row["encode_energy_reason"] == "gpu: not readable"
    assert "decode_cpu_j_per_frame" not in row, "a record of an earlier version has no energy"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda values: values.pop("rate_bpp"), "'rate_bpp' is missing"),
        (lambda values: values.update(psnr=3), "'psnr' is unknown"),
        (lambda values: values.update(schema=2), "schema is 2"),
        (lambda values: values.pop("schema"), "schema is None"),
        (lambda values: values.update(metrics=[1]), "'metrics' must be an object"),
    ],
)
def test_a_wrong_record_is_an_error_that_names_file_and_key(tmp_path: Path, change, problem: str) -> None:
    path = tmp_path / "record.json"
    record().write(path)
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(BenchError, match=problem) as error:
        Record.read(path)
    assert str(path) in str(error.value)


WRONG: dict[str, list[Any]] = {
    "rate_bpp": [None, [], "0.25", True, 0, -0.25, {}],
    "rate_bpp_paper": ["", -1],
    "stream_bytes": [0, -1, 1.5, "864", None],
    "frames": [0, [9], "9"],
    "fps": [25, "25", "0/1", "25/0", "=1/1"],
    "seed": [-1, "0", 0.0, True],
    "reference": [0, "false", None],
    "epochs": [-1, "18", [18]],
    "kind": ["Fitted", None],
    "condition": ["../x", "", "a b", "$(touch x)", 7],
    "clip": ["<b>", "x/y", None],
    "point": ["-p", [], "é"],
    "run": ["seed", "seed-1", "seed0/../x", "$(x)0"],
    "label": ["", 3, "two\nlines", "\x1b[2J", "=1+1", "@x", "x" * 201],
    "parameters": [-5, "many"],
    "macs_per_pixel": [-1.0, "x"],
    "metrics": [[1], "x", {"psnr_rgb_db": "30"}, {"psnr_rgb_db": [30]}, {"psnr_rgb_db": -1}],
    "metrics ": [{"ms_ssim_rgb": 1.5}, {"vmaf_fitted": 101}, {"<b>": 1.0}, {"psnr_rgb_db": True}],
    "metrics  ": [{"cambi": -0.1}, {"xpsnr_y_db": 100.5}, {"flicker_psnr_y_db": -6.1}, {"cvvdp": 10.1}],
    "reasons": [[], {"vmaf": 3}],
    "encode": [[], {"wall_s": "1"}, {"wall_s": -1}, {"stages": [1]}, {"stages": {"fit": 3}}],
    "encode  ": [{"energy": {"cpu_j_per_frame": -1}}, {"energy": {"reason": ""}}, {"energy": None}],
    "encode ": [{"stages": {"fit": {"wall_s": None, "cpu_s": 1}}}, {"device": 3}, {"threads": -1}],
    "decode": [{"peak_memory_bytes": -1}, {"peak_memory_bytes": 1e300}, {"repeatable": "yes"}],
    "settings": [[], "x"],
    "truth": ["rgba", None],
    "provenance": [{"machine": "x"}, {"machine": {"cpu": 3}}, {"date_utc": ["x"]}, {"suite_version": "=1"}],
}


def test_metrics_without_a_lower_bound_may_be_negative(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    metrics = {"psnr_hvs_db": -4.6, "xpsnr_y_db": -12.8, "flicker_psnr_y_db": -6.0, "cambi": 22.5}
    record(metrics=metrics).write(path)
    assert Record.read(path).metrics == metrics


@pytest.mark.parametrize("key", WRONG)
def test_a_value_of_another_type_or_range_is_refused_by_name(tmp_path: Path, key: str) -> None:
    """Lists, text, booleans and numbers out of range where another value belongs never reach a table."""
    path = tmp_path / "record.json"
    record().write(path)
    values = json.loads(path.read_text())
    for wrong in WRONG[key]:
        key = key.strip()
        path.write_text(json.dumps(values | {key: wrong}))
        with pytest.raises(BenchError, match=key) as error:
            collect([path], tmp_path / "rd_points.csv")
        assert str(error.value).startswith(f"{path}: ")
        assert str(error.value).isprintable()
    assert not (tmp_path / "rd_points.csv").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"rate_bpp": NaN}', "NaN must be a finite number or null"),
        ('{"rate_bpp": -Infinity}', "-Infinity must be a finite number"),
        ('{"rate_bpp": 1e999}', "the number 1e999 is too large"),
        ('{"frames": ' + "9" * 5000 + "}", "has more than 20 digits"),
        ('{"frames": 9, "frames": 10}', "duplicate key 'frames'"),
        ('{"settings": ' + "[" * 5000 + "]" * 5000 + "}", "has more than 64 levels"),
        ('{"settings": ' + '{"a":' * 65 + "1" + "}" * 65 + "}", "has more than 64 levels"),
        ("[]", "its top level must be an object"),
        ("7", "its top level must be an object"),
        ("", "is not a record"),
    ],
)
def test_json_beyond_the_limits_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(BenchError, match=r"record\.json: is not a record") as error:
        Record.read(tmp_path / "record.json")
    assert problem in str(error.value)


def test_collect(tmp_path: Path) -> None:
    records = [
        record(codec="z", rate_bpp=0.5, stream_bytes=1728, point="p2", reference=True, run="reference-seed0"),
        record(codec="z", rate_bpp=0.5, stream_bytes=1728, point="p2"),
        record(codec="z", rate_bpp=0.25),
        record(codec="a", metrics={"psnr_rgb_db": 1.0, "new": 2.0}, encode=RUN | {"stages": {}}),
    ]
    paths = []
    for index, item in enumerate(records):
        paths.append(tmp_path / str(index) / "record.json")
        item.write(paths[-1])
    assert collect(paths, tmp_path / "rd_points.csv") == 4
    with open(tmp_path / "rd_points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["series"], row["point"]) for row in rows] == [
        ("z (reference)", "p2"),
        ("z", "p1"),
        ("z", "p2"),
        ("a", "p1"),
    ]
    assert rows[0]["reference"] == "true"
    assert rows[0]["vmaf"] == rows[0]["new"] == ""
    assert rows[3]["new"] == "2.0"
    assert rows[3]["encode_fit_wall_s"] == ""


def test_two_records_of_one_run_are_an_error(tmp_path: Path) -> None:
    for name in "ab":
        record().write(tmp_path / name)
    with pytest.raises(BenchError, match="same run"):
        collect([tmp_path / "a", tmp_path / "b"], tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_every_field_of_a_record_is_in_the_row_or_nested() -> None:
    row = record().row()
    nested = {"schema", "metrics", "reasons", "encode", "decode", "settings", "provenance"}
    assert {field.name for field in dataclasses.fields(Record)} - nested <= set(row)


def test_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [], columns=["a", "b"])
    assert (tmp_path / "x.csv").read_text() == "a,b\n"
