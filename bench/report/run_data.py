"""Measured runs of the report page: numbers, files and commands of each, and what supports their trust."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.rd_points import CONTROL
from bench.base.files import json_value, read_json
from bench.base.paths import ROOT
from bench.base.result_files import REFERENCE, RunKey, file_of_record, reference_folder
from bench.scoring.metrics import describe
from bench.tables.programs import program_rows

#: Column of rd_points.csv -> heading, unit and digits in the table of points.
COSTS = {
    "stream_bytes": ("Bytes", "", 0),
    "encode_wall_s": ("Encode", "s", 1),
    "decode_wall_s": ("Decode", "s", 2),
    "decode_peak_memory_bytes": ("Decode memory", "MB", 0),
    "parameters": ("Parameters", "", 0),
    "macs_per_pixel": ("MAC per pixel", "", 0),
    "epochs": ("Epochs", "", 0),
}
#: Control -> its known result.
_EXPECTED = {"identity": "every frame identical", "mean-frame": "the PSNR of the mean frame"}
#: Tables of a record's provenance that are the same in all records of one machine.
_REPEATED = ("packages", "machine")
#: Why a record has no value of a metric that it does not name.
OLDER = "the record is older than the metric"
_SCALE = {"decode_peak_memory_bytes": 1e-6}


def read_records(paths: Mapping[RunKey, Path]) -> dict[str, dict[str, Any]]:
    """The records as JSON values, by `run_id`."""
    return {run_id(key): json_value(read_json(path, "a record")) for key, path in paths.items()}


def share_repeats(records: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The records as `runs`, in which tables that they have in common are positions in the list `shared`."""
    shared: list[Any] = []

    def position(value: Any) -> int:
        if value not in shared:
            shared.append(value)
        return shared.index(value)

    def fold(source: Mapping[str, Any]) -> dict[str, Any]:
        folded = {name: position(value) if name in _REPEATED else value for name, value in source.items()}
        return {**folded, "encode": fold(source["encode"])} if source.get("encode") else folded

    runs = {name: {**record, "provenance": fold(record["provenance"])} for name, record in records.items()}
    return {"shared": shared, "runs": runs}


def run_id(key: RunKey) -> str:
    """Identity of a run on the page: clip/codec/point/run."""
    return "/".join((key.clip, key.codec, key.point, key.run))


def run_data(
    rows: pd.DataFrame, paths: Mapping[RunKey, Path], metrics: Sequence[str], out: Path
) -> list[dict[str, Any]]:
    """One entry for each row: its numbers, and links to record, stream and logs from the page's folder.

    Args:
        paths: record of each run. out: folder of the page.
    """
    columns = [name for name in (*metrics, *COSTS) if name in rows]
    runs = []
    for row in rows.to_dict("records"):
        key = RunKey.of(row)
        record = paths[key]
        numbers = {name: _number(row[name], _SCALE.get(name, 1)) for name in columns}
        runs.append(
            {
                "id": run_id(key),
                "series": row["series"],
                "clip": key.clip,
                "point": key.point,
                "run": key.run,
                "rate": row["rate_bpp"],
                "values": {name: value for name, value in numbers.items() if value is not None},
                "tracked": "points" not in record.parts[-7:-5],
                "files": _files(key, record, out),
                "command": f"python -m bench rerun {_path(_tracked(key) or record)} --out again",
            }
        )
    return runs


def _tracked(key: RunKey) -> Path | None:
    """The tracked record of a reference run, which every copy of the repository has."""
    run = key.run.removeprefix(REFERENCE)
    record = reference_folder(key.condition) / key.clip / key.codec / key.point / run / "record.json"
    return record if key.reference and record.is_file() else None


def _number(value: Any, scale: float) -> float | None:
    return None if value is None or pd.isna(value) else float(value) * scale


