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
metric. A point whose value is the metric's ceiling (VMAF 100, MS-SSIM 1) is left out with a remark: its true
quality is unknown.

A comparison that the data do not support raises `NotComparable` with the reason, which tables print in place
of the number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from bench.analysis.curves import Curve

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


def bd_rate(anchor: Curve, test: Curve) -> Delta:
    """Mean difference of rate at equal quality in percent. Negative: `test` needs fewer bits.

    Raises:
        NotComparable: fewer than four points below the ceiling, not monotonic, or no common quality.
    """
    curves, notes = _checked(anchor, test)
    anchor, test = curves
    delta = mean_difference(rate_over_quality(anchor), rate_over_quality(test))
    if delta is None:
        digits, unit = anchor.metric.digits, anchor.metric.axis
        ranges = (f"{c.quality[0]:.{digits}f} to {c.quality[-1]:.{digits}f}" for c in (test, anchor))
        raise NotComparable(f"no overlap: {' against '.join(ranges)} {unit}")
    low, high = sorted(anchor.metric.direction * end for end in (delta.low, delta.high))
    return replace(delta, value=percent(delta.value), low=low, high=high, axis="qualities", notes=notes)


def bd_quality(anchor: Curve, test: Curve) -> Delta:
    """Mean difference of the metric's value at equal rate (BD-PSNR), over the common interval of log10(rate).

    Positive: `test` has the higher value, which is worse where lower values of the metric are better.

    Raises:
        NotComparable: fewer than four points below the ceiling, not monotonic, or no common rate.
    """
    curves, notes = _checked(anchor, test)
    anchor, test = curves
    delta = mean_difference(quality_over_rate(anchor), quality_over_rate(test))
    if delta is None:
        ranges = (f"{c.rate_bpp[0]:.3g} to {c.rate_bpp[-1]:.3g}" for c in (test, anchor))
        raise NotComparable(f"no overlap: {' against '.join(ranges)} bpp")
    value = anchor.metric.direction * delta.value
    return replace(delta, value=value, low=10**delta.low, high=10**delta.high, axis="rates", notes=notes)


def _checked(anchor: Curve, test: Curve) -> tuple[list[Curve], tuple[str, ...]]:
    """Both curves without the points at the ceiling, checked by `check`, and a note on each of these."""
    curves, notes = [], []
    for curve in (anchor, test):
        kept = below_ceiling(curve)
        left_out = ", ".join(point for point in curve.points if point not in kept.points)
        ceiling = f"the ceiling of {curve.metric.label} ({curve.metric.ceiling:g})" if left_out else ""
        note = f"{curve.full_label} without {left_out}, at {ceiling}" if left_out else ""
        try:
            check(kept)
        except NotComparable as error:
            raise NotComparable("; ".join(filter(None, [error.reason, note]))) from None
        curves.append(kept)
        notes.append(note)
    return curves, tuple(filter(None, notes))


def below_ceiling(curve: Curve) -> Curve:
    """The curve without the points that have the metric's best possible value."""
    if curve.metric.ceiling is None:
        return curve
    sign = curve.metric.direction
    keep = sign * curve.quality < sign * curve.metric.ceiling
    arrays = ("rate_bpp", "quality", "quality_low", "quality_high")
    points = tuple(point for point, kept in zip(curve.points, keep, strict=True) if kept)
    return replace(curve, points=points, **{name: getattr(curve, name)[keep] for name in arrays})


def check(curve: Curve, min_points: int = MIN_POINTS) -> None:
    """Check that a curve can be interpolated.

    Raises:
        NotComparable: fewer than `min_points` points, a rate that is not positive, or quality that does not
            rise with rate (with the points between which it falls).
    """
    n = len(curve.points)
    if n < min_points:
        raise NotComparable(f"{curve.full_label} has {n} point{'s' * (n != 1)}, {min_points} needed")
    if not np.all(curve.rate_bpp > 0):
        raise NotComparable(f"{curve.full_label} has a rate of zero")
    steps = np.flatnonzero((np.diff(curve.rate_bpp) <= 0) | (np.diff(_rising(curve)) <= 0))
    if len(steps):
        pairs = ", ".join(f"{curve.points[i]} to {curve.points[i + 1]}" for i in steps)
        raise NotComparable(f"{curve.full_label} is not monotonic: {pairs}")


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
    curve = below_ceiling(curve)
    check(curve, min_points=2)
    return curve.metric.direction * _evaluate(quality_over_rate(curve), float(np.log10(rate_bpp)), curve)


def rate_at(curve: Curve, quality: float) -> float:
    """Rate in bpp at a value of the metric between the ends of the curve; raises as `quality_at`."""
    curve = below_ceiling(curve)
    check(curve, min_points=2)
    return 10 ** _evaluate(rate_over_quality(curve), curve.metric.direction * quality, curve)


def _evaluate(function: PchipInterpolator, x: float, curve: Curve) -> float:
    low, high = function.x[0], function.x[-1]
    # The logarithm of an end point may lie outside by its last digit.
    if not low - 1e-9 <= x <= high + 1e-9:
        raise NotComparable(f"{curve.full_label} has no points on both sides")
    return float(function(np.clip(x, low, high)))
