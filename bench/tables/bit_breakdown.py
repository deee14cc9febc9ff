"""The table of what fitted networks' streams are made of: the bits of each stage and tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.base.csv_files import csv_value, write_csv
from bench.tables.text_table import Text, number, write

STAGE, TENSOR = "stage", "tensor"


def write_bits(rows: Sequence[Mapping[str, Any]], *, outs: Sequence[Path | str]) -> None:
    """Write the rows of one clip: all into a .csv, the stages into tables for readers.

    Args:
        rows: clip, series, label, point, rate_bpp, level (`STAGE` or `TENSOR`), name, shape, weights,
            bits, bits_per_weight, share (of the stream's coded weights, 0 to 1).
    """
    for out in map(Path, outs):
        if out.suffix == ".csv":
            write_csv(out, [{name: csv_value(value) for name, value in row.items()} for row in rows])
        else:
            write(_text([row for row in rows if row["level"] == STAGE]), out)


def _text(rows: Sequence[Mapping[str, Any]]) -> Text:
    header = ["Series", "Rate (bpp)", "Stage", "Weights", "Bits", "Bits a weight", "Share (%)"]
    cells = [
        [
            row["label"],
            number(row["rate_bpp"], 4),
            row["name"],
            str(row["weights"]),
            str(row["bits"]),
            number(row["bits_per_weight"], 2),
            number(100 * row["share"], 1),
        ]
        for row in rows
    ]
    note = "Each tensor coded by itself, without quantiser ranges and configuration."
    return Text(header, cells, [False, True, False, True, True, True, True], [note])
