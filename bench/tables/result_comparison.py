"""Tables of the comparison of two sets of results: text for a terminal, CSV files and an HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.analysis.bjontegaard import Delta
from bench.analysis.bootstrap import RESAMPLES
from bench.analysis.result_comparison import CurveDifference, ProvenanceDifference, ResultComparison
from bench.base.csv_files import csv_value, write_csv
from bench.base.files import atomic_file
from bench.scoring.metrics import describe
from bench.tables.bd_rate import remark_of
from bench.tables.text_table import NONE, TextTable, html_page, html_table, number, plain

#: A cell of a terminal is cut to this many characters.
_MAX_CELL = 40


def text_of(comparison: ResultComparison, first: str, second: str) -> str:
    """The comparison as text for a terminal, 4 sections.

    Args:
        first, second: what the user gave for A and B.
    """
    parts = [f"A: {first}\nB: {second}"]
    parts += [f"{title}\n{plain(table, indent='  ').rstrip()}" for title, table in _sections(comparison)]
    return "\n\n".join(parts) + "\n"


def write_comparison(comparison: ResultComparison, first: str, second: str, folder: Path | str) -> None:
    """Write comparison.txt and .html, curves.csv, points.csv and provenance.csv into a folder.

    `curves.csv` has one row for each curve and metric: points and the mean difference of rate and quality
    over them, BD-rate with its 95 % interval and overlap of qualities, difference of quality at equal rate,
    and a remark. `points.csv` has one row for each point, `provenance.csv` one for each pair of values.
    """
    folder = Path(folder)
    write_csv(folder / "curves.csv", map(_curve_row, comparison.curves), ["condition", "clip", "series"])
    points = comparison.points.to_dict("records")
    write_csv(folder / "points.csv", ({key: csv_value(v) for key, v in row.items()} for row in points))
    write_csv(folder / "provenance.csv", map(_provenance_row, comparison.provenance), ["key", "a", "b"])
    body = [f"<h1>{escape(first)} against {escape(second)}</h1>"]
    body += [f"<h2>{escape(title)}</h2>\n{html_table(table)}" for title, table in _sections(comparison)]
    body += ["<h2>Points</h2>", html_table(_points_table(points))]
    contents = {"txt": text_of(comparison, first, second), "html": html_page("\n".join(body))}
    for suffix, content in contents.items():
        with atomic_file(folder / f"comparison.{suffix}") as file:
            file.write(content.encode())


def _sections(comparison: ResultComparison) -> list[tuple[str, TextTable]]:
    sections = [
        ("BD-rate of B against A in percent; negative: B needs fewer bits", _bd_rates(comparison)),
        ("Points that both have, mean of B minus A", _point_means(comparison)),
    ]
    if comparison.provenance:
        sections.append(("Differences in settings and provenance", _provenance(comparison)))
    for side, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            sections.append((f"Points of {side} alone", TextTable([""], [[name] for name in names], [False])))
    return sections


def _bd_rates(comparison: ResultComparison) -> TextTable:
    """One row for each curve: the BD-rate by each metric, and the difference at equal rate by the first."""
    metrics, remarks = comparison.metrics, dict[str, int]()
    rows = []
    for names, of_metric in _by_curve(comparison.curves):
        cells = [_bd_cell(of_metric[metric], remarks) if metric in of_metric else NONE for metric in metrics]
        first = of_metric.get(metrics[0])
        delta = first.bd_quality if first else None
        value = delta.value if isinstance(delta, Delta) else None
        rows.append([*names, *cells, number(value, describe(metrics[0]).digits, sign=True)])
    notes = ["In parentheses: the share of the qualities of the narrower curve that both have."]
    if any(one.interval for one in comparison.curves):
        notes.append(f"In brackets: 95 % interval from {RESAMPLES} bootstrap resamples of clips and seeds.")
    notes += [f"[{mark}] {remark}" for remark, mark in remarks.items()]
    labels = [describe(metric).label for metric in metrics]
    header = ["Condition", "Clip", "Series", *labels, f"{describe(metrics[0]).axis} at equal rate"]
    return TextTable(header, rows, [False] * 3 + [True] * (len(metrics) + 1), notes)


def _bd_cell(one: CurveDifference, remarks: dict[str, int]) -> str:
    if one.unchanged:
        return "same streams"
    delta, remark = one.bd_rate, remark_of(one.bd_rate)
    text = NONE
    if isinstance(delta, Delta):
        text = number(delta.value, 1, sign=True)
        if one.interval:
            text += f" [{', '.join(number(end, 1, sign=True) for end in one.interval)}]"
        text += f" ({100 * delta.share:.0f} %)"
    return f"{text} [{remarks.setdefault(remark, len(remarks) + 1)}]" if remark else text


def _point_means(comparison: ResultComparison) -> TextTable:
    metrics = comparison.metrics
    rows = []
    for names, of_metric in _by_curve(comparison.curves):
        first = next(iter(of_metric.values()))
        if not first.points:
            continue
        cells = [str(first.points), number(first.rate_percent, 2, sign=True)]
        for metric in metrics:
            quality = of_metric[metric].quality if metric in of_metric else None
            cells.append(number(quality, describe(metric).digits, sign=True))
        rows.append([*names, *cells])
    header = ["Condition", "Clip", "Series", "Points", "Rate (%)", *(describe(name).axis for name in metrics)]
    return TextTable(header, rows, [False] * 3 + [True] * (len(metrics) + 2))


def _by_curve(
    curves: Sequence[CurveDifference],
) -> Iterable[tuple[tuple[str, str, str], dict[str, CurveDifference]]]:
    """Condition, clip and label of each curve, and its differences by metric."""
    groups: dict[tuple[str, str, str], dict[str, CurveDifference]] = {}
    for one in curves:
        groups.setdefault((one.condition, one.clip, one.label), {})[one.metric] = one
    return groups.items()


def _provenance(comparison: ResultComparison) -> TextTable:
    """One row for each key; a key with several pairs of values has their number."""
    by_key: dict[str, list[ProvenanceDifference]] = {}
    for one in comparison.provenance:
        by_key.setdefault(one.key, []).append(one)
    rows = []
    for key, pairs in by_key.items():
        values = [_short(pairs[0].before), _short(pairs[0].after)] if len(pairs) == 1 else []
        cells = values or [f"{len(pairs)} pairs of values", ""]
        points = sum(one.points for one in pairs)
        series = ", ".join(dict.fromkeys(name for one in pairs for name in one.series))
        rows.append([key, *cells, str(points), _short("all" if points == len(comparison.points) else series)])
    return TextTable(["Key", "A", "B", "Points", "Series"], rows, [False, False, False, True, False])


def _short(value: Any) -> str:
    text = NONE if value is None else str(value)
    return text if len(text) <= _MAX_CELL else f"{text[: _MAX_CELL - 1]}\N{HORIZONTAL ELLIPSIS}"


def _points_table(points: Sequence[Mapping[str, Any]]) -> TextTable:
    header = list(points[0]) if points else ["no common points"]
    rows = [[f"{v:.6g}" if isinstance(v, float) else str(v) for v in row.values()] for row in points]
    return TextTable(header, rows, [False] * len(header))


def _curve_row(one: CurveDifference) -> dict[str, object]:
    rate = one.bd_rate if isinstance(one.bd_rate, Delta) else None
    quality = one.bd_quality if isinstance(one.bd_quality, Delta) else None
    row = {
        "condition": one.condition,
        "clip": one.clip,
        "series": one.series,
        "metric": one.metric,
        "points": one.points,
        "same_streams": one.identical,
        "rate_percent": one.rate_percent,
        "quality": one.quality,
        "bd_rate_percent": rate and rate.value,
        "bd_rate_low": one.interval and one.interval[0],
        "bd_rate_high": one.interval and one.interval[1],
        "quality_overlap_low": rate and rate.low,
        "quality_overlap_high": rate and rate.high,
        "quality_overlap_percent": rate and 100 * rate.share,
        "clips": rate and rate.clips,
        "bd_quality": quality and quality.value,
        "remark": remark_of(one.bd_rate),
    }
    return {name: csv_value(value) for name, value in row.items()}


def _provenance_row(one: ProvenanceDifference) -> dict[str, object]:
    texts = {"a": one.before, "b": one.after}
    values = {name: None if value is None else str(value) for name, value in texts.items()}
    return {"key": one.key, **values, "points": one.points, "series": " ".join(one.series)}
