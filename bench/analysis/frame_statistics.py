"""Statistics over the frames of a clip: mean, harmonic mean, worst frame, 5th percentile, changes in time.

All are computed from frames.csv, which has one row for each frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.point_files import frame_values, point_file
from bench.analysis.rd_points import CONTROL
from bench.scoring.metrics import Metric, describe

#: Share of the frames, in percent, that are worse than the percentile.
PERCENTILE = 5.0


@dataclass(frozen=True, kw_only=True)
class FrameStatistics:
    """One metric over the frames of one decoded clip.

    Attributes:
        mean: the value of tables and figures. harmonic_mean: weighs bad frames more; None where a value is
            not above 0, or lower values are better.
        percentile: 5 % of the frames are worse. worst: of the worst frame; worst_frame: its index.
        mean_step: mean absolute difference between neighbouring frames, how much the quality flickers.
    """

    mean: float
    harmonic_mean: float | None
    percentile: float
    worst: float
    worst_frame: int
    mean_step: float


def frame_statistics(frames: Sequence[int], values: Sequence[float], metric: Metric) -> FrameStatistics:
    """The statistics of one metric.

    Args:
        frames: indices of the frames that have a value. values: theirs; at least one.
    """
    x = np.asarray(values, float)
    worst = int((metric.direction * x).argmin())
    harmonic = metric.higher_is_better and bool((x > 0).all())
    return FrameStatistics(
        mean=float(x.mean()),
        harmonic_mean=float(len(x) / (1 / x).sum()) if harmonic else None,
        percentile=float(np.percentile(x, PERCENTILE if metric.higher_is_better else 100 - PERCENTILE)),
        worst=float(x[worst]),
        worst_frame=int(frames[worst]),
        mean_step=float(np.abs(np.diff(x)).mean()) if len(x) > 1 else 0.0,
    )


def of_points(
    rows: pd.DataFrame, metrics: Sequence[str], results: Path | str
) -> list[tuple[Mapping[str, Any], str, FrameStatistics]]:
    """Row of rd_points.csv, metric and statistics of every run but controls that has frames.csv.

    Args:
        results: folder of results.
    """
    statistics = []
    for row in rows[rows["kind"] != CONTROL].to_dict("records"):
        frames_csv = point_file(row, "frames.csv", results)
        for name in metrics:
            metric = describe(name)
            table = frame_values(frames_csv, metric.frame_column)
            if len(table):
                one = frame_statistics(table["frame"].tolist(), table["value"].tolist(), metric)
                statistics.append((row, name, one))
    return statistics
