"""Reader of curve files: one CSV file with one row for each point, for published curves and for a user's own.

Columns:

* ``label``: name of the curve. Required.
* the rate, required: ``rate_bpp``; or ``kbps`` (1000 bits per second) with ``fps`` and ``size``; or ``bytes``
  of the file with ``frames`` and ``size``; or ``parameters_m`` (millions of parameters) for tables of
  representations. ``size`` is WIDTHxHEIGHT, ``fps`` a number or a fraction such as 30000/1001.
* one or more metrics under the names of the suite: psnr_rgb_db, ms_ssim_rgb, vmaf, ... One is required.
* ``clip``: name of the clip in the condition, or of its sequence; ``mean`` for the mean over a data set;
  empty: the curve is shown with any clip.
* ``source``: free text; in `baselines/reported` an id of sources.csv.
* ``point``: name of the point; default: r1, r2, ... by rate.
* ``epochs``: length of the fit.

A short example::

    label,rate_bpp,psnr_rgb_db
    my codec,0.12,31.4
    my codec,0.25,34.0
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.labels import label_of
from bench.analysis.rd_points import CONTROL, MEAN, load_points, with_decibels
from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.scoring.metrics import METRICS, PUBLISHED_METRICS
from bench.scoring.record_values import FORMULA

#: Kinds of curves that this suite did not measure: published ones, and a user's own.
REPORTED, USER = "reported", "user"
#: Clips of rows that are means over a data set, and of rows that are shown with any clip.
DATA_SET_MEAN, ANY_CLIP = MEAN, ""
_TEXTS, _NUMBERS = ("source", "label", "clip", "point"), ("rate_bpp", "parameters_m", "epochs")
#: Column of a rate -> columns that it needs.
_RATES = {"kbps": ("fps", "size"), "bytes": ("frames", "size")}
_RATE_COLUMNS = ("kbps", "bytes", "fps", "frames", "size")
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def load_curves(path: Path | str, *, kind: str = USER) -> pd.DataFrame:
    """Read one curve file.

    Returns:
        Columns as in rd_points.csv: series, kind, codec (empty), label, source, clip, point, rate_bpp,
        parameters (not millions), epochs, reference (False), and the metrics of the file; NaN for empty
        cells.

    Raises:
        BenchError: no such file, a missing or unknown column, a cell that is not a number or out of range, a
            row without rate and size, a row without a metric, or a duplicate point.
    """
    path = Path(path)
    header, rows = read_rows(path)
    metrics = _check_header(path, header)
    table = pd.DataFrame([_parse(f"{path}:{line}", row, metrics) for line, row in rows])
    origin = USER if kind == USER else table["source"]
    table = table.assign(series=origin + ": " + table["label"], kind=kind, codec="", reference=False)
    table["point"] = _point_names(table)
    table["parameters"] = 1e6 * table.pop("parameters_m")
    twice = table.duplicated(["series", "clip", "point"])
    if twice.any():
        row = table[twice].iloc[0]
        problem = f"column point: {row['point']!r} of {row['label']!r} is duplicate"
        raise BenchError(
            f"{path}:{rows[int(twice.argmax())][0]}", problem, "give each point another name or clip"
        )
    return with_decibels(table)


def curve_rows(path: Path, label: str = "") -> list[dict[str, Any]]:
    """Points of a curve file or an rd_points.csv: label, clip, point, rate_bpp and the metrics with values.

    Args:
        label: the curve that is chosen; empty: all.

    Raises:
        BenchError: as `load_curves` and `load_points`, or no such curve.
    """
    header, _ = read_rows(path)
    table = load_points(path) if "condition" in header else load_curves(path)
    if "condition" in header:
        labels = {series: label_of(group) for series, group in table.groupby("series")}
        table = table[table["kind"] != CONTROL].assign(label=table["series"].map(labels))
    if label:
        if label not in set(table["label"]):
            raise unknown_name("curve", label, table["label"].unique(), where=path)
        table = table[table["label"] == label]
    names = [*METRICS, *PUBLISHED_METRICS]
    columns = ["label", "clip", "point", "rate_bpp", *(name for name in names if name in table)]
    return table[columns].dropna(axis="columns", how="all").to_dict("records")


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header of a CSV file, and its rows with the number of their last line. Cells are stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", "check the path") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise BenchError(path, f"is not CSV in UTF-8 ({error})", "save it as such") from None
    if len(set(header)) != len(header):
        raise BenchError(f"{path}:1", "has a duplicate column", "remove or rename one")
    for line, row in lines:
        if len(row) != len(header):
            problem = f"has {len(row)} cells, but the header has {len(header)}"
            raise BenchError(f"{path}:{line}", problem, "quote cells that contain commas")
    if not lines:
        raise BenchError(path, "has no rows", "write a header and one row for each point")
    return header, [(line, dict(zip(header, row, strict=True))) for line, row in lines]


def _check_header(path: Path, header: Sequence[str]) -> list[str]:
    """Names of the columns that are metrics."""
    if "label" not in header:
        remedy = "add it with the name of the curve; separate columns by commas"
        raise BenchError(f"{path}:1", "no column label", remedy)
    rates = {"rate_bpp", "parameters_m", *_RATES} & set(header)
    if not rates:
        raise BenchError(f"{path}:1", "no column rate_bpp", "add it (or kbps, bytes or parameters_m)")
    for rate in rates & set(_RATES):
        for name in _RATES[rate]:
            if name not in header:
                raise BenchError(f"{path}:1", f"column {rate} needs a column {name}", "add it")
    decibels = (f"{name}_db" for name, metric in METRICS.items() if metric.has_decibels)
    known = {*METRICS, *decibels, *PUBLISHED_METRICS}
    others = (*_TEXTS, *_NUMBERS, *_RATE_COLUMNS)
    metrics = [name for name in header if name not in others]
    for name in metrics:
        if name not in known:
            raise unknown_name("column", name, {*known, *others}, where=f"{path}:1")
    if not metrics:
        raise BenchError(f"{path}:1", "no column with a metric", "add one: psnr_rgb_db, ms_ssim_rgb, ...")
    return metrics


def _parse(where: str, row: Mapping[str, str], metrics: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: row.get(name, "") for name in _TEXTS}
    values |= {name: _number(where, name, row.get(name, "")) for name in (*_NUMBERS, *metrics)}
    values["rate_bpp"] = _rate(where, row, values["rate_bpp"])
    if not values["label"]:
        raise BenchError(where, "column label: is empty", "write the name of the curve")
    for name in _TEXTS:
        if not values[name].isprintable() or values[name].startswith(FORMULA):
            problem = f"column {name}: {values[name]!r} must be text that is not a formula of a spreadsheet"
            raise BenchError(where, problem, "remove control characters, and =, +, - or @ at the beginning")
    if math.isnan(values["rate_bpp"]) and math.isnan(values["parameters_m"]):
        raise BenchError(where, "column rate_bpp: is empty", "write a rate (or parameters_m)")
    if all(math.isnan(values[name]) for name in metrics):
        raise BenchError(where, f"column {metrics[0]}: no metric has a value", "write one, or remove the row")
    return values


def _rate(where: str, row: Mapping[str, str], rate_bpp: float) -> float:
    """Rate in bits per pixel, from `rate_bpp`, `kbps` or `bytes`; NaN if all of these are empty.

    Raises:
        BenchError: several of them have a value, or a column that one needs is empty or wrong.
    """
    given = [name for name in ("rate_bpp", *_RATES) if row.get(name)]
    if len(given) > 1:
        raise BenchError(where, f"columns {' and '.join(given)} both have a rate", "leave one empty")
    if not given or given == ["rate_bpp"]:
        return rate_bpp
    (rate,) = given
    amount = _number(where, rate, row[rate])
    size = _SIZE.fullmatch(row["size"])
    if size is None:
        problem = f"column size: {row['size']!r} must be WIDTHxHEIGHT"
        raise BenchError(where, problem, "write it such as 1920x1080")
    pixels = int(size[1]) * int(size[2])
    if rate == "bytes":
        frames = _number(where, "frames", row["frames"])
        _check_given(where, "frames", row)
        return 8 * amount / (frames * pixels)
    numerator, _, denominator = row["fps"].partition("/")
    _check_given(where, "fps", row)
    fps = _number(where, "fps", numerator) / _number(where, "fps", denominator or "1")
    return 1000 * amount / (fps * pixels)


def _check_given(where: str, column: str, row: Mapping[str, str]) -> None:
    if not row[column]:
        raise BenchError(where, f"column {column}: is empty", "write it, the rate needs it")


def _number(where: str, column: str, text: str) -> float:
    """Number in a cell; NaN for an empty one."""
    what = f"column {column}: {text}"
    try:
        value = float(text or "nan")
    except ValueError:
        raise BenchError(where, f"column {column}: {text!r} is not a number", "write a number") from None
    if text and not math.isfinite(value):
        raise BenchError(where, f"{what} is not finite", "leave it empty if there is no value")
    if column in (*_NUMBERS, *_RATE_COLUMNS) and value <= 0:
        raise BenchError(where, f"{what} is not positive", "write a positive number")
    if column.startswith("ms_ssim") and not column.endswith("_db") and not (0 <= value <= 1 or not text):
        raise BenchError(where, f"{what} is not within 0 to 1", f"write decibels in {column}_db")
    return value


def _point_names(table: pd.DataFrame) -> pd.Series:
    """Names of the points; default: r1, r2, ... by rate, or the size."""
    rank = table.groupby(["series", "clip"])["rate_bpp"].rank(method="first")
    ranks = "r" + rank.map("{:.0f}".format)
    sizes = table["parameters_m"].map("{:g}M".format)
    sizes += table["epochs"].map(lambda epochs: "" if math.isnan(epochs) else f"-{epochs:g}ep")
    return table["point"].where(table["point"] != "", ranks.where(rank.notna(), sizes))
