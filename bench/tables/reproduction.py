"""Table of a reproduction: published points against measured ones.

The differences between the sources (size, colour, averaging, definition of rate) are listed below the table,
from sources.csv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from bench.analysis.published import Selector, load_sources
from bench.analysis.rd_points import load_points
from bench.analysis.reproduction import CURVE, Row, reproduce, without_rows
from bench.scoring.metrics import describe
from bench.tables.text_table import TextTable, number, write_table


def write_reproduction(
    points_csv: Path | str,
    *,
    selectors: Sequence[Selector],
    outputs: Sequence[Path | str],
    metrics: Sequence[str] = ("psnr_rgb_db",),
    sequences: Mapping[str, str] | None = None,
) -> None:
    """Write the rows of `bench.analysis.reproduction.reproduce`; arguments and errors are those of that
    function.

    A counterpart without a row is listed below the table.
    """
    points = load_points(points_csv)
    rows = reproduce(points, selectors=selectors, metrics=metrics, sequences=sequences)
    columns = [f.name for f in fields(Row)]
    write_table(outputs, rows=map(asdict, rows), columns=columns, text=_text(rows, selectors))


def _text(rows: Sequence[Row], selectors: Sequence[Selector]) -> TextTable:
    """One line for each point; BD-rates, remarks and sources are below the table."""
    points = [row for row in rows if row.point != CURVE]
    varying = [name for name in ("clip", "metric") if len({getattr(row, name) for row in points}) > 1]
    remarks: dict[str, int] = {}
    lines = [_line(row, varying, remarks) for row in points]
    texts = ["Series", *map(str.capitalize, varying), "Point"]
    amounts = ["Rate or size", "Published point", "Published rate or size", "Rate or size difference"]
    header = [*texts, *amounts, "Measured", "Published", "Difference", "Difference at equal rate"]
    right = [name not in (*texts, "Published point") for name in header]
    return TextTable(header, lines, right, _notes(rows, remarks, selectors))


def _line(row: Row, varying: Sequence[str], remarks: dict[str, int]) -> list[str]:
    digits, by_size = describe(row.metric).digits, row.published_parameters is not None
    texts = {"clip": row.clip, "metric": describe(row.metric).label}
    mark = f" [{remarks.setdefault(row.remark, len(remarks) + 1)}]" if row.remark else ""
    return [
        row.label,
        *(texts[name] for name in varying),
        row.point + mark,
        _amount(row.parameters if by_size else row.rate_bpp, by_size),
        f"{row.published_label}, {row.published_point}" if row.published_point else row.published_label,
        _amount(row.published_parameters if by_size else row.published_rate_bpp, by_size),
        _percent(row.parameters_percent if by_size else row.rate_percent),
        *(number(value, digits) for value in (row.value, row.published_value)),
        *(number(value, digits, sign=True) for value in (row.difference, row.equal_rate_difference)),
    ]


def _notes(rows: Sequence[Row], remarks: Mapping[str, int], selectors: Sequence[Selector]) -> list[str]:
    metrics = dict.fromkeys(describe(row.metric).axis for row in rows)
    notes = [f"Differences: measured minus published, {', '.join(metrics)}."] * bool(rows)
    notes += [f"[{mark}] {remark}" for remark, mark in remarks.items()]
    for row in rows:
        if row.point == CURVE:
            pair = f"{row.label} against {row.published_label} as published"
            remark = f" ({row.remark})" if row.remark else ""
            metric = describe(row.metric).label
            notes.append(f"BD-rate of {pair}, {row.clip}, {metric}: {_percent(row.bd_rate_percent)}{remark}")
    sources = load_sources()
    ids = [name for name in dict.fromkeys(row.source for row in rows) if name]
    notes += [sources[name].summary if name in sources else name for name in ids]
    for codec, label, source in without_rows(rows, selectors):
        notes.append(f"Nothing to compare: {codec} with {label} of {source}.")
    return notes


def _amount(value: float | None, by_size: bool) -> str:
    if by_size:
        return number(None if value is None else value / 1e6, 2) + " M" * (value is not None)
    return number(value, 4) + " bpp" * (value is not None)


def _percent(value: float | None) -> str:
    return number(value, 1, sign=True) + " %" * (value is not None)
