"""Bjontegaard differences of two RD curves (BD-rate, BD-PSNR), and values between the points of a curve.

BD-rate is the mean difference of two codecs' rates at equal quality. Let l_A(q) and l_B(q) be log10 of the
rates that the anchor A and the tested codec B need for quality q, and [a, b] the interval of qualities that
both reach:

    BD-rate = 10^d - 1,    d = 1 / (b - a) * integral from a to b of (l_B(q) - l_A(q)) dq.

10^d is the geometric mean of the ratio of the rates, so halving and doubling the rate cancel out. BD-PSNR
swaps the axes: the mean difference of quality over the common interval of log10(rate).

Bjontegaard interpolates the points with one cubic polynomial (ITU-T VCEG-M33, 2001). Here they are
interpolated by PCHIP, the piecewise cubic that keeps monotonic data monotonic (Fritsch and Butland, SIAM J.
Sci. Stat. Comput. 1984), as in the sheets of JVET's common test conditions.

Where lower values of a metric are better, q is the negative value, so that quality rises with rate for every
metric. Points at a metric's ceiling, duplicates and points that are not monotonic are left out with a note
(`bench.analysis.usable_points`). A curve is never extrapolated.

A comparison that the data do not support raises `NotComparable` with the reason, which tables print in place
of the number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from bench.analysis.curves import Curve
from bench.analysis.usable_points import usable

#: Least number of points of a curve that is compared, as the common test conditions require.
MIN_POINTS = 4
#: A common interval below this share of the narrower curve's range is remarked as a partial overlap.
FULL_OVERLAP = 0.5


class NotComparable(ValueError):  # noqa: N818 - a result that tables print
    """Reason why two curves are not compared."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """A Bjontegaard difference and the common interval that it is a mean over.

    Attributes:
        value: percent of rate (`bd_rate`), or units of the metric (`bd_quality`).
        low, high: the common interval, in units of the metric (`bd_rate`) or in bpp (`bd_quality`).
        share: length of the interval divided by the range of the narrower curve, 0 to 1.
        axis: values of the interval: "qualities" (`bd_rate`) or "rates" (`bd_quality`).
        notes: remarks on points or clips that are left out.
        clips: number of clips that `value` is a mean over.
    """

    value: float
    low: float
    high: float
    share: float
    axis: str = ""
    notes: tuple[str, ...] = ()
    clips: int = 1

    @property
    def remark(self) -> str:
        """The notes, and a remark on a small common interval; empty without any."""
        small = f"partial overlap of {self.axis}: {100 * self.share:.0f} %"
        return "; ".join([*([small] if self.share < FULL_OVERLAP else []), *self.notes])


def bd_rate(anchor: Curve, test: Curve, *, upper_hull: bool = False) -> Delta:
    """Mean difference of rate at equal quality in percent. Negative: `test` needs fewer bits.

    Args:
        upper_hull: whether only points on the upper convex hulls of both curves are used.

    Raises:
        NotComparable: fewer than four usable points on a curve, or no common quality.
    """
    (anchor, test), notes = _checked(anchor, test, upper_hull)
    delta = mean_difference(rate_over_quality(anchor), rate_over_quality(test))
    if delta is None:
        raise NotComparable(_no_common_quality(anchor, test))
    low, high = sorted(anchor.metric.direction * end for end in (delta.low, delta.high))
    return replace(delta, value=percent(delta.value), low=low, high=high, axis="qualities", notes=notes)


def bd_quality(anchor: Curve, test: Curve, *, upper_hull: bool = False) -> Delta:
    """Mean difference of the metric's value at equal rate (BD-PSNR), over the common interval of log10(rate).

    Positive: `test` has the higher value, which is worse where lower values of the metric are better.

    Args:
        upper_hull: whether only points on the upper convex hulls of both curves are used.

    Raises:
        NotComparable: fewer than four usable points on a curve, or no common rate.
    """
    (anchor, test), notes = _checked(anchor, test, upper_hull)
    delta = mean_difference(quality_over_rate(anchor), quality_over_rate(test))
    if delta is None:
        ranges = (f"{c.rate_bpp[0]:.3g} to {c.rate_bpp[-1]:.3g}" for c in (test, anchor))
        raise NotComparable(f"no overlap: {' against '.join(ranges)} bpp")
    value = anchor.metric.direction * delta.value
    return replace(delta, value=value, low=10**delta.low, high=10**delta.high, axis="rates", notes=notes)


def rate_differences(
    anchor: Curve, test: Curve, *, count: int = 100, upper_hull: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Qualities in the common interval, and by how many percent `test` has another rate at each of them.

    The relative curve difference of Herglotz et al., "The Bjøntegaard Bible" (IEEE Trans. Image Process.
    2024). The mean of its log10 over quality is the BD-rate.

    Returns:
        Two arrays of shape (count,), the qualities in units of the metric in rising order.

    Raises:
        NotComparable: as `bd_rate`.
    """
    (anchor, test), _ = _checked(anchor, test, upper_hull)
    of_anchor, of_test = rate_over_quality(anchor), rate_over_quality(test)
    common = mean_difference(of_anchor, of_test)
    if common is None:
        raise NotComparable(_no_common_quality(anchor, test))
    x = np.linspace(common.low, common.high, count)
    order = slice(None, None, anchor.metric.direction)
    percents = 100 * (10 ** (of_test(x) - of_anchor(x)) - 1)
    return (anchor.metric.direction * x)[order], percents[order]


