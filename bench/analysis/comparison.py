"""Comparison of series: BD-rate and BD-PSNR against an anchor, and between the fitted codecs of a condition.

A BD-rate has a 95 % interval where there are enough observations (`bench.analysis.bootstrap`): on one clip
where the points have three seeds or more, and for the mean over three clips or more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from bench.analysis.bjontegaard import (
    Delta,
    NotComparable,
    bd_quality,
    bd_rate,
    quality_at,
    rate_at,
)
from bench.analysis.bootstrap import (
    MIN_OBSERVATIONS,
    Interval,
    generator,
    interval_of,
    mean_interval,
    resample_seeds,
)
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import codec_label, epochs_of, label_of
from bench.analysis.rd_points import CONTROL, MEAN
from bench.analysis.usable_points import usable
from bench.scoring.metrics import describe

Difference = Callable[[Curve, Curve], Delta]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One series against the anchor, on one clip or as the mean over clips (`clip` is then "mean").

    Attributes:
        rate: BD-rate in percent, or why there is none.
        quality: BD-PSNR, or the like of another metric, in units of the metric, or why there is none.
        interval: 95 % interval of the BD-rate in percent; None where seeds and clips are too few.
    """

    series: str
    codec: str
    label: str
    clip: str
    metric: str
    rate: Delta | NotComparable
    quality: Delta | NotComparable
    interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class EqualRate:
    """A series at one rate; None outside the range of its curve or of the anchor's.

    Attributes:
        quality: in units of the metric.
        anchor_rate_bpp: rate at which the anchor has that quality.
    """

    quality: float | None = None
    anchor_rate_bpp: float | None = None


@dataclass(frozen=True, kw_only=True)
class FitGain:
    """Mean difference of quality at equal rate between two fitted codecs, in one kind of fits.

    Attributes:
        reference: whether these are the reference fits. epochs: of all these fits; None where they differ.
        quality: first codec minus second one, the mean over clips, or why there is none.
    """

    reference: bool
    epochs: int | None
    quality: Delta | NotComparable


@dataclass(frozen=True, kw_only=True)
class FitPair:
    """Two fitted codecs.

    Attributes:
        first, second: labels of the codecs.
        gains: of the reference fits, then of the fits of the condition's budget; only kinds that both have.
        has_references: whether the condition has reference fits.
    """

    first: str
    second: str
    gains: tuple[FitGain, ...]
    has_references: bool


def compare(
    rows: pd.DataFrame,
    *,
    anchor: str,
    metric: str,
    intervals: bool = True,
    upper_hull: bool = False,
) -> list[Comparison]:
    """Compare all series but the anchor and controls with the anchor, on each clip and as the mean over
    clips.

    Series keep the order of the rows. A clip that a series has no points of has no comparison. The mean is
    over the clips that have one; its notes name the others.

    Args:
        anchor: a codec id. metric: column of the quality.
        intervals: whether to compute 95 % intervals (0.1 to 0.4 s for each curve with three seeds).
        upper_hull: whether only points on the upper convex hull of a curve are used.
    """
    clips = sorted(rows["clip"].unique())
    by_clip = {clip: {curve.series: curve for curve in curves(rows, metric, clip=clip)} for clip in clips}
    kinds = [partial(kind, upper_hull=upper_hull) for kind in (bd_rate, bd_quality)]
    comparisons: list[Comparison] = []
    for series, group in rows[(rows["kind"] != CONTROL) & (rows["series"] != anchor)].groupby(
        "series", sort=False
    ):
        label = label_of(group)
        names = {"series": series, "codec": group["codec"].iloc[0], "label": label, "metric": metric}
        missing = [f"{name} has no {describe(metric).label}" for name in (anchor, label)]
        random, of_clips, samples = generator(), [], []
        for clip in clips:
            pair = by_clip[clip].get(anchor), by_clip[clip].get(series)
            rate, quality = (difference(kind, *pair, missing) for kind in kinds)
            resampled = intervals and isinstance(rate, Delta)
            drawn = _resample(rows, pair, random, upper_hull) if resampled else None
            interval = None if drawn is None else interval_of(drawn)
            samples.append(drawn)
            of_clips.append(Comparison(**names, clip=clip, rate=rate, quality=quality, interval=interval))
        comparisons += [one for one in of_clips if one.clip in set(group["clip"])]
        if len(clips) > 1:
            comparisons.append(_mean_comparison(of_clips, samples, random if intervals else None))
    return comparisons


def _resample(
    rows: pd.DataFrame,
    pair: tuple[Curve | None, Curve | None],
    random: np.random.Generator,
    upper_hull: bool,
) -> np.ndarray | None:
    """BD-rates of two curves of one clip with drawn seeds; None where both have too few seeds."""
    anchor, test = pair
    if anchor is None or test is None or max(anchor.seeds, test.seeds) < MIN_OBSERVATIONS:
        return None
    kept = [_seeds(rows, usable(curve, upper_hull=upper_hull)[0]) for curve in (anchor, test)]
    return resample_seeds(kept[0], kept[1], random)


def _seeds(rows: pd.DataFrame, curve: Curve) -> list[np.ndarray]:
    """Rate and quality of each seed, shape (seeds, 2), at each point of a curve of one clip.

    Quality is negative where lower values of the metric are better.
    """
    columns = ["rate_bpp", curve.metric.name]
    rows = rows[(rows["series"] == curve.series) & (rows["clip"] == curve.clips[0])].dropna(subset=columns)
    signs = np.array([1, curve.metric.direction])
    return [signs * rows.loc[rows["point"] == point, columns].to_numpy(float) for point in curve.points]


