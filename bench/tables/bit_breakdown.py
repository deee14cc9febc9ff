"""Table of the bits of fitted networks' streams: for each stage, and in the CSV for each tensor too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.tables.text_table import TextTable, number, write_table

STAGE, TENSOR = "stage", "tensor"


def write_bits(rows: Sequence[Mapping[str, Any]], *, outputs: Sequence[Path | str]) -> None:
    """Write the rows of one clip: all into a CSV, the stages into tables for readers.

    Args:
        rows: clip, series, label, point, rate_bpp, level (`STAGE` or `TENSOR`), name, shape, weights, bits,
            bits_per_weight, share (of the coded weights of the stream, 0 to 1).
    """
    write_table(outputs, rows=rows, text=_text([row for row in rows if row["level"] == STAGE]))


def _text(rows: Sequence[Mapping[str, Any]]) -> TextTable:
    header = ["Series", "Rate (bpp)", "Stage", "Weights", "Bits", "Bits per weight", "Share (%)"]
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
    note = "Each tensor is coded separately here, without quantiser ranges and configuration."
    return TextTable(header, cells, [False, True, False, True, True, True, True], [note])
