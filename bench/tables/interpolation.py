"""The table of frame interpolation: the frames that a fit saw against those that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.curves import epochs_of, load_points, series_label
from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.scoring.metrics import FITTED, HELD_OUT, describe
from bench.tables.text_table import Text, number, write


def write_interpolation(
    points_csv: Path | str, *, metrics: Sequence[str], outs: Sequence[Path | str]
) -> None:
    """Write a row a point that was fitted to a part of the frames, means over seeds.

    The csv has clip, series, point, seeds, rate_bpp, and for each metric its mean over the frames that
    were fitted and over those that were held out.

    Raises:
        BenchError: no points, or none that held frames out.
    """
    rows = load_points(points_csv)
    columns = [f"{metric}{part}" for metric in metrics for part in (FITTED, HELD_OUT)]
    columns = [column for column in columns if column in rows]
    rows = rows.dropna(subset=columns, how="all") if columns else rows[:0]
    if rows.empty:
        raise BenchError(points_csv, "no fit held frames out", "set fit_every above 1 in the condition")
    found = []
    for (clip, series, point), group in rows.groupby(["clip", "series", "point"], sort=False):
        first = group.iloc[0]
        label = series_label(
            first["label"], kind=first["kind"], reference=first["reference"], epochs=epochs_of(group)
        )
        means = group[["rate_bpp", *columns]].mean().to_dict()
        place = {"clip": clip, "series": series, "label": label, "point": point}
        found.append({**place, "seeds": group["run"].nunique(), **means})
    for out in map(Path, outs):
        if out.suffix == ".csv":
            write_csv(out, [{name: csv_value(value) for name, value in row.items()} for row in found])
        else:
            write(_text(found, columns), out)


def _text(found: Sequence[dict], columns: Sequence[str]) -> Text:
    names = {FITTED: "fitted frames", HELD_OUT: "held-out frames"}
    header = ["Series", "Clip", "Point", "Rate (bpp)"]
    digits = []
    for column in columns:
        part = FITTED if column.endswith(FITTED) else HELD_OUT
        metric = describe(column.removesuffix(part))
        header.append(f"{metric.axis}, {names[part]}")
        digits.append(metric.digits)
    rows = [
        [row["label"], row["clip"], row["point"], number(row["rate_bpp"], 4)]
        + [number(row[column], places) for column, places in zip(columns, digits, strict=True)]
        for row in found
    ]
    note = (
        "A network of time alone has never seen the held-out frames. HNeRV's encoder has: as its authors "
        "do, a held-out frame's embedding is computed from that frame, and is in the rate."
    )
    return Text(header, rows, [False] * 3 + [True] * (1 + len(columns)), [note])