def _checked(anchor: Curve, test: Curve, upper_hull: bool) -> tuple[tuple[Curve, Curve], tuple[str, ...]]:
    """The usable points of both curves, and the notes on those that are left out.

    Raises:
        NotComparable: fewer than four points are left, with the notes.
    """
    curves: list[Curve] = []
    notes: list[str] = []
    for curve in (anchor, test):
        kept, left_out = usable(curve, upper_hull=upper_hull)
        try:
            check(kept)
        except NotComparable as error:
            raise NotComparable("; ".join([error.reason, *left_out])) from None
        curves.append(kept)
        notes += left_out
    return (curves[0], curves[1]), tuple(notes)


def _no_common_quality(anchor: Curve, test: Curve) -> str:
    digits, unit = anchor.metric.digits, anchor.metric.axis
    ranges = (f"{c.quality[0]:.{digits}f} to {c.quality[-1]:.{digits}f}" for c in (test, anchor))
    return f"no overlap: {' against '.join(ranges)} {unit}"


def check(curve: Curve, min_points: int = MIN_POINTS) -> None:
    """Check that the usable points of a curve can be interpolated.

    Raises:
        NotComparable: fewer than `min_points` points, or a rate that is not positive.
    """
    n = len(curve.points)
    if n < min_points:
        raise NotComparable(f"{curve.full_label} has {n} point{'s' * (n != 1)}, {min_points} needed")
    if not np.all(curve.rate_bpp > 0):
        raise NotComparable(f"{curve.full_label} has a rate of zero")


def rate_over_quality(curve: Curve) -> PchipInterpolator:
    """log10(rate in bpp) as a function of quality, negative where lower values of the metric are better."""
    return PchipInterpolator(_rising(curve), np.log10(curve.rate_bpp))


def quality_over_rate(curve: Curve) -> PchipInterpolator:
    """Quality as a function of log10(rate in bpp), negative where lower values of the metric are better."""
    return PchipInterpolator(np.log10(curve.rate_bpp), _rising(curve))


def _rising(curve: Curve) -> np.ndarray:
    """The values of the metric, negative where lower values are better."""
    return curve.metric.direction * curve.quality


def mean_difference(anchor: PchipInterpolator, test: PchipInterpolator) -> Delta | None:
    """Mean of test(x) - anchor(x) over the interval where both are defined; None without such an interval."""
    low, high = max(anchor.x[0], test.x[0]), min(anchor.x[-1], test.x[-1])
    if high <= low:
        return None
    area = test.integrate(low, high) - anchor.integrate(low, high)
    narrower = min(anchor.x[-1] - anchor.x[0], test.x[-1] - test.x[0])
    return Delta(value=float(area / (high - low)), low=low, high=high, share=float((high - low) / narrower))


def percent(log_ratio: float) -> float:
    """Percent by which a rate is higher whose log10 is higher by `log_ratio`."""
    return 100 * (10**log_ratio - 1)


def quality_at(curve: Curve, rate_bpp: float) -> float:
    """Value of the metric at a rate between the ends of the curve.

    Raises:
        NotComparable: a rate outside the curve, or a curve that cannot be interpolated.
    """
    curve, _ = usable(curve)
    check(curve, min_points=2)
    return curve.metric.direction * _evaluate(quality_over_rate(curve), float(np.log10(rate_bpp)), curve)


def rate_at(curve: Curve, quality: float) -> float:
    """Rate in bpp at a value of the metric between the ends of the curve; raises as `quality_at`."""
    curve, _ = usable(curve)
    check(curve, min_points=2)
    return 10 ** _evaluate(rate_over_quality(curve), curve.metric.direction * quality, curve)


def _evaluate(function: PchipInterpolator, x: float, curve: Curve) -> float:
    low, high = function.x[0], function.x[-1]
    # The logarithm of an end point may lie outside by its last digit.
    if not low - 1e-9 <= x <= high + 1e-9:
        raise NotComparable(f"{curve.full_label} has no points on both sides")
    return float(function(np.clip(x, low, high)))
