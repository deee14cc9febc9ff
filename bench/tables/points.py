"""Table of all points, on each clip and as the mean over clips, and table of the skipped points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.labels import origin_notes, truth_note
from bench.analysis.point_means import SPREAD, point_table
from bench.analysis.rd_points import load_points
from bench.base.csv_files import read_table, write_csv
from bench.scoring.metrics import describe
from bench.tables.text_table import TextTable, number, write, write_table

#: Metrics of the table, besides those of the condition.
QUALITIES = ("psnr_rgb_db", "psnr_yuv_db", "psnr_y_db", "ms_ssim_rgb", "ms_ssim_y", "vmaf")
#: Column -> header for readers and digits; other columns are metrics.
_HEADERS = {
    "rate_bpp": ("Rate (bpp)", 4),
    "parameters": ("Parameters", 0),
    "encode_wall_s": ("Encode (s)", 1),
    "decode_wall_s": ("Decode (s)", 2),
}


def write_points(
    points_csv: Path | str, *, outputs: Sequence[Path | str], metrics: Sequence[str] = ()
) -> None:
    """Write one row for each point of each clip, seeds averaged, and for several clips the means (clip
    "mean").

    Columns are those of `bench.analysis.point_means`. Markdown and LaTeX omit columns without values.

    Args:
        metrics: quality columns besides `QUALITIES`: the condition's.

    Raises:
        BenchError: no points.
    """
    rows = load_points(points_csv)
    table = point_table(rows, metrics=list(dict.fromkeys([*QUALITIES, *metrics])))
    write_table(
        outputs, rows=table.to_dict("records"), text=_text(table, [truth_note(rows), *origin_notes(rows)])
    )


def _text(table: pd.DataFrame, remarks: Sequence[str]) -> TextTable:
    texts = {"label": "Series", "clip": "Clip", "truth": "Truth", "point": "Point", "seeds": "Seeds"}
    texts = {name: header for name, header in texts.items() if name in table}
    numbers = [
        name for name in table if name not in (*texts, "condition", "series") and not name.endswith(SPREAD)
    ]
    formats = {
        name: _HEADERS.get(name) or (describe(name).axis, describe(name).digits)
        for name in numbers
        if table[name].notna().any()
    }
    rows = [
        [
            *(str(row[name]) for name in texts),
            *(_cell(row, name, digits) for name, (_, digits) in formats.items()),
        ]
        for row in table.to_dict("records")
    ]
    right = [name == "seeds" for name in texts] + [True] * len(formats)
    header = [*texts.values(), *(head for head, _ in formats.values())]
    spread = any(name.endswith(SPREAD) for name in table)
    notes = ["\N{PLUS-MINUS SIGN}: standard deviation over the seeds."] * spread
    notes += filter(None, remarks)
    return TextTable(header, rows, right, notes)


def _cell(row: Mapping[str, Any], name: str, digits: int) -> str:
    """The mean, and the standard deviation over seeds where there are several."""
    text, spread = number(row[name], digits), row.get(f"{name}{SPREAD}")
    if spread is None or pd.isna(spread):
        return text
    return f"{text} \N{PLUS-MINUS SIGN} {number(spread, digits)}"


def write_skipped(skipped_csv: Path | str, *, outputs: Sequence[Path | str]) -> None:
    """Write the rows of skipped.csv: the points that a codec cannot code, and why.

    Raises:
        BenchError: no such file.
    """
    table = read_skipped(skipped_csv)
    for out in map(Path, outputs):
        if out.suffix == ".csv":
            if out.resolve() != Path(skipped_csv).resolve():
                write_csv(out, table.to_dict("records"))
        elif table.empty:
            write(TextTable(["Skipped"], [["nothing"]], [False]), out)
        else:
            header = [name.capitalize() for name in table]
            write(TextTable(header, table.to_numpy().tolist(), [False] * len(header)), out)


def read_skipped(skipped_csv: Path | str) -> pd.DataFrame:
    """Read skipped.csv; all cells are text.

    Raises:
        BenchError: no such file.
    """
    return read_table(skipped_csv, remedy="create it with the workflow")
