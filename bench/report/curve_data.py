"""Curves, points and BD-rates of the report page, from the analysis that tables and figures use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.bjontegaard import Delta
from bench.analysis.comparison import Comparison, compare
from bench.analysis.curve_file import load_curves
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import label_of
from bench.analysis.published import PublishedCurve, Selector, published_curves, select
from bench.analysis.rd_points import MEAN
from bench.analysis.usable_points import usable
from bench.figures.series import HEADINGS, drawn_series, published_series
from bench.figures.style import Marker, Style
from bench.scoring.metrics import describe
from bench.tables.bd_rate import remark_of

#: Marker of Matplotlib -> symbol of Plotly.
SYMBOLS: dict[Marker, str] = {
    "o": "circle", "s": "square", "^": "triangle-up", "v": "triangle-down", ">": "triangle-right",
    "<": "triangle-left", "D": "diamond", "d": "diamond-tall", "p": "pentagon", "h": "hexagon",
    "H": "hexagon2", "8": "octagon", "P": "cross", "X": "x", "*": "star",
    (4, 1, 0): "star-diamond", (3, 2, 0): "y-up", (3, 2, 180): "y-down", (6, 1, 0): "hexagram",
}  # fmt: skip
#: Symbols without an area; they have only an outline.
_STROKES = ("y-up", "y-down")


def metric_names(rows: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """The metrics of a condition that have a value, each followed by its form in dB where it has one."""
    names = [name for metric in metrics for name in (metric, f"{metric}_db")]
    numbers = rows.reindex(columns=names).apply(pd.to_numeric, errors="coerce")
    return [name for name in names if numbers[name].notna().any()]


def metric_data(name: str) -> dict[str, Any]:
    """The description of a metric."""
    metric = describe(name)
    return {
        "name": name,
        "label": metric.label,
        "unit": metric.unit,
        "digits": metric.digits,
        "direction": metric.direction,
        "ceiling": metric.ceiling,
    }


def series_data(rows: pd.DataFrame, published: Sequence[PublishedCurve]) -> list[dict[str, Any]]:
    """Style, label and group of each series, in the order of the rows; published and user's series last."""
    labels = {series: label_of(group) for series, group in rows.groupby("series", sort=False)}
    first = rows.drop_duplicates("series").set_index("series")
    notes = {one.curve.series: one.note for one in published}
    drawn = drawn_series(rows) | published_series(published, rows)
    return [
        {
            "id": name,
            "label": labels.get(name, one.label),
            "codec": first["codec"].get(name, ""),
            "kind": first["kind"].get(name, one.group),
            "group": one.group,
            "heading": HEADINGS.get(one.group, one.group.capitalize()),
            "note": notes.get(name, ""),
            **_style_data(one.style),
        }
        for name, one in drawn.items()
    ]


def _style_data(style: Style) -> dict[str, Any]:
    """A style as values of Plotly: colour, symbol, dash pattern in pixels and width in pixels."""
    symbol = SYMBOLS.get(style.marker, "circle")
    hollow = not style.filled or symbol in _STROKES
    dash = "solid"
    if isinstance(style.line, tuple):
        dash = ",".join(f"{1.6 * length:.1f}px" for length in style.line[1])
    return {
        "colour": style.colour,
        "symbol": f"{symbol}-open" if hollow else symbol,
        "dash": dash,
        "width": round(1.5 * style.width, 2),
    }


def all_published(
    rows: pd.DataFrame,
    metrics: Sequence[str],
    *,
    selectors: Sequence[Selector],
    user_curves: Path | str | None,
    sequences: Mapping[str, str],
) -> dict[tuple[str, str], list[PublishedCurve]]:
    """(metric, clip or "mean") -> the curves that were not measured here and fit these clips."""
    tables = [select([selector]) for selector in selectors]
    tables += [load_curves(user_curves)] if user_curves else []
    if not tables:
        return {}
    table = pd.concat(tables)
    clips = {clip: sequences.get(clip, clip) for clip in sorted(rows["clip"].unique())}
    return {
        (metric, clip or MEAN): published_curves(table, metric, clips=clips, clip=clip)
        for metric in metrics
        for clip in (None, *clips)
    }


def curve_data(
    rows: pd.DataFrame,
    metrics: Sequence[str],
    published: Mapping[tuple[str, str], Sequence[PublishedCurve]],
    *,
    upper_hull: bool = False,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Metric -> clip, or "mean" for the mean over clips -> curves of all series.

    Args:
        upper_hull: whether BD-rates use only points on the upper convex hull of a curve.
    """
    clips = sorted(rows["clip"].unique())
    one_curve = partial(curve_values, upper_hull=upper_hull)
    return {
        metric: {
            clip or MEAN: [
                *map(one_curve, curves(rows, metric, clip=clip)),
                *(one_curve(one.curve) for one in published.get((metric, clip or MEAN), ())),
            ]
            for clip in (None, *clips)
        }
        for metric in metrics
    }


def curve_values(curve: Curve, *, upper_hull: bool = False) -> dict[str, Any]:
    """A curve as the page has it.

    `used` has the positions of the points that values between points use, `hull` those that BD-rates use if
    they are others, and `notes` names the points that BD-rates leave out (`bench.analysis.usable_points`).
    """
    used, _ = usable(curve)
    compared, notes = usable(curve, upper_hull=upper_hull)
    values: dict[str, Any] = {
        "series": curve.series,
        "label": curve.full_label,
        "points": list(curve.points),
        "rate": curve.rate_bpp.tolist(),
        "quality": curve.quality.tolist(),
        "clips": list(curve.clips),
        "used": [curve.points.index(point) for point in used.points],
        "notes": list(notes),
    }
    if compared.points != used.points:
        values["hull"] = [curve.points.index(point) for point in compared.points]
    if curve.seeds > 1:
        values |= {"low": curve.quality_low.tolist(), "high": curve.quality_high.tolist()}
    return values


def bd_data(
    rows: pd.DataFrame, *, anchor: str | None, metrics: Sequence[str], upper_hull: bool = False
) -> list[dict[str, Any]]:
    """BD-rates against the condition's anchor as in bd_rate.csv, with the intervals that the page shows."""
    if anchor is None:
        return []
    comparisons = (
        one
        for metric in metrics
        for one in compare(rows, anchor=anchor, metric=metric, upper_hull=upper_hull)
    )
    return list(map(_one_comparison, comparisons))


def _one_comparison(one: Comparison) -> dict[str, Any]:
    rate = one.rate.value if isinstance(one.rate, Delta) else None
    quality = one.quality.value if isinstance(one.quality, Delta) else None
    return {
        "series": one.series,
        "clip": one.clip,
        "metric": one.metric,
        "rate": rate,
        "quality": quality,
        "interval": one.interval,
        "remark": remark_of(one.rate),
    }
