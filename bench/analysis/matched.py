"""Series at matched points: at one rate, and at the quality that the anchor has at this rate.

Quality and rate are interpolated by PCHIP between the points of a curve, seconds of encoding and decoding
linearly in their logarithms. Nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis.bjontegaard import NotComparable, quality_at, rate_at
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import label_of
from bench.analysis.point_means import on_one_machine
from bench.analysis.rd_points import CONTROL, MEAN

SIDES = ("encode", "decode")


@dataclass(frozen=True, kw_only=True)
class Match:
    """A series at a rate, and its times there; None where its curve does not reach the rate.

    Attributes:
        rate_bpp, quality: bits per pixel, and the value of the metric.
        encode_s, decode_s: seconds, of the records.
    """

    rate_bpp: float | None = None
    quality: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class MatchedSeries:
    """One series on one clip, or as the mean over clips.

    Attributes:
        equal_rate: at the rate. equal_quality: at the anchor's quality at this rate.
    """

    clip: str
    series: str
    label: str
    equal_rate: Match
    equal_quality: Match


def matched_series(rows: pd.DataFrame, *, anchor: str, metric: str, rate_bpp: float) -> list[MatchedSeries]:
    """All series but controls, on each clip and, for several clips, as the mean over all clips.

    Args:
        anchor: codec id whose quality at `rate_bpp` is the equal quality. metric: quality column.
    """
    rows = rows[rows["kind"] != CONTROL]
    clips: list[str | None] = sorted(rows["clip"].unique())
    matched = []
    for clip in [*clips, *([None] if len(clips) > 1 else [])]:
        of_clip = curves(rows, metric, clip=clip)
        anchor_curve = next((curve for curve in of_clip if curve.series == anchor), None)
        quality = None if anchor_curve is None else _try(quality_at, anchor_curve, rate_bpp)
        for curve in of_clip:
            group = rows[rows["series"] == curve.series]
            times = _times(group if clip is None else group[group["clip"] == clip], curve)
            rate = None if quality is None else _try(rate_at, curve, quality)
            if curve is anchor_curve and rate is not None:
                rate = rate_bpp  # the two interpolations are not exactly inverse to each other
            matched.append(
                MatchedSeries(
                    clip=clip or MEAN,
                    series=curve.series,
                    label=label_of(group),
                    equal_rate=_match(times, rate_bpp, _try(quality_at, curve, rate_bpp)),
                    equal_quality=_match(times, rate, quality),
                )
            )
    return matched


def pareto_mask(values: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Which of n points no other point dominates, shape (n,).

    A point is dominated if another one is at most equal in all values and lower in one.

    Args:
        values: shape (n, k), lower is better.
    """
    table = np.asarray(values, float)
    at_most = (table[:, None] <= table[None]).all(axis=-1)
    lower = (table[:, None] < table[None]).any(axis=-1)
    return ~(at_most & lower).any(axis=0)


def _try(function: Callable[[Curve, float], float], curve: Curve, value: float) -> float | None:
    try:
        return function(curve, value)
    except NotComparable:
        return None


def _times(rows: pd.DataFrame, curve: Curve) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each side, log(rate) of the points with a time, and log(seconds): seeds first, then clips.

    A side whose times are of several machines is left out.
    """
    times = {}
    for side in SIDES:
        column = f"{side}_wall_s"
        if column not in rows or not on_one_machine(rows, column):
            continue
        means = rows.groupby(["point", "clip"])[column].mean().groupby("point").mean()
        pairs = zip(curve.points, curve.rate_bpp, strict=True)
        known = [(rate, means[point]) for point, rate in pairs if means.get(point, 0) > 0]
        if known:
            times[side] = tuple(np.log(np.array(known)).T)
    return times


def _match(
    times: dict[str, tuple[np.ndarray, np.ndarray]], rate_bpp: float | None, quality: float | None
) -> Match:
    if rate_bpp is None or quality is None:
        return Match()
    seconds = {side: float(np.exp(np.interp(np.log(rate_bpp), *pair))) for side, pair in times.items()}
    return Match(
        rate_bpp=rate_bpp,
        quality=quality,
        encode_s=seconds.get("encode"),
        decode_s=seconds.get("decode"),
    )
