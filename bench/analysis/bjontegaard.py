"""Bjontegaard differences of two curves, and a curve's value between its points.

A comparison that the data do not carry is refused by name (`Refusal`); its reason stands in the
table where the number would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from bench.analysis.curves import Curve

#: Fewer points than this carry no Bjontegaard difference (the common practice asks for four).
MIN_POINTS = 4
#: Below this share of the narrower curve's range, a difference is flagged as a partial overlap.
FULL_OVERLAP = 0.5


class Refusal(ValueError):  # noqa: N818 - an answer, not a fault
    """Why two curves are not compared."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """A Bjontegaard difference and the interval that carries it.

    Attributes:
        value: percent of rate (`bd_rate`) or units of the metric (`bd_quality`).
        low, high: the common interval, in the metric's units or in bpp.
        share: its part of the narrower curve's range, 0 to 1.
    """

    value: float
    low: float
    high: float
    share: float

    @property
    def flag(self) -> str:
        """A remark for a difference that rests on little; empty where there is none."""
        return f"partial overlap {100 * self.share:.0f} %" if self.share < FULL_OVERLAP else ""


def bd_rate(anchor: Curve, test: Curve) -> Delta:
    """Mean difference of rate at equal quality in percent; negative: `test` needs fewer bits.

    PCHIP of log10(rate) over quality, averaged over the qualities that both curves have (Bjontegaard,
    VCEG-M33, with the piecewise interpolation of JVET's sheets).

    Raises:
        Refusal: fewer than four points, not monotonic, or no common quality.
    """
    digits, axis = anchor.metric.digits, anchor.metric.axis
    delta = _mean_difference(
        anchor, test, lambda c: (c.quality, np.log10(c.rate_bpp)), lambda x: f"{x:.{digits}f}", axis
    )
    return Delta(value=100 * (10**delta.value - 1), low=delta.low, high=delta.high, share=delta.share)


def bd_quality(anchor: Curve, test: Curve) -> Delta:
    """Mean difference of quality at equal rate (BD-PSNR), over the common range of log10(rate).

    Raises:
        Refusal: as in `bd_rate`, with the rates in place of the qualities.
    """
    delta = _mean_difference(
        anchor, test, lambda c: (np.log10(c.rate_bpp), c.quality), lambda x: f"{10**x:.3g}", "bpp"
    )
    return Delta(value=delta.value, low=10**delta.low, high=10**delta.high, share=delta.share)


def _mean_difference(
    anchor: Curve,
    test: Curve,
    axes: Callable[[Curve], tuple[np.ndarray, np.ndarray]],
    text: Callable[[float], str],
    unit: str,
) -> Delta:
    """The mean of y(test) - y(anchor) over the common x; `text` and `unit` word x in a refusal."""
    check(anchor)
    check(test)
    (x_anchor, y_anchor), (x_test, y_test) = axes(anchor), axes(test)
    low, high = max(x_anchor[0], x_test[0]), min(x_anchor[-1], x_test[-1])
    if high <= low:
        ours, theirs = (f"{text(x[0])} to {text(x[-1])}" for x in (x_test, x_anchor))
        raise Refusal(f"no overlap: {ours} against {theirs} {unit}")
    area = PchipInterpolator(x_test, y_test).integrate(low, high)
    area -= PchipInterpolator(x_anchor, y_anchor).integrate(low, high)
    narrower = min(x_anchor[-1] - x_anchor[0], x_test[-1] - x_test[0])
    return Delta(value=float(area / (high - low)), low=low, high=high, share=float((high - low) / narrower))


def check(curve: Curve, min_points: int = MIN_POINTS) -> None:
    """Refuse a curve that cannot be interpolated.

    Raises:
        Refusal: fewer than `min_points`, a rate that is not positive, or quality that does not
            rise with rate (says between which points).
    """
    n = len(curve.points)
    if n < min_points:
        raise Refusal(f"{curve.full_label} has {n} point{'s' * (n != 1)}, {min_points} needed")
    if not np.all(curve.rate_bpp > 0):
        raise Refusal(f"{curve.full_label} has a rate of zero")
    steps = np.flatnonzero((np.diff(curve.rate_bpp) <= 0) | (np.diff(curve.quality) <= 0))
    if len(steps):
        pairs = ", ".join(f"{curve.points[i]} to {curve.points[i + 1]}" for i in steps)
        raise Refusal(f"{curve.full_label} is not monotonic: {pairs}")


def quality_at(curve: Curve, rate_bpp: float) -> float:
    """Quality at a rate between the curve's ends, by PCHIP over log10(rate).

    Raises:
        Refusal: outside the curve's range, or a curve that cannot be interpolated.
    """
    check(curve, min_points=2)
    return _inside(np.log10(curve.rate_bpp), curve.quality, np.log10(rate_bpp), curve)


def rate_at(curve: Curve, quality: float) -> float:
    """Rate in bpp that reaches a quality between the curve's ends; raises as `quality_at`."""
    check(curve, min_points=2)
    return 10 ** _inside(curve.quality, np.log10(curve.rate_bpp), quality, curve)


def _inside(x: np.ndarray, y: np.ndarray, at: float, curve: Curve) -> float:
    # The logarithm of an end point may fall outside by its last digit.
    if not x[0] - 1e-9 <= at <= x[-1] + 1e-9:
        raise Refusal(f"{curve.full_label} has no points on both sides")
    return float(PchipInterpolator(x, y)(np.clip(at, x[0], x[-1])))
