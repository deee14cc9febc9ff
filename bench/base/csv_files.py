"""CSV files with named columns, written atomically."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.base.files import atomic_file


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> None:
    """Write rows with named columns, atomically; null becomes an empty cell, true and false small words.

    `columns` come first whatever the rows have: a table without rows still has its header.
    """
    rows = list(rows)
    names = _columns([dict.fromkeys(columns), *rows])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: str(item).lower() if isinstance(item, bool) else item for key, item in row.items()}
        )
    with atomic_file(path) as file:
        file.write(text.getvalue().encode())


def csv_value(value: object) -> object:
    if isinstance(value, float):
        if value != value:
            return None
        return int(value) if value.is_integer() else float(f"{value:.6g}")
    return value


def _columns(rows: list[Mapping[str, Any]]) -> list[str]:
    """The union of the rows' columns; a column that only later rows have comes after its left neighbour."""
    names: list[str] = []
    for row in rows:
        at = 0
        for name in row:
            if name in names:
                at = names.index(name) + 1
            else:
                names.insert(at, name)
                at += 1
    return names
