"""Frame interpolation: quality of the frames that a network was fitted to, and of the held-out frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.labels import label_of
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.scoring.metrics import FITTED, HELD_OUT


@dataclass(frozen=True, kw_only=True)
class Interpolation:
    """One point that was fitted to a part of the frames; means over seeds.

    Attributes:
        values: `<metric>_fitted` and `<metric>_held_out` -> mean over the fitted and the held-out frames.
    """

    clip: str
    series: str
    label: str
    point: str
    seeds: int
    rate_bpp: float
    values: Mapping[str, float]


def interpolations(points_csv: Path | str, *, metrics: Sequence[str]) -> list[Interpolation]:
    """All points with held-out frames, in the order of the rows.

    Raises:
        BenchError: no points, or no point with held-out frames.
    """
    rows = load_points(points_csv)
    columns = [f"{metric}{suffix}" for metric in metrics for suffix in (FITTED, HELD_OUT)]
    columns = [column for column in columns if column in rows]
    rows = rows.dropna(subset=columns, how="all") if columns else rows[:0]
    if rows.empty:
        raise BenchError(points_csv, "no fit with held-out frames", "set fit_every above 1 in the condition")
    points = []
    for (clip, series, point), group in rows.groupby(["clip", "series", "point"], sort=False):
        means = group[["rate_bpp", *columns]].mean().to_dict()
        rate, seeds = means.pop("rate_bpp"), group["run"].nunique()
        points.append(
            Interpolation(
                clip=clip,
                series=series,
                label=label_of(group),
                point=point,
                seeds=seeds,
                rate_bpp=rate,
                values=means,
            )
        )
    return points
