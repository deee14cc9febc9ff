"""Figure of BD-rate over decode time and over encode time, one marker for each series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.analysis.costs import TradeOff, load_costs, pareto_front, trade_offs
from bench.analysis.labels import codec_label, condition_title, with_footnotes
from bench.analysis.rd_points import load_points, rows_of_most_series
from bench.figures.page import DOUBLE_COLUMN, FAINT, page, plain_log_axis, print_style, save, save_note
from bench.figures.series import DrawnSeries, drawn_series, legend_groups
from bench.figures.style import Style, shade
from bench.scoring.metrics import describe

#: Side -> axis label, and factor from seconds to its unit.
_PANELS = {"decode": ("Decode (ms per frame)", 1000), "encode": ("Encode (s per frame)", 1)}
#: Tick positions in percent of BD-rate, from many to few.
_TICKS: tuple[Sequence[int], ...] = (
    range(-10, 11),
    range(-95, 105, 5),
    (*range(-90, 110, 10), 150, 200, 300),
    (-90, -80, -70, -60, -50, -40, -30, -20, 0, 25, 50, 100, 200, 300, 400, 600, 900),
    (-90, -75, -50, -25, 0, 50, 100, 200, 400, 900, 1900, 3900),
    (-90, -50, 0, 100, 400, 900, 3900),
)
_TICK_ROOM = 0.17


def draw_complexity(
    points_csv: Path | str,
    decode_times_csv: Path | str,
    *,
    anchor: str,
    upper_hull: bool = False,
    metric: str,
    outputs: Sequence[Path | str],
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw the BD-rate of each series against `anchor` (0 %) over its times per frame.

    Times are means over points and over the clips that most series have. A step line joins the series on the
    Pareto front. Bars are 95 % intervals of the BD-rate (`bench.analysis.bootstrap`). The note names series
    without a BD-rate.

    Args:
        decode_times_csv: output of `bench retime`.
        metric: quality column of the BD-rate.
        footnotes: codec id -> text below the figure, where the codec is drawn.

    Raises:
        BenchError: as `bench.analysis.costs.load_costs`, or no such metric.
    """
    rows = rows_of_most_series(load_points(points_csv))
    costs = load_costs(points_csv, decode_times_csv)
    costs = costs[costs["clip"].isin(rows["clip"])]
    series, without = trade_offs(rows, costs, anchor=anchor, metric=metric, upper_hull=upper_hull)
    name = codec_label(rows, anchor)
    title = title or f"{condition_title(rows)}, BD-rate against {name}"
    with print_style():
        if len(series) < 2:
            text = f"No series has a BD-rate against {name}."
            save_note(text, title=title, width=width, outputs=outputs)
            return
        shown = rows[rows["series"].isin([one.series for one in series])]
        note = with_footnotes(_note(series, without), shown, footnotes or {})
        save(_plot(rows, series, note, metric=metric, title=title, width=width), outputs)


def _note(series: Sequence[TradeOff], without: Sequence[str]) -> str:
    note = (
        "Lower left is better. A marker is the mean over the points and clips of a series. The line joins "
        "the Pareto front: no other series is better in both values. Decoders ran one at a time on one "
        "thread, encoders as in the workflow."
    )
    if any(one.interval for one in series):
        note += " Bars: 95 % intervals."
    note += "".join(f" {one.remark}." for one in series if one.remark)
    if without:
        note += f" Without a BD-rate: {'; '.join(without)}."
    return note


def _plot(
    rows: pd.DataFrame, series: list[TradeOff], note: str, *, metric: str, title: str, width: float
) -> Figure:
    drawn = drawn_series(rows)
    marked = {
        one.series: replace(drawn[one.series], style=_marker_style(drawn[one.series])) for one in series
    }
    legend = legend_groups(list(marked.values()))
    figure, panels = page(title=title, legend=legend, panels=2, width=width, height=3.0, note=note)
    percents = [value for one in series for value in (one.rate_percent, *(one.interval or ()))]
    for axes, (side, (label, factor)) in zip(panels, _PANELS.items(), strict=True):
        _draw_panel(axes, [(factor * getattr(one, side), one) for one in series], marked)
        axes.set_xlabel(label)
        _rate_axis(axes, min(percents), max(percents))
    panels[0].set_ylabel(f"BD-rate, {describe(metric).label} (%)")
    return figure


def _draw_panel(
    axes: Axes, timed: Sequence[tuple[float, TradeOff]], marked: Mapping[str, DrawnSeries]
) -> None:
    points = [(time, _factor(one.rate_percent)) for time, one in timed]
    times = [time for time, _ in points]
    pad = max((max(times) / min(times)) ** 0.06, 1.2)
    plain_log_axis(axes, min(times) / pad, max(times) * pad)
    front = [points[index] for index in pareto_front(points)]
    axes.plot(*zip(*front, strict=True), color=FAINT, linewidth=0.7, drawstyle="steps-post", zorder=1)
    axes.axhline(1.0, color=FAINT, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1)
    for (time, factor), (_, one) in zip(points, timed, strict=True):
        style = marked[one.series].style
        if one.interval is not None:
            low, high = map(_factor, one.interval)
            axes.vlines(time, low, high, color=style.colour, linewidth=0.8, zorder=2)
        axes.plot([time], [factor], zorder=3, **style.line_kwargs())


def _marker_style(series: DrawnSeries) -> Style:
    """The style without a line. Short fits, which other figures draw dashed, get an open marker."""
    style = replace(series.style, line="none")
    if series.group != "short":
        return style
    return replace(style, filled=False) if style.filled else replace(style, colour=shade(style.colour, 0.45))


def _factor(percent: float) -> float:
    """Factor of rates that a BD-rate stands for. On a logarithmic axis, half and twice are symmetric to 1."""
    return 1 + percent / 100


def _rate_axis(axes: Axes, low: float, high: float) -> None:
    """Make the y axis logarithmic in factors of rate, with tick labels in percent that do not overlap."""
    low, high = _factor(low), _factor(high)
    pad = max((high / low) ** 0.07, 1.03)
    low, high = low / pad, high * pad
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    room = _TICK_ROOM * math.log(high / low) / (axes.get_window_extent().height / axes.figure.dpi)
    for percents in _TICKS:
        ticks = [_factor(percent) for percent in percents if low <= _factor(percent) <= high]
        if all(math.log(upper / lower) >= room for lower, upper in pairwise(ticks)):
            break
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))


def _percent(factor: float) -> str:
    percent = round(100 * (factor - 1))
    return f"{percent:+d}".replace("-", "\N{MINUS SIGN}") if percent else "0"
