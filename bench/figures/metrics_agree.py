"""Figure of ranks: the order of the series by each metric. Lines that cross are metrics that disagree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.labels import codec_label, condition_title, label_of
from bench.analysis.metric_ranks import metric_ranks
from bench.analysis.rd_points import check_metric, load_points, rows_of_most_series
from bench.base.errors import BenchError
from bench.figures.page import DOUBLE_COLUMN, page, print_style, save, save_note
from bench.figures.series import drawn_series, legend_groups
from bench.scoring.metrics import describe

#: Largest number of metrics whose labels fit beside each other in one line.
MOST_UNBROKEN_LABELS = 5
#: Font size of the labels of more metrics.
NARROW_PT = 6


def draw_metrics_agree(
    points_csv: Path | str,
    *,
    anchor: str,
    metrics: Sequence[str],
    outputs: Sequence[Path | str],
    upper_hull: bool = False,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw the rank of each series by its BD-rate against `anchor`, one column for each metric.

    Only series that have a BD-rate by every metric are ranked; the note names the others.

    Args:
        metrics: at least two quality columns.
        upper_hull: whether BD-rates use only points on the upper convex hull of a curve.

    Raises:
        BenchError: no points, fewer than two metrics, or no column of one.
    """
    rows = rows_of_most_series(load_points(points_csv))
    for metric in metrics:
        check_metric(rows, metric)
    if len(metrics) < 2:
        raise BenchError("metrics", "must be at least two", "add one to the condition")
    ranks, without = metric_ranks(rows, anchor=anchor, metrics=metrics, upper_hull=upper_hull)
    title = condition_title(rows) if title is None else title
    labels = {series: label_of(group) for series, group in rows.groupby("series")}
    note = f"Rank by BD-rate against {codec_label(rows, anchor)}; 1 needs the fewest bits."
    if without:
        note += f" Without a BD-rate by every metric: {', '.join(labels.get(one, one) for one in without)}."
    drawn = drawn_series(rows)
    shown = [series for series in dict.fromkeys(one.series for one in ranks) if series in drawn]
    with print_style():
        if len(shown) < 2:
            save_note("Fewer than two series have a BD-rate by every metric.", title=title, width=width,
                      outputs=outputs)  # fmt: skip
            return
        legend = legend_groups([drawn[series] for series in shown])
        figure, (axes,) = page(title=title, legend=legend, width=width, note=note)
        for series in shown:
            of_series = [one.rank for one in ranks if one.series == series]
            axes.plot(range(len(metrics)), of_series, **drawn[series].style.line_kwargs())
        labels_of_metrics = [describe(metric).label for metric in metrics]
        if len(metrics) > MOST_UNBROKEN_LABELS:
            axes.tick_params("x", labelsize=NARROW_PT)
            labels_of_metrics = [label.replace(" ", "\n") for label in labels_of_metrics]
        axes.set_xticks(range(len(metrics)), labels_of_metrics)
        axes.set_xlim(-0.3, len(metrics) - 0.7)
        axes.set_yticks(range(1, len(shown) + 1))
        axes.set_ylim(len(shown) + 0.5, 0.5)
        axes.set_ylabel("Rank")
        save(figure, outputs)
