"""Confidence intervals of BD-rates: 95 % percentile bootstrap over seeds and over clips.

The percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, Chapter 13.3) draws n
of n observations with replacement, computes the statistic, repeats this 2000 times, and takes the 2.5 % and
97.5 % quantiles of the results. Two kinds of observations are drawn:

* Seeds, where a curve has at least three at every point: at each point as many as it has. The curve of their
  means is compared again. A curve with fewer seeds stays as it is.
* Clips, where there are at least three: as many BD-rates as there are clips, whose mean is the statistic. The
  BD-rate of a clip whose seeds were drawn is a random one of its resamples.

The random generator has a fixed seed, so tables are reproducible.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from bench.analysis.bjontegaard import mean_difference, percent

RESAMPLES = 2000
#: Least number of clips or seeds that are resampled.
MIN_OBSERVATIONS = 3
_PERCENTILES = (2.5, 97.5)
_SEED = 20190613

#: Lower and upper end, in percent.
Interval = tuple[float, float]


def generator() -> np.random.Generator:
    """The random generator of one series."""
    return np.random.default_rng(_SEED)


def resample_seeds(
    anchor: Sequence[np.ndarray], test: Sequence[np.ndarray], random: np.random.Generator
) -> np.ndarray | None:
    """BD-rates in percent of two curves whose seeds are drawn with replacement.

    Args:
        anchor, test: for each point of a curve, sorted by rate, an array (seeds, 2) of rate and quality.

    Returns:
        Shape (RESAMPLES,). None where neither curve has enough seeds, or where a resample is not comparable
        (not monotonic, or no common quality).
    """
    if not (_has_enough_seeds(anchor) or _has_enough_seeds(test)):
        return None
    curves = [_draw(points, random) for points in (anchor, test)]
    if not all((np.diff(drawn, axis=1) > 0).all() and (drawn[:, 0, 0] > 0).all() for drawn in curves):
        return None
    anchors, tests = (
        [PchipInterpolator(quality, np.log10(rate)) for rate, quality in drawn.transpose(0, 2, 1)]
        for drawn in curves
    )
    samples = []
    for index in range(RESAMPLES):
        # A curve that is not drawn has one resample.
        delta = mean_difference(anchors[index % len(anchors)], tests[index % len(tests)])
        if delta is None:
            return None
        samples.append(percent(delta.value))
    return np.array(samples)


def interval_of(samples: np.ndarray) -> Interval:
    """The 95 % interval of resamples, shape (n,)."""
    low, high = np.percentile(samples, _PERCENTILES)
    return float(low), float(high)


def mean_interval(
    values: Sequence[float], samples: Sequence[np.ndarray | None], random: np.random.Generator
) -> Interval | None:
    """The 95 % interval of the mean of BD-rates over clips; None where neither seeds nor clips are drawn.

    Args:
        values: BD-rate of each clip in percent. samples: `resample_seeds` of each clip.
    """
    n = len(values)
    pairs = zip(values, samples, strict=True)
    table = np.array([np.full(RESAMPLES, value) if drawn is None else drawn for value, drawn in pairs])
    if n >= MIN_OBSERVATIONS:
        clips = random.integers(n, size=(n, RESAMPLES))
        resamples = random.integers(RESAMPLES, size=(n, RESAMPLES))
        return interval_of(table[clips, resamples].mean(axis=0))
    return interval_of(table.mean(axis=0)) if any(drawn is not None for drawn in samples) else None


def _has_enough_seeds(points: Sequence[np.ndarray]) -> bool:
    return min(map(len, points)) >= MIN_OBSERVATIONS


def _draw(points: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Curves of means over drawn seeds, (RESAMPLES, points, 2); (1, points, 2) of a curve with few seeds."""
    if not _has_enough_seeds(points):
        return np.array([[seeds.mean(axis=0) for seeds in points]])
    drawn = [seeds[random.integers(len(seeds), size=(RESAMPLES, len(seeds)))] for seeds in points]
    return np.stack([seeds.mean(axis=1) for seeds in drawn], axis=1)