def _files(key: RunKey, record: Path, out: Path) -> dict[str, str]:
    """Name -> link relative to the page, of the record, stream and logs that exist."""
    run = key.run.removeprefix(REFERENCE) if key.reference else key.run
    log = Path(key.condition, key.clip, key.codec, key.point)
    paths = {
        "record": record,
        "stream": file_of_record(record, "stream.bin"),
        "encode report": file_of_record(record, "encode.json"),
        "log of the encode": Path("logs/encode", log, f"{run}.log"),
        "log of the measurement": Path("logs/measure", log, f"{key.run}.log"),
    }
    if key.reference:
        del paths["log of the encode"]  # it was encoded elsewhere
    return {name: os.path.relpath(path, out) for name, path in paths.items() if path.is_file()}


def _path(path: Path) -> str:
    """A path relative to the working directory or to the repository, where it is below one of them."""
    absolute = path.absolute()
    folder = next((folder for folder in (Path.cwd(), ROOT) if absolute.is_relative_to(folder)), None)
    return str(absolute.relative_to(folder) if folder else path)


def cost_columns(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Headings of the costs that a row has."""
    return [
        {"name": name, "label": label, "unit": unit, "digits": digits}
        for name, (label, unit, digits) in COSTS.items()
        if name in rows and rows[name].notna().any()
    ]


def trust_data(
    rows: pd.DataFrame,
    records: Mapping[str, Mapping[str, Any]],
    *,
    metrics: Sequence[str],
    planned: int,
    skipped: Iterable[Mapping[str, Any]],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Controls, programs, environments, seeds, repeated decodes, missing values and skipped points.

    Args:
        metrics: those of the condition. planned: number of its runs.
        notes: sentences that apply to the whole page.
    """
    repeatable = [record["decode"].get("repeatable") for record in records.values()]
    fitted = rows[rows["kind"] == "fitted"]
    return {
        "planned": planned,
        "measured": len(records),
        "controls": _controls(rows),
        "programs": program_rows(rows),
        "environments": _environments(records),
        "seeds": sorted(set(fitted["seed"].astype(int))),
        "repeated": sum(value is not None for value in repeatable),
        "repeatable": sum(value is True for value in repeatable),
        "absent": _absent(records, metrics),
        "skipped": [{name: str(text) for name, text in skip.items()} for skip in skipped],
        "notes": [note for note in notes if note],
    }


def _controls(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The controls. `measure` writes no record of a control with another score than the known one."""
    metric = describe("psnr_yuv_db")
    controls = []
    for row in rows[rows["kind"] == CONTROL].to_dict("records"):
        score = row.get(metric.name)
        measured = f"{metric.label} {metric.text(score)}" if score and not pd.isna(score) else "measured"
        controls.append(
            {
                "label": row["label"],
                "clip": row["clip"],
                "rate": row["rate_bpp"],
                "measured": measured,
                "expected": _EXPECTED.get(row["codec"], "known in advance"),
            }
        )
    return controls


def _environments(records: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The distinct environments that measured the records, with the number of records of each."""
    counts: dict[str, int] = {}
    for record in records.values():
        source = record["provenance"]
        fields = {
            "suite": source.get("suite_version"),
            "commit": source.get("git_commit"),
            "Python": source.get("python"),
            "ffmpeg": source.get("ffmpeg"),
            "machine": (source.get("machine") or {}).get("cpu"),
            "system": (source.get("machine") or {}).get("system"),
            "packages": ", ".join(f"{name} {text}" for name, text in (source.get("packages") or {}).items()),
        }
        text = json.dumps({name: str(value or "") for name, value in fields.items()})
        counts[text] = counts.get(text, 0) + 1
    return [{"records": count, "fields": json.loads(text)} for text, count in counts.items()]


def _absent(records: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Metrics of the condition without a value, why, and for how many records."""
    counts: dict[tuple[str, str], int] = {}
    for record in records.values():
        older = {name: OLDER for name in metrics if name not in record["metrics"]}
        for name, reason in (older | record["reasons"]).items():
            if name in metrics:
                counts[name, reason] = counts.get((name, reason), 0) + 1
    return [
        {"metric": describe(name).label, "reason": reason, "records": count}
        for (name, reason), count in counts.items()
    ]