def _mean_comparison(
    of_clips: Sequence[Comparison],
    samples: Sequence[np.ndarray | None],
    random: np.random.Generator | None,
) -> Comparison:
    """The mean over clips of one series; `samples` are the resamples of each clip's seeds."""
    clips = [one.clip for one in of_clips]
    rate = mean_delta([one.rate for one in of_clips], clips)
    quality = mean_delta([one.quality for one in of_clips], clips)
    pairs = [(c.rate.value, s) for c, s in zip(of_clips, samples, strict=True) if isinstance(c.rate, Delta)]
    values, drawn = [value for value, _ in pairs], [sample for _, sample in pairs]
    interval = mean_interval(values, drawn, random) if random and isinstance(rate, Delta) else None
    return replace(of_clips[0], clip=MEAN, rate=rate, quality=quality, interval=interval)


def overall(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """One comparison for each series: its mean over clips, or that on its only clip."""
    with_mean = {one.series for one in comparisons if one.clip == MEAN}
    return [one for one in comparisons if one.clip == MEAN or one.series not in with_mean]


def difference(
    kind: Difference, anchor: Curve | None, test: Curve | None, missing: Sequence[str]
) -> Delta | NotComparable:
    """`kind(anchor, test)`, or the reason why there is none.

    Args:
        missing: reasons for a missing anchor and for a missing tested curve.
    """
    if anchor is None or test is None:
        return NotComparable(missing[0] if anchor is None else missing[1])
    try:
        return kind(anchor, test)
    except NotComparable as reason:
        return reason


def mean_delta(deltas: Sequence[Delta | NotComparable], clips: Sequence[str]) -> Delta | NotComparable:
    """Mean of the differences over the clips that have one. Its interval is the intersection of theirs.

    A note names the clips without a difference. If fewer than two clips have one, there is no mean.
    """
    pairs = list(zip(clips, deltas, strict=True))
    values = [delta for delta in deltas if isinstance(delta, Delta)]
    without = ", ".join(clip for clip, delta in pairs if not isinstance(delta, Delta))
    if len(values) < 2:
        return NotComparable(f"no mean: no number on {without}")
    notes = [f"{clip}: {note}" for clip, delta in pairs if isinstance(delta, Delta) for note in delta.notes]
    if without:
        notes.insert(0, f"mean over {len(values)} of {len(deltas)} clips: no number on {without}")
    return Delta(
        value=sum(delta.value for delta in values) / len(values),
        low=max(delta.low for delta in values),
        high=min(delta.high for delta in values),
        share=min(delta.share for delta in values),
        axis=values[0].axis,
        notes=tuple(notes),
        clips=len(values),
    )


def at_equal_rate(rows: pd.DataFrame, *, anchor: str, metric: str, rate_bpp: float) -> dict[str, EqualRate]:
    """Each series that every clip has, at one rate, by the name of the series."""
    of_all_clips = {curve.series: curve for curve in curves(rows, metric)}
    anchor_curve = of_all_clips.get(anchor)
    values = {}
    for series, curve in of_all_clips.items():
        quality = anchor_rate = None
        try:
            quality = quality_at(curve, rate_bpp)
            anchor_rate = rate_at(anchor_curve, quality) if anchor_curve else None
        except NotComparable:
            pass  # the rate is outside one of the curves
        values[series] = EqualRate(quality=quality, anchor_rate_bpp=anchor_rate)
    return values


def compare_fits(rows: pd.DataFrame, *, metric: str) -> Iterator[FitPair]:
    """Compare the fitted codecs with each other: all pairs of up to three, else each with the first one."""
    fitted = rows[rows["kind"] == "fitted"]
    codecs = list(fitted["codec"].drop_duplicates())
    pairs = combinations(codecs, 2) if len(codecs) <= 3 else ((codecs[0], other) for other in codecs[1:])
    for pair in pairs:
        gains = []
        for reference in (True, False):
            fits = fitted[fitted["codec"].isin(pair) & (fitted["reference"] == reference)]
            if fits["codec"].nunique() == 2:
                quality = _fit_difference(fits, pair, metric)
                gains.append(FitGain(reference=reference, epochs=epochs_of(fits), quality=quality))
        first, second = (codec_label(fitted, codec) for codec in pair)
        has_references = bool(fitted["reference"].any())
        yield FitPair(first=first, second=second, gains=tuple(gains), has_references=has_references)


def _fit_difference(fits: pd.DataFrame, pair: tuple[str, str], metric: str) -> Delta | NotComparable:
    """Quality of the first codec minus that of the second at equal rate, the mean over their common clips.

    Where a single clip of several has a number, it is that of this clip, and a note says so.
    """
    clips_of = fits.groupby("codec")["clip"].agg(set)
    clips = sorted(clips_of[pair[0]] & clips_of[pair[1]])
    if not clips:
        return NotComparable("they have no clip in common")
    deltas = []
    for clip in clips:
        by_codec = {curve.codec: curve for curve in curves(fits, metric, clip=clip)}
        first, second = (by_codec.get(codec) for codec in pair)
        missing = [f"{codec} has no {describe(metric).label}" for codec in pair[::-1]]
        deltas.append(difference(bd_quality, second, first, missing))
    if len(deltas) == 1:
        return deltas[0]
    values = {clip: delta for clip, delta in zip(clips, deltas, strict=True) if isinstance(delta, Delta)}
    if len(values) != 1:
        return mean_delta(deltas, clips)
    ((only, delta),) = values.items()
    without = ", ".join(clip for clip in clips if clip != only)
    return replace(delta, notes=(f"{only} only: no number on {without}", *delta.notes))
