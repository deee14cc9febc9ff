"""Figure of relative curve differences: by how many percent the rate differs from the anchor's, over quality.

A BD-rate is one number for a whole curve. This figure shows at which qualities it arises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.bjontegaard import NotComparable, rate_differences
from bench.analysis.curves import curves
from bench.analysis.labels import codec_label, condition_title
from bench.analysis.rd_points import CONTROL, load_points, rows_of_most_series
from bench.figures.page import DOUBLE_COLUMN, FAINT, page, print_style, save, save_note
from bench.figures.series import drawn_series, legend_groups
from bench.scoring.metrics import describe


def draw_rate_difference(
    points_csv: Path | str,
    *,
    anchor: str,
    metric: str,
    outputs: Sequence[Path | str],
    upper_hull: bool = False,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw the difference of each series from `anchor` in percent of rate over quality, where both have it.

    Curves are means over the clips that most series have. The note names series that are not comparable.

    Args:
        metric: quality column. upper_hull: whether only points on the upper convex hull are used.

    Raises:
        BenchError: no points, or no such column.
    """
    rows = rows_of_most_series(load_points(points_csv))
    by_series = {curve.series: curve for curve in curves(rows, metric) if curve.kind != CONTROL}
    described, name = describe(metric), codec_label(rows, anchor)
    lines, without = {}, []
    for curve in curves(rows, metric, every_clip=False):
        if curve.series != anchor and curve.kind != CONTROL:
            try:  # a series that lacks a clip is not in `by_series`
                pair = by_series[anchor], by_series[curve.series]
                lines[curve.series] = rate_differences(*pair, upper_hull=upper_hull)
            except (NotComparable, KeyError):
                without.append(curve.full_label)
    title = condition_title(rows) if title is None else title
    with print_style():
        if not lines:
            save_note(f"No series is comparable with {name}.", title=title, width=width, outputs=outputs)
            return
        drawn = drawn_series(rows)
        note = f"Below 0: fewer bits than {name} at the same quality."
        note += f" Not comparable: {', '.join(without)}." if without else ""
        legend = legend_groups([drawn[series] for series in lines])
        figure, (axes,) = page(title=title, legend=legend, width=width, note=note)
        for series, (quality, percent) in lines.items():
            style = drawn[series].style.line_kwargs()
            axes.plot(quality, percent, markevery=[0, len(quality) - 1], **style)
        axes.axhline(0, color=FAINT, linewidth=0.9)
        axes.set_xlabel(described.axis)
        axes.set_ylabel(f"Rate against {name} (%)")
        save(figure, outputs)
