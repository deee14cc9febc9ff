"""What a series costs against what it saves: BD-rate over decode time and over encode time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.analysis.bjontegaard import Delta
from bench.analysis.bootstrap import Interval
from bench.analysis.curves import condition_title, load_points, with_footnotes
from bench.figures.page import DOUBLE_COLUMN, FAINT, page, plain_log_axis, print_style, save, save_note
from bench.figures.series import Look, key_groups, looks
from bench.figures.style import Style, shade
from bench.scoring.metrics import describe
from bench.tables.bd_rate import compare, overall
from bench.tables.complexity import load_costs
from bench.tables.text_table import MINUS

#: Cost -> axis, and what seconds are multiplied by.
_PANELS = {"decode": ("Decode (ms per frame)", 1000), "encode": ("Encode (s per frame)", 1)}
#: Ticks of BD-rates in percent, from many to few.
_TICKS: tuple[Sequence[int], ...] = (
    range(-10, 11),
    range(-95, 105, 5),
    (*range(-90, 110, 10), 150, 200, 300),
    (-90, -80, -70, -60, -50, -40, -30, -20, 0, 25, 50, 100, 200, 300, 400, 600, 900),
    (-90, -75, -50, -25, 0, 50, 100, 200, 400, 900, 1900, 3900),
    (-90, -50, 0, 100, 400, 900, 3900),
)
_TICK_ROOM = 0.17


@dataclass(frozen=True, kw_only=True)
class Trade:
    """One series: its BD-rate in percent, and seconds a frame to encode and decode."""

    series: str
    rate_percent: float
    interval: Interval | None
    encode: float
    decode: float


def draw_complexity(
    points_csv: Path | str,
    decode_times_csv: Path | str,
    *,
    anchor: str,
    metric: str,
    outs: Sequence[Path | str],
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw each series' BD-rate against `anchor` (0 %) over its times a frame, means over points and clips.

    A step line joins those that no other series beats in both. Bars are a BD-rate's 95 % interval, where
    it has one (`bench.analysis.bootstrap`). Series without a BD-rate are named below.

    Args:
        decode_times_csv: what `bench retime` writes.
        metric: of the BD-rate.
        footnotes: codec -> what is said of it below, where it is drawn.

    Raises:
        BenchError: as `bench.tables.complexity.load_costs`, or no such metric.
    """
    rows = load_points(points_csv)
    found, missing = trades(rows, load_costs(points_csv, decode_times_csv), anchor=anchor, metric=metric)
    name = dict(zip(rows["codec"], rows["label"], strict=True)).get(anchor, anchor)
    title = title or f"{condition_title(rows)}, BD-rate against {name}"
    with print_style():
        if len(found) < 2:
            save_note(f"No series has a BD-rate against {name}.", title=title, width=width, outs=outs)
            return
        note = with_footnotes(
            _note(found, missing), rows[rows["series"].isin([t.series for t in found])], footnotes or {}
        )
        save(_plot(rows, found, note, metric=metric, title=title, width=width), outs)


def trades(
    rows: pd.DataFrame, costs: pd.DataFrame, *, anchor: str, metric: str
) -> tuple[list[Trade], list[str]]:
    """The anchor and all series that have a BD-rate, and the labels of those that have none."""
    found: list[Trade] = []
    missing = []
    if (costs["series"] == anchor).any():
        found.append(_trade(costs, anchor, 0.0, None))
    for one in overall(compare(rows, anchor=anchor, metric=metric)):
        if isinstance(one.rate, Delta):
            found.append(_trade(costs, one.series, one.rate.value, one.interval))
        else:
            missing.append(one.label)
    return found, missing


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other equals or beats in both values, in rising order of the first."""
    best, found = math.inf, []
    for place in sorted(range(len(points)), key=points.__getitem__):
        if points[place][1] < best:
            best = points[place][1]
            found.append(place)
    return found


def _trade(costs: pd.DataFrame, series: str, rate_percent: float, interval: Interval | None) -> Trade:
    own = costs[costs["series"] == series]
    # Points first, then clips, so that a clip with more points does not weigh more.
    seconds = {
        side: float((own[f"{side}_wall_s"] / own["frames"]).groupby(own["clip"]).mean().mean())
        for side in _PANELS
    }
    return Trade(series=series, rate_percent=rate_percent, interval=interval, **seconds)


def _note(found: Sequence[Trade], missing: Sequence[str]) -> str:
    note = (
        "Lower left is better. A marker is the mean over a series' points and clips; the line joins the "
        "series that none beats in both. Decoders ran alone, on one thread; encoders as the run had them."
    )
    if any(trade.interval for trade in found):
        note += " Bars: 95 % intervals."
    if missing:
        note += f" Without a BD-rate: {'; '.join(missing)}."
    return note


def _plot(
    rows: pd.DataFrame, found: list[Trade], note: str, *, metric: str, title: str, width: float
) -> Figure:
    look = looks(rows)
    marks = {trade.series: replace(look[trade.series], style=_mark(look[trade.series])) for trade in found}
    figure, panels = page(
        title=title, key=key_groups(list(marks.values())), panels=2, width=width, height=3.0, note=note
    )
    ends = [end for trade in found for end in (trade.rate_percent, *(trade.interval or ()))]
    for axes, (side, (label, unit)) in zip(panels, _PANELS.items(), strict=True):
        _draw_panel(axes, [(unit * getattr(trade, side), trade) for trade in found], marks)
        axes.set_xlabel(label)
        _rate_axis(axes, min(ends), max(ends))
    panels[0].set_ylabel(f"BD-rate, {describe(metric).label} (%)")
    return figure


def _draw_panel(axes: Axes, placed: Sequence[tuple[float, Trade]], marks: dict[str, Look]) -> None:
    points = [(time, _factor(trade.rate_percent)) for time, trade in placed]
    times = [time for time, _ in points]
    pad = max((max(times) / min(times)) ** 0.06, 1.2)
    plain_log_axis(axes, min(times) / pad, max(times) * pad)
    along = [points[place] for place in front(points)]
    axes.plot(*zip(*along, strict=True), color=FAINT, linewidth=0.7, drawstyle="steps-post", zorder=1)
    axes.axhline(1.0, color=FAINT, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1)
    for (time, height), (_, trade) in zip(points, placed, strict=True):
        style = marks[trade.series].style
        if trade.interval is not None:
            low, high = map(_factor, trade.interval)
            axes.vlines(time, low, high, color=style.colour, linewidth=0.8, zorder=2)
        axes.plot([time], [height], zorder=3, **style.line_kwargs())


def _mark(look: Look) -> Style:
    """The marker alone. A short fit, which a dashed line tells from a reference fit elsewhere, is open."""
    style = replace(look.style, line="none")
    if look.group != "short":
        return style
    return replace(style, filled=False) if style.filled else replace(style, colour=shade(style.colour, 0.45))


def _factor(percent: float) -> float:
    """What a BD-rate multiplies rates by: half and twice are equally far from once."""
    return 1 + percent / 100


def _rate_axis(axes: Axes, low: float, high: float) -> None:
    """A y axis of rate factors, logarithmic, named by percents that stand clear of each other."""
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
    return f"{percent:+d}".replace("-", MINUS) if percent else "0"
