"""Table of the programs outside the suite: versions, isolation of their runs, and declared files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.rd_points import load_points
from bench.tables.text_table import NONE, TextTable, write_table

#: Column of the table -> the columns of rd_points.csv that it shows.
_COLUMNS = {
    "programs": ("encode_programs", "decode_programs"),
    "files": ("encode_files", "decode_files"),
    "encode_isolation": ("encode_isolation",),
    "decode_isolation": ("decode_isolation",),
}
_HEADER = ("Series", "Programs", "Files besides the stream", "Isolation of encoder", "Isolation of decoder")
_NOTE = (
    "bubblewrap, unshare: namespaces, in which a program sees its input, no network and no other file of the "
    "user. container: the same in a container. folder: an empty folder, without namespaces."
)


def write_programs(points_csv: Path | str, *, outputs: Sequence[Path | str]) -> None:
    """Write one row for each series that programs outside the suite encoded or decoded.

    The CSV has series, label, programs, files, encode_isolation and decode_isolation. Different values of the
    points of a series are joined by `; `.

    Raises:
        BenchError: no points.
    """
    listed = program_rows(load_points(points_csv))
    cells = [[row["label"], *(row[name] or NONE for name in _COLUMNS)] for row in listed]
    table = TextTable(_HEADER, cells, [False] * len(_HEADER), [_NOTE])
    write_table(outputs, rows=listed, text=table)


def program_rows(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the table, as in its CSV; none without programs outside the suite."""
    chosen = rows[rows["decode_isolation"].notna()] if "decode_isolation" in rows else rows.iloc[:0]
    return [_row(series, group) for series, group in chosen.groupby("series", sort=False)]


def _row(series: object, group: pd.DataFrame) -> dict[str, str]:
    row = {"series": str(series), "label": str(group["label"].iloc[0])}
    for name, sources in _COLUMNS.items():
        values = [str(value) for source in sources if source in group for value in group[source].dropna()]
        parts = [part for value in values for part in value.split("; ")]
        row[name] = "; ".join(dict.fromkeys(parts))
    return row
