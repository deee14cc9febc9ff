"""The table of all points, per clip or averaged, and the table of what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.curves import epochs_of, load_points, series_label
from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.scoring.metrics import describe
from bench.tables.text_table import Text, number, write

#: Stands for the clip in a row that averages all of them.
MEAN = "mean"
QUALITIES = ("psnr_rgb_db", "psnr_yuv_db", "psnr_y_db", "ms_ssim_rgb", "ms_ssim_y", "vmaf")
COSTS = ("parameters", "encode_wall_s", "decode_wall_s")
HEADERS = {
    "rate_bpp": ("Rate (bpp)", 4),
    "parameters": ("Parameters", 0),
    "encode_wall_s": ("Encode (s)", 1),
    "decode_wall_s": ("Decode (s)", 2),
}


def write_points(
    points_csv: Path | str, *, outs: Sequence[Path | str], metrics: Sequence[str] = QUALITIES
) -> None:
    """Write a row a point of each clip, seeds averaged; of several clips the means too (clip «mean»).

    A point has a mean where every clip of the condition has it: means of other clips do not compare.

    Raises:
        BenchError: no points.
    """
    rows = load_points(points_csv)
    table = point_means(rows, metrics=metrics, per_clip=True)
    n_clips = rows["clip"].nunique()
    if n_clips > 1:
        means = point_means(rows, metrics=metrics, per_clip=False)
        means = means[means["clips"] == n_clips].drop(columns="clips").assign(clip=MEAN)
        table = pd.concat([table, means])[list(table)]
    for out in map(Path, outs):
        if out.suffix == ".csv":
            write_csv(out, _plain_values(table))
        else:
            write(_text(table), out)


def point_means(rows: pd.DataFrame, *, metrics: Sequence[str], per_clip: bool) -> pd.DataFrame:
    """One row a (series, point), or a (series, clip, point), in the order of the rows, by rate.

    Columns: condition, clip or clips (their number), series, label (with the epochs of a fit),
    point, seeds (the largest number of them), rate_bpp, metrics, costs.
    """
    rows = rows.assign(source_clip=rows["clip"], clip=rows["clip"] if per_clip else "all")
    values = [name for name in ("rate_bpp", *metrics, *COSTS) if name in rows]
    found = []
    for (clip, series), group in rows.groupby(["clip", "series"], sort=False):
        first = group.iloc[0]
        label = series_label(
            first["label"], kind=first["kind"], reference=first["reference"], epochs=epochs_of(group)
        )
        for point, members in group.groupby("point", sort=False):
            runs = members["source_clip"].value_counts()
            where = {"clip": clip} if per_clip else {"clips": len(runs)}
            # Seeds first, then clips, so that a clip with more seeds does not weigh more.
            means = members.groupby("source_clip")[values].mean(numeric_only=True).mean()
            found.append(
                {"condition": first["condition"], **where, "series": series, "label": label, "point": point}
                | {"seeds": int(runs.max())}
                | means.to_dict()
            )
    order = {series: place for place, series in enumerate(rows["series"].drop_duplicates())}
    table = pd.DataFrame(found)
    table["order"] = table["series"].map(order)
    keys = (["clip"] if per_clip else []) + ["order", "rate_bpp"]
    return table.sort_values(keys, kind="stable").drop(columns="order").reset_index(drop=True)


def _plain_values(table: pd.DataFrame) -> list[dict]:
    """Rows for a csv: six significant digits, whole numbers as such, nothing for what is missing."""
    return [{name: csv_value(value) for name, value in row.items()} for row in table.to_dict("records")]


def _text(table: pd.DataFrame) -> Text:
    fixed = {"label": "Series", "clip": "Clip", "point": "Point", "seeds": "Seeds"}
    numeric = [name for name in table if name not in (*fixed, "condition", "series")]
    numeric = [name for name in numeric if table[name].notna().any()]
    names = {name: HEADERS.get(name) or (describe(name).axis, describe(name).digits) for name in numeric}
    rows = [
        [str(row[name]) for name in fixed] + [number(row[name], names[name][1]) for name in numeric]
        for row in table.to_dict("records")
    ]
    right = [name == "seeds" for name in fixed] + [True] * len(numeric)
    return Text([*fixed.values(), *(names[name][0] for name in numeric)], rows, right)


def write_skipped(skipped_csv: Path | str, *, outs: Sequence[Path | str]) -> None:
    """Write skipped.csv (points that a codec cannot code, and why) as it is and for readers.

    Raises:
        BenchError: no such file.
    """
    table = read_skipped(skipped_csv)
    for out in map(Path, outs):
        if out.suffix == ".csv":
            if out.resolve() != Path(skipped_csv).resolve():
                write_csv(out, table.to_dict("records"))
        elif table.empty:
            write(Text(["Skipped"], [["nothing"]], [False]), out)
        else:
            header = [name.capitalize() for name in table]
            write(Text(header, table.to_numpy().tolist(), [False] * len(header)), out)


def read_skipped(skipped_csv: Path | str) -> pd.DataFrame:
    """The rows of skipped.csv, all text; no rows for a file without any."""
    try:
        return pd.read_csv(skipped_csv, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise BenchError(skipped_csv, "no such file", "make it with the workflow") from None
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
