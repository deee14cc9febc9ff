"""Rate-distortion curves: from the rows of rd_points.csv to one curve for each series of a metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis.labels import epochs_of, series_label
from bench.analysis.rd_points import check_metric
from bench.base.errors import BenchError
from bench.scoring.metrics import Metric, describe


@dataclass(frozen=True, kw_only=True)
class Curve:
    """RD curve of one series and one metric, sorted by rate.

    Attributes:
        points: names of the n rate points. All arrays have shape (n,).
        rate_bpp, quality: means over clips of the means over seeds; rate in bits per pixel.
        quality_low, quality_high: means over clips of the lowest and of the highest seed.
        clips: the clips that every point is a mean over.
        seeds: largest number of seeds at one point.
    """

    series: str
    codec: str
    label: str
    kind: str
    reference: bool
    epochs: int | None
    metric: Metric
    points: tuple[str, ...]
    rate_bpp: np.ndarray
    quality: np.ndarray
    quality_low: np.ndarray
    quality_high: np.ndarray
    clips: tuple[str, ...]
    seeds: int

    @property
    def full_label(self) -> str:
        """Label with the kind and length of the fit."""
        return series_label(self.label, kind=self.kind, reference=self.reference, epochs=self.epochs)


def curves(
    rows: pd.DataFrame, metric: str, *, clip: str | None = None, every_clip: bool = True
) -> list[Curve]:
    """Curves of all series that have a value of `metric`, in the order of the rows.

    Args:
        clip: one clip; None: means over all clips. Then only series and points are used that every clip of
            the rows has, so that all curves are means over the same clips.
        every_clip: False: means of each series over the clips that it has. Such curves do not compare.

    Raises:
        BenchError: no such column, or no such clip.
    """
    check_metric(rows, metric)
    if clip is not None:
        if clip not in set(rows["clip"]):
            known = ", ".join(sorted(rows["clip"].unique()))
            raise BenchError("rd_points.csv", f"no clip {clip}", f"choose one of {known}")
        rows = rows[rows["clip"] == clip]
    measured = rows[pd.to_numeric(rows[metric], errors="coerce").notna()]
    groups = [group for _, group in measured.groupby("series", sort=False)]
    n_clips = rows["clip"].nunique() if every_clip else 0
    return [_curve(group, metric) for group in groups if group["clip"].nunique() >= n_clips]


def _curve(rows: pd.DataFrame, metric: str) -> Curve:
    """The curve of one series."""
    first = rows.iloc[0]
    by_clip = rows.groupby(["point", "clip"])
    means = pd.DataFrame(
        {
            "rate": by_clip["rate_bpp"].mean(),
            "quality": by_clip[metric].mean(),
            "low": by_clip[metric].min(),
            "high": by_clip[metric].max(),
        }
    )
    clips = tuple(sorted(rows["clip"].unique()))
    clips_of_point = means.groupby("point").size()
    complete = clips_of_point[clips_of_point == len(clips)].index
    points = means.groupby("point").mean().loc[complete].sort_values(["rate", "quality"])
    return Curve(
        series=first["series"],
        codec=first["codec"],
        label=first["label"],
        kind=first["kind"],
        reference=bool(first["reference"]),
        epochs=epochs_of(rows),
        metric=describe(metric),
        points=tuple(points.index),
        rate_bpp=points["rate"].to_numpy(float),
        quality=points["quality"].to_numpy(float),
        quality_low=points["low"].to_numpy(float),
        quality_high=points["high"].to_numpy(float),
        clips=clips,
        seeds=int(by_clip.size().max()),
    )
