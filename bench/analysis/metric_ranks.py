"""Ranks of the series of a condition by each metric: whether the metrics agree on which codec is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.bjontegaard import Delta
from bench.analysis.comparison import compare, overall


@dataclass(frozen=True)
class MetricRank:
    """Place of a series by one metric. Rank 1 has the lowest BD-rate; the anchor has 0 %."""

    series: str
    metric: str
    rank: int
    rate_percent: float


def metric_ranks(
    rows: pd.DataFrame, *, anchor: str, metrics: Sequence[str], upper_hull: bool = False
) -> tuple[list[MetricRank], list[str]]:
    """Ranks of all series that have a BD-rate by every metric, and the series that have not.

    With several clips, a BD-rate is the mean over clips.

    Args:
        anchor: a codec id; it is ranked too. metrics: quality columns, which the rows must have.
    """
    rates: dict[str, dict[str, float]] = {anchor: dict.fromkeys(metrics, 0.0)}
    for metric in metrics:
        compared = compare(rows, anchor=anchor, metric=metric, intervals=False, upper_hull=upper_hull)
        for one in overall(compared):
            of_series = rates.setdefault(one.series, {})
            if isinstance(one.rate, Delta):
                of_series[metric] = one.rate.value
    complete = {series: values for series, values in rates.items() if len(values) == len(metrics)}
    ranks = []
    for metric in metrics:
        order = sorted(complete, key=lambda series: complete[series][metric])
        ranks += [
            MetricRank(series, metric, rank, complete[series][metric])
            for rank, series in enumerate(order, start=1)
        ]
    return ranks, [series for series in rates if series not in complete]
