"""CSV files with named columns: an atomic writer and a reader that keeps names which look like numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.files import atomic_file

if TYPE_CHECKING:
    import pandas as pd


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> None:
    """Write rows with named columns, atomically. None becomes an empty cell, a boolean `true` or `false`.

    Args:
        columns: names in order, the header of a table without rows. Another column of a row comes after its
            left neighbour.
    """
    rows = list(rows)
    names = _columns([dict.fromkeys(columns), *rows])
    lines = [_line(names), *(_line(_cell(row.get(name)) for name in names) for row in rows)]
    with atomic_file(path) as file:
        file.write("".join(lines).encode())


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _line(cells: Iterable[Any]) -> str:
    """One line. Cells with a carriage return are quoted, too, which needs it in the writer's line ending."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def csv_value(value: object) -> object:
    """A value for a cell: floats with six significant digits, whole ones as integers, NaN as None."""
    if isinstance(value, float):
        if value != value:
            return None
        return int(value) if value.is_integer() else float(f"{value:.6g}")
    return value


def read_table(path: str | Path, *, text: Collection[str] | None = None, remedy: str) -> pd.DataFrame:
    """Read a CSV file.

    Args:
        text: columns that are text whatever their cells look like: "01", "0.10", "NA" and "true" stay as they
            are, an empty cell is "". An empty cell of another column is NaN. Default: all columns.

    Raises:
        BenchError: the file is missing or is not a CSV table; `remedy` states what to do.
    """
    import pandas as pd

    try:
        columns = pd.read_csv(path, nrows=0).columns
        text = columns if text is None else text
        return pd.read_csv(
            path,
            dtype=dict.fromkeys(text, str),
            keep_default_na=False,
            na_values={column: [""] for column in columns if column not in text},
            float_precision="round_trip",
        )
    except FileNotFoundError:
        raise BenchError(path, "no such file", remedy) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise BenchError(path, "is not a CSV table", remedy) from None


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
