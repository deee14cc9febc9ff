"""Table of Bjontegaard differences against one anchor, with the reason where there is no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.bjontegaard import Delta, NotComparable
from bench.analysis.bootstrap import RESAMPLES
from bench.analysis.comparison import Comparison, compare
from bench.analysis.curve_file import load_curves
from bench.analysis.labels import codec_label, origin_notes, truth_note
from bench.analysis.other_curves import compare_others
from bench.analysis.published import Selector, select
from bench.analysis.rd_points import MEAN, load_points
from bench.base.errors import BenchError
from bench.scoring.metrics import describe
from bench.tables.text_table import NONE, TextTable, number, write_table

CSV_COLUMNS = (
    *("condition", "clip", "series", "codec", "anchor", "metric"),
    *("clips", "bd_rate_percent", "bd_rate_low", "bd_rate_high", "bd_quality"),
)


def write_bd_rate(
    points_csv: Path | str,
    *,
    anchor: str,
    metrics: Sequence[str],
    outputs: Sequence[Path | str],
    upper_hull: bool = False,
    published: Sequence[Selector] = (),
    user_curves: Path | str | None = None,
    sequences: Mapping[str, str] | None = None,
) -> None:
    """Write BD-rates of all series but controls against `anchor`, on each clip and as the mean over clips.

    Published curves and a user's own follow, marked "(reported)" and "(own curve, not measured here)".

    The CSV has one row for each (series, clip, metric): clips, the number that the BD-rate is a mean over;
    bd_rate_percent; bd_rate_low and bd_rate_high, its 95 % interval (`bench.analysis.bootstrap`); bd_quality,
    the BD-PSNR in units of the metric; quality_overlap_low, quality_overlap_high and quality_overlap_percent,
    the common interval of qualities, which the BD-rate is a mean over, and its share of the narrower curve;
    rate_overlap_low, rate_overlap_high (bpp) and rate_overlap_percent, the same of rates, for bd_quality;
    remark, the reason where there is no number, and points or clips that are left out. Markdown and LaTeX
    have one column for each metric, the share of the overlap with each number, the range of the overlap for
    the first metric, and list the remarks below the table.

    Args:
        anchor: a codec id. metrics: quality columns; the first one gets a column of BD-PSNR too.
        upper_hull: whether only points on the upper convex hull of a curve are used.
        published: published curves (`baselines/reported`). user_curves: a curve file.
        sequences: clip -> name of its sequence, which published curves use.

    Raises:
        BenchError: no points, no metrics, no such column, or a curve that is unknown or cannot be read.
    """
    if not metrics:
        raise BenchError("metrics", "must not be empty", "name at least one quality column")
    rows = load_points(points_csv)
    tables = [select([selector]) for selector in published]
    tables += [load_curves(user_curves)] if user_curves is not None else []
    comparisons: list[Comparison] = []
    for metric in metrics:
        comparisons += compare(rows, anchor=anchor, metric=metric, upper_hull=upper_hull)
        if tables:
            comparisons += compare_others(
                rows,
                pd.concat(tables),
                anchor=anchor,
                metric=metric,
                sequences=sequences,
                upper_hull=upper_hull,
            )
    condition = rows["condition"].iloc[0]
    write_table(
        outputs,
        rows=(_csv_row(condition, anchor, one) for one in comparisons),
        columns=CSV_COLUMNS,
        text=_text(rows, anchor, comparisons, metrics),
    )


def remark_of(delta: Delta | NotComparable) -> str:
    """Why there is no number, or that the common interval is small; empty where neither applies."""
    return delta.remark if isinstance(delta, Delta) else delta.reason


def _csv_row(condition: str, anchor: str, one: Comparison) -> dict[str, object]:
    rate = one.rate if isinstance(one.rate, Delta) else None
    quality = one.quality if isinstance(one.quality, Delta) else None
    remarks = dict.fromkeys(remark_of(delta) for delta in (one.rate, one.quality))
    return {
        "condition": condition,
        "clip": one.clip,
        "series": one.series,
        "codec": one.codec,
        "anchor": anchor,
        "metric": one.metric,
        "clips": rate and rate.clips,
        "bd_rate_percent": rate and rate.value,
        "bd_rate_low": one.interval and one.interval[0],
        "bd_rate_high": one.interval and one.interval[1],
        "bd_quality": quality and quality.value,
        "quality_overlap_low": rate and rate.low,
        "quality_overlap_high": rate and rate.high,
        "quality_overlap_percent": rate and 100 * rate.share,
        "rate_overlap_low": quality and quality.low,
        "rate_overlap_high": quality and quality.high,
        "rate_overlap_percent": quality and 100 * quality.share,
        "remark": "; ".join(filter(None, remarks)),
    }


def _text(
    rows: pd.DataFrame, anchor: str, comparisons: Sequence[Comparison], metrics: Sequence[str]
) -> TextTable:
    first = describe(metrics[0])
    clip_column = ["Clip"] if len({one.clip for one in comparisons}) > 1 else []
    header = ["Series", *clip_column, *(f"{describe(metric).label}, %" for metric in metrics)]
    unit = f", {first.unit}" * bool(first.unit)
    header += [f"Overlap{unit}", f"BD-{first.label}{unit}"]
    remarks: dict[str, int] = {}
    lines = []
    for series, label, clip in dict.fromkeys((one.series, one.label, one.clip) for one in comparisons):
        of_metric = {one.metric: one for one in comparisons if (one.series, one.clip) == (series, clip)}
        rates = [one.rate for one in of_metric.values() if isinstance(one.rate, Delta)]
        clip_text = f"mean of {rates[0].clips}" if clip == MEAN and rates else clip
        line = [label, clip_text][: 1 + len(clip_column)]
        line += [_rate_cell(of_metric[m], remarks) if m in of_metric else NONE for m in metrics]
        headline = of_metric.get(metrics[0])
        overlap, value = NONE, NONE
        if headline is not None:
            value = _cell(headline.quality, number_of(headline.quality, first.digits), remarks)
            if isinstance(headline.rate, Delta):
                overlap = f"{headline.rate.low:.{first.digits}f} to {headline.rate.high:.{first.digits}f}"
        lines.append([*line, overlap, value])
    text = f"BD-rate against {codec_label(rows, anchor)} at equal quality; negative: fewer bits."
    text += " In parentheses: share of the qualities of the narrower curve that both curves have."
    if any(one.interval for one in comparisons):
        text += f" In brackets: 95 % interval from {RESAMPLES} bootstrap resamples of clips and seeds."
    if not first.higher_is_better:
        text += f" Lower values of {first.label} are better."
    right = [False] * (1 + len(clip_column)) + [True] * (len(metrics) + 2)
    notes = [text, *filter(None, [truth_note(rows), *origin_notes(rows)])]
    notes += [f"[{mark}] {remark}" for remark, mark in remarks.items()]
    return TextTable(header, lines, right, notes)


def number_of(delta: Delta | NotComparable, digits: int) -> str:
    """The value with its sign; a dash where there is none."""
    return number(delta.value, digits, sign=True) if isinstance(delta, Delta) else NONE


def _rate_cell(one: Comparison, remarks: dict[str, int]) -> str:
    """BD-rate with its interval and the share of the overlap."""
    text = number_of(one.rate, 1)
    if one.interval is not None:
        text += f" [{', '.join(number(end, 1, sign=True) for end in one.interval)}]"
    if isinstance(one.rate, Delta):
        text += f" ({100 * one.rate.share:.0f} %)"
    return _cell(one.rate, text, remarks)


def _cell(delta: Delta | NotComparable, text: str, remarks: dict[str, int]) -> str:
    """The text with the mark of the remark."""
    remark = remark_of(delta)
    return f"{text} [{remarks.setdefault(remark, len(remarks) + 1)}]" if remark else text
