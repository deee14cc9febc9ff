"""BD-rates of curves that were not measured here: published ones, and a user's own.

They differ from measured curves in frames, colour and averaging (baselines/reported/sources.csv), so tables
mark them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pandas as pd

from bench.analysis.bjontegaard import Delta, NotComparable, bd_quality, bd_rate
from bench.analysis.comparison import Comparison, difference, mean_delta
from bench.analysis.curve_file import USER
from bench.analysis.curves import Curve, curves
from bench.analysis.published import reported_curves
from bench.analysis.rd_points import MEAN
from bench.scoring.metrics import describe


def compare_others(
    rows: pd.DataFrame,
    others: pd.DataFrame,
    *,
    anchor: str,
    metric: str,
    sequences: Mapping[str, str] | None = None,
    upper_hull: bool = False,
) -> list[Comparison]:
    """Compare curves that were not measured here with the anchor's, on each clip and as the mean over clips.

    A curve that was published as a mean over its data set is compared with the anchor's mean curve.

    Args:
        rows: measured points of one condition. others: rows of `bench.analysis.published.select` and
            `bench.analysis.curve_file.load_curves`.
        anchor: a codec id. metric: column of the quality.
        sequences: clip -> name of its sequence, which published curves use.
        upper_hull: whether only points on the upper convex hull of a curve are used.
    """
    clips = {clip: (sequences or {}).get(clip, clip) for clip in sorted(rows["clip"].unique())}
    kinds = [partial(kind, upper_hull=upper_hull) for kind in (bd_rate, bd_quality)]
    missing = [f"{anchor} has no {describe(metric).label}", ""]
    by_series: dict[str, list[Comparison]] = {}
    for clip in [*clips, *([None] if len(clips) > 1 else [])]:
        measured = {curve.series: curve for curve in curves(rows, metric, clip=clip)}.get(anchor)
        for curve in reported_curves(others, metric, clips=clips, clip=clip):
            of_series = by_series.setdefault(curve.series, [])
            if len(of_series) > 1:  # the mean of a curve that has single clips
                names = [one.clip for one in of_series]
                rate = mean_delta([one.rate for one in of_series], names)
                quality = mean_delta([one.quality for one in of_series], names)
            else:
                rate, quality = (difference(kind, measured, curve, missing) for kind in kinds)
            own = " (own curve, not measured here)" * (curve.kind == USER)
            of_series.append(
                Comparison(
                    series=curve.series,
                    codec=curve.codec,
                    label=curve.label + own,
                    clip=MEAN if clip is None else clip,
                    metric=metric,
                    rate=_noted(rate, curve),
                    quality=_noted(quality, curve),
                )
            )
    return [one for of_series in by_series.values() for one in of_series]


def _noted(delta: Delta | NotComparable, curve: Curve) -> Delta | NotComparable:
    """The difference, with a note if the curve is a mean over its data set, which has other clips."""
    if curve.clips != (MEAN,) or not isinstance(delta, Delta):
        return delta
    return replace(delta, notes=(*delta.notes, f"{curve.label}: published as a mean over its data set"))
