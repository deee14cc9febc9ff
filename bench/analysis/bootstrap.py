"""How sure a BD-rate is: 95 % intervals by the percentile bootstrap, over clips and over seeds.

What is drawn with replacement, 2000 times:

* seeds: at each point of a curve with at least three at every point, as many seeds as it has. The curve of
  their means is compared anew. Points of a curve with fewer seeds stay as they are.
* clips: of three or more, as many BD-rates as there are clips, and their mean taken; where a clip's seeds
  were drawn as well, each time a BD-rate among those of its drawn seeds.

Generators are made from one number, so that a table is the same every time. Resamples of seeds are many
short curves, so PCHIP is computed for all at once; it is that of `scipy.interpolate.PchipInterpolator` for
curves that rise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000
#: Fewer clips or seeds than this say nothing of their spread.
ENOUGH = 3
_PERCENTILES = (2.5, 97.5)
_SEED = 20190613

Interval = tuple[float, float]


def generator() -> np.random.Generator:
    """The source of one series' draws, the same every time."""
    return np.random.default_rng(_SEED)


def resample_seeds(
    anchor: Sequence[np.ndarray], test: Sequence[np.ndarray], random: np.random.Generator
) -> np.ndarray | None:
    """BD-rates in percent, shape (RESAMPLES,), of two curves whose points have their seeds drawn anew.

    Args:
        anchor, test: for each point an array (seeds, 2) of rate and quality.

    Returns:
        None where neither curve has enough seeds, or where any resample cannot be compared.
    """
    if not (_enough(anchor) or _enough(test)):
        return None
    found = bd_rates(_draw(anchor, random), _draw(test, random))
    return None if np.isnan(found).any() else found


def interval_of(samples: np.ndarray) -> Interval:
    """The 95 % interval of resamples, shape (n,)."""
    low, high = np.percentile(samples, _PERCENTILES)
    return float(low), float(high)


def mean_interval(
    values: Sequence[float], samples: Sequence[np.ndarray | None], random: np.random.Generator
) -> Interval | None:
    """The interval of the mean over clips; None where there is nothing to draw.

    Args:
        values: each clip's BD-rate; samples: each clip's `resample_seeds`.
    """
    pairs = zip(values, samples, strict=True)
    table = np.array([np.full(RESAMPLES, value) if own is None else own for value, own in pairs])
    n = len(values)
    if n >= ENOUGH:
        clips, places = (
            random.integers(n, size=(n, RESAMPLES)),
            random.integers(RESAMPLES, size=(n, RESAMPLES)),
        )
        return interval_of(table[clips, places].mean(axis=0))
    return interval_of(table.mean(axis=0)) if any(own is not None for own in samples) else None


def bd_rates(anchor: np.ndarray, test: np.ndarray) -> np.ndarray:
    """`bench.analysis.bjontegaard.bd_rate` of many pairs of curves: percent, shape (n,); NaN where it would
    refuse.

    Args:
        anchor, test: rates and qualities, shape (n, points, 2), points in the order of rate.
    """
    sound = _rises(anchor) & _rises(test)
    low = np.maximum(anchor[:, 0, 1], test[:, 0, 1])
    high = np.minimum(anchor[:, -1, 1], test[:, -1, 1])
    sound &= high > low
    found = np.full(len(sound), np.nan)
    low, high = low[sound], high[sound]
    areas = [
        _integral(curve[sound, :, 1], np.log10(curve[sound, :, 0]), low, high) for curve in (anchor, test)
    ]
    found[sound] = 100 * (10 ** ((areas[1] - areas[0]) / (high - low)) - 1)
    return found


def _enough(points: Sequence[np.ndarray]) -> bool:
    return min(map(len, points)) >= ENOUGH


def _draw(points: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Curves of means over drawn seeds, shape (RESAMPLES, points, 2); all alike of a curve with too few."""
    if not _enough(points):
        means = np.array([seeds.mean(axis=0) for seeds in points])
        return np.broadcast_to(means, (RESAMPLES, *means.shape))
    drawn = [seeds[random.integers(len(seeds), size=(RESAMPLES, len(seeds)))] for seeds in points]
    return np.stack([seeds.mean(axis=1) for seeds in drawn], axis=1)


def _rises(curves: np.ndarray) -> np.ndarray:
    """Whether rate, which is above zero, and quality rise from point to point; shape (n,)."""
    return (np.diff(curves, axis=1) > 0).all(axis=(1, 2)) & (curves[:, 0, 0] > 0)


def _integral(x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The integrals from `low` to `high`, shape (n,), of PCHIP through rising points x, y, (n, points)."""
    h, slope = np.diff(x), _slopes(x, y)
    whole = h * (y[:, 1:] + y[:, :-1]) / 2 + h**2 * (slope[:, :-1] - slope[:, 1:]) / 12
    before = np.concatenate([np.zeros((len(x), 1)), np.cumsum(whole, axis=1)], axis=1)

    def up_to(at: np.ndarray) -> np.ndarray:
        piece = np.clip((x <= at[:, None]).sum(axis=1) - 1, 0, h.shape[1] - 1)
        rows = np.arange(len(x))
        start, width = x[rows, piece], h[rows, piece]
        left, right = slope[rows, piece], slope[rows, piece + 1]
        secant = (y[rows, piece + 1] - y[rows, piece]) / width
        square, cube = (3 * secant - 2 * left - right) / width, (left + right - 2 * secant) / width**2
        u = at - start
        part = u * (y[rows, piece] + u * (left / 2 + u * (square / 3 + u * cube / 4)))
        return before[rows, piece] + part

    return up_to(high) - up_to(low)


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """PCHIP's derivatives at the points of rising curves (Fritsch and Butland 1984), shape of x."""
    h = np.diff(x)
    secant = np.diff(y) / h
    after, ahead = 2 * h[:, 1:] + h[:, :-1], h[:, 1:] + 2 * h[:, :-1]
    inner = (after + ahead) / (after / secant[:, :-1] + ahead / secant[:, 1:])
    ends = [
        np.maximum(((2 * h0 + h1) * s0 - h0 * s1) / (h0 + h1), 0)
        for h0, h1, s0, s1 in (
            (h[:, 0], h[:, 1], secant[:, 0], secant[:, 1]),
            (h[:, -1], h[:, -2], secant[:, -1], secant[:, -2]),
        )
    ]
    return np.column_stack([ends[0], inner, ends[1]])
