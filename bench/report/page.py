"""Writer of the report page: a folder with index.html that opens from ``file://`` or from an unpacked zip."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import bench
from bench.analysis.labels import condition_title, origin_notes, truth_note, with_footnotes
from bench.analysis.published import Selector
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.base.files import atomic_folder, json_value, read_json
from bench.base.paths import ROOT
from bench.base.result_files import RunKey
from bench.conditions.condition import Condition
from bench.report import curve_data, network_data, run_data
from bench.report.frame_pictures import frame_series

ASSETS = Path(__file__).with_name("assets")
#: A file that only a page has. A folder with it is replaced.
MARK = "report.json"


def write_page(
    out: Path,
    *,
    condition: Condition,
    points_csv: Path | str,
    records: Mapping[RunKey, Path],
    planned: int,
    skipped: Iterable[Mapping[str, Any]] = (),
    footnotes: Mapping[str, str] | None = None,
    bits: Iterable[Mapping[str, Any]] = (),
    frames: Sequence[Path] = (),
    user_curves: Path | str | None = None,
) -> None:
    """Write the page of one condition. A page that is there already is replaced.

    Args:
        points_csv: rd_points.csv of the records. records: record of each run.
        planned: number of runs of the condition. skipped: rows of skipped.csv.
        footnotes: codec id -> text. bits: rows of bits_<clip>.csv.
        frames: folders of `frame_pictures.write_pictures`, one for each clip.
        user_curves: a curve file (`bench.analysis.curve_file`).

    Raises:
        BenchError: no points, a file that cannot be read, or `out` has files that are not of a page.
    """
    rows = load_points(points_csv)
    metrics = curve_data.metric_names(rows, condition.measured_metrics)
    contents = run_data.read_records(records)
    indices = {folder: read_json(folder / "frames.json", "an index of frames") for folder in frames}
    notes = [truth_note(rows), *origin_notes(rows), with_footnotes("", rows, footnotes or {})]
    data = {
        "suite": bench.__version__,
        "condition": _condition(condition, rows),
        "clips": _clips(rows),
        "metrics": [curve_data.metric_data(name) for name in metrics],
        "costs": run_data.cost_columns(rows),
        **_curves(rows, metrics, condition, user_curves),
        "runs": run_data.run_data(rows, records, metrics, out),
        "folders": [os.path.relpath(folder, out) for folder in (Path.cwd(), ROOT)],
        "trust": run_data.trust_data(
            rows, contents, metrics=condition.measured_metrics, planned=planned, skipped=skipped, notes=notes
        ),
        "fits": network_data.fit_data(rows, records),
        "bits": network_data.bit_data(bits),
        "frames": [{**index, "values": frame_series(index, records, metrics)} for index in indices.values()],
    }
    _remove_page(out)
    with atomic_folder(out) as folder:
        shutil.copytree(ASSETS, folder, dirs_exist_ok=True)
        _write_script(folder / "data.js", "REPORT", data)
        _write_script(folder / "records.js", "RECORDS", run_data.share_repeats(contents))
        for source, index in indices.items():
            shutil.copytree(source, folder / "frames" / str(index["clip"]))
        mark = {"condition": condition.name, "suite": bench.__version__}
        (folder / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")


def _condition(condition: Condition, rows: pd.DataFrame) -> dict[str, Any]:
    """Texts and choices of the condition."""
    return {
        "name": condition.name,
        "title": condition.title,
        "heading": condition_title(rows),
        "description": condition.description,
        "anchor": condition.anchor,
        "headline": condition.headline,
        "rate": condition.strip_rate_bpp,
        "ablates": condition.ablates,
    }


def _curves(
    rows: pd.DataFrame, metrics: Sequence[str], condition: Condition, user_curves: Path | str | None
) -> dict[str, Any]:
    """Series, curves and BD-rates, with the published and the user's curves."""
    hull = condition.upper_hull
    published = curve_data.all_published(
        rows,
        metrics,
        selectors=[Selector(**words) for words in condition.selectors],
        user_curves=user_curves,
        sequences=condition.sequences,
    )
    others = {one.curve.series: one for of_clip in published.values() for one in of_clip}
    return {
        "series": curve_data.series_data(rows, list(others.values())),
        "curves": curve_data.curve_data(rows, metrics, published, upper_hull=hull),
        "bd": curve_data.bd_data(rows, anchor=condition.anchor, metrics=metrics, upper_hull=hull),
    }


def _clips(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Name, geometry and truth of each clip."""
    columns = [name for name in ("clip", "frames", "width", "height", "fps", "truth") if name in rows]
    clips = rows[columns].drop_duplicates("clip").sort_values("clip")
    return [{**row, "name": row["clip"]} for row in clips.to_dict("records")]


def _remove_page(out: Path) -> None:
    """Remove an earlier page.

    Raises:
        BenchError: the folder has files but not those of a page.
    """
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).is_file():
            raise BenchError(out, "has files that are not of a report page", "give another folder")
        shutil.rmtree(out)


def _write_script(path: Path, name: str, value: object) -> None:
    """Write `window.NAME = JSON;`.

    The characters that could end a script or a line of it are escaped, so that the text is data anywhere.
    """
    text = json.dumps(json_value(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    path.write_text(f"window.{name} = {text};\n", encoding="utf-8")
