"""Curves as data: one CSV with a row a point, be it published numbers or a user's own.

A file needs

* ``label``: the curve's name, and ``rate_bpp`` (or ``parameters_m``, millions, for tables of
  representations);
* at least one metric under the suite's names: psnr_rgb_db, ms_ssim_rgb, vmaf, ...;

and may have ``clip`` (the condition's name of the clip, or its sequence's; ``mean`` for the mean over a data
set; empty: shown with any clip), ``source`` (free text; in `baselines/reported` an id of sources.csv),
``point`` (a name; default: r1, r2, ... by rate) and ``epochs``. So a curve of one's own is as short as::

    label,rate_bpp,psnr_rgb_db
    my codec,0.12,31.4
    my codec,0.25,34.0
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.curves import with_decibels
from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.scoring.metrics import METRICS, PUBLISHED_METRICS

#: Kinds of curves that no record of this suite stands behind.
REPORTED, OWN = "reported", "own"
#: Stands for the clip in the mean over a data set; no clip at all goes with any.
MEAN, ANY = "mean", ""
_TEXTS, _NUMBERS = ("source", "label", "clip", "point"), ("rate_bpp", "parameters_m", "epochs")


def load_curves(path: Path | str, *, kind: str = OWN) -> pd.DataFrame:
    """The rows of one CSV under the names of rd_points.csv.

    Columns: series, kind, codec (empty), label, source, clip, point, rate_bpp, parameters (a number,
    not millions), epochs, reference (False), and the file's metrics; NaN where a cell is empty.

    Raises:
        BenchError: no such file, a column that is missing or unknown, a cell that is no number or out of
            its range, a row without rate and size or without any metric, or a point there twice.
    """
    path = Path(path)
    header, rows = read_rows(path)
    metrics = _check_header(path, header)
    table = pd.DataFrame([_parse(f"{path}:{line}", row, metrics) for line, row in rows])
    origin = "own" if kind == OWN else table["source"]
    table = table.assign(series=origin + ": " + table["label"], kind=kind, codec="", reference=False)
    table["point"] = _point_names(table)
    table["parameters"] = 1e6 * table.pop("parameters_m")
    twice = table.duplicated(["series", "clip", "point"])
    if twice.any():
        row = table[twice].iloc[0]
        problem = f"column point: {row['point']!r} of {row['label']!r} is there twice"
        raise BenchError(
            f"{path}:{rows[int(twice.argmax())][0]}", problem, "give each a name or clip of its own"
        )
    return with_decibels(table)


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header and rows of a CSV with the line where each ends; cells are stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", "check the path") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise BenchError(path, f"is no CSV in UTF-8 ({error})", "save it as one") from None
    if len(set(header)) != len(header):
        raise BenchError(f"{path}:1", "names a column twice", "give each its own name")
    for line, row in lines:
        if len(row) != len(header):
            problem = f"has {len(row)} cells, the header {len(header)}"
            raise BenchError(f"{path}:{line}", problem, "quote cells that hold commas")
    if not lines:
        raise BenchError(path, "has no rows", "write a header and one row a point")
    return header, [(line, dict(zip(header, row, strict=True))) for line, row in lines]


def _check_header(path: Path, header: Sequence[str]) -> list[str]:
    """The columns that hold metrics."""
    if "label" not in header:
        raise BenchError(f"{path}:1", "no column label", "name the curve there; separate columns by commas")
    if not {"rate_bpp", "parameters_m"} & set(header):
        raise BenchError(f"{path}:1", "no column rate_bpp", "give it (or parameters_m)")
    decibels = (f"{name}_db" for name, metric in METRICS.items() if metric.has_decibels)
    known = {*METRICS, *decibels, *PUBLISHED_METRICS}
    metrics = [name for name in header if name not in (*_TEXTS, *_NUMBERS)]
    for name in metrics:
        if name not in known:
            raise unknown_name("column", name, {*known, *_TEXTS, *_NUMBERS}, where=f"{path}:1")
    if not metrics:
        raise BenchError(f"{path}:1", "no column with a metric", "give one: psnr_rgb_db, ms_ssim_rgb, ...")
    return metrics


def _parse(where: str, row: Mapping[str, str], metrics: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: row.get(name, "") for name in _TEXTS}
    values |= {name: _number(where, name, row.get(name, "")) for name in (*_NUMBERS, *metrics)}
    if not values["label"]:
        raise BenchError(where, "column label: is empty", "name the curve")
    if math.isnan(values["rate_bpp"]) and math.isnan(values["parameters_m"]):
        raise BenchError(where, "column rate_bpp: is empty", "give it (or parameters_m)")
    if all(math.isnan(values[name]) for name in metrics):
        raise BenchError(where, f"column {metrics[0]}: no metric has a value", "give one, or drop the row")
    return values


def _number(where: str, column: str, text: str) -> float:
    """A cell's number, NaN for an empty one."""
    try:
        value = float(text or "nan")
    except ValueError:
        raise BenchError(where, f"column {column}: {text!r} is no number", "mend it") from None
    if text and not math.isfinite(value):
        raise BenchError(where, f"column {column}: {text!r} is not finite", "leave it empty if there is none")
    if column in _NUMBERS and value <= 0:
        raise BenchError(where, f"column {column}: {text} is not positive", "mend it")
    if column.startswith("ms_ssim") and not column.endswith("_db") and not (0 <= value <= 1 or not text):
        raise BenchError(where, f"column {column}: {text} is not in 0 to 1", f"put decibels in {column}_db")
    return value


def _point_names(table: pd.DataFrame) -> pd.Series:
    """The points' names; those without one are called by their place in rate, or by their size."""
    rank = table.groupby(["series", "clip"])["rate_bpp"].rank(method="first")
    places = "r" + rank.map("{:.0f}".format)
    sizes = table["parameters_m"].map("{:g}M".format)
    sizes += table["epochs"].map(lambda epochs: "" if math.isnan(epochs) else f"-{epochs:g}ep")
    return table["point"].where(table["point"] != "", places.where(rank.notna(), sizes))
