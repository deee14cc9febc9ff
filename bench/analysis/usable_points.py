"""Points of an RD curve that a Bjontegaard difference uses, and notes that name the points left out.

These points are left out:

| point | because |
|---|---|
| at the ceiling of the metric (VMAF 100, MS-SSIM 1) | its true quality is unknown |
| VMAF of 99.5 or more that does not rise with rate, and all points of higher rates | VMAF is saturated |
| with the rate and the quality of another point | it is a duplicate |
| another point has at most its rate and at least its quality | it is not monotonic |
| below the upper convex hull over log10(rate) | the condition sets `curves: upper_hull` |

The rule for VMAF is that of AOM's common test conditions. What remains rises strictly in rate and quality.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bench.analysis.curves import Curve

#: Prefix of the names of metrics that saturate -> the value from which they do.
SATURATION = {"vmaf": 99.5}


def usable(curve: Curve, *, upper_hull: bool = False) -> tuple[Curve, tuple[str, ...]]:
    """The curve of the points that are used, by rate, and one note for each reason to leave points out.

    Args:
        curve: sorted by rate, as `bench.analysis.curves` returns it.
        upper_hull: whether only points on the upper convex hull are used.
    """
    label, metric = curve.full_label, curve.metric
    quality = metric.direction * curve.quality
    ceiling = np.inf if metric.ceiling is None else metric.direction * metric.ceiling
    order = sorted(range(len(curve.points)), key=lambda i: (curve.rate_bpp[i], quality[i]))
    below = [i for i in order if quality[i] < ceiling]
    unsaturated = below[: _saturation(curve, below)]
    distinct = list({(curve.rate_bpp[i], quality[i]): i for i in reversed(unsaturated)}.values())[::-1]
    rising: list[int] = []
    for i in distinct:
        # An earlier point of the same rate has at most this quality.
        if rising and curve.rate_bpp[rising[-1]] == curve.rate_bpp[i]:
            rising.pop()
        if not rising or quality[i] > quality[rising[-1]]:
            rising.append(i)
    kept = _hull(curve, rising) if upper_hull and (curve.rate_bpp > 0).all() else rising
    steps = {
        f"at the ceiling of {metric.label} ({ceiling * metric.direction:g})": (order, below),
        f"where {metric.label} is saturated": (below, unsaturated),
        "duplicate": (unsaturated, distinct),
        f"not monotonic in {metric.label}": (distinct, rising),
        "below the upper hull": (rising, kept),
    }
    notes = []
    for reason, (before, after) in steps.items():
        if left_out := [curve.points[i] for i in before if i not in after]:
            notes.append(f"{label} without {', '.join(left_out)}, {reason}")
    return _selected(curve, kept), tuple(notes)


def _saturation(curve: Curve, order: list[int]) -> int | None:
    """Position of the first point of a saturated metric that does not rise; None without one."""
    level = next((value for name, value in SATURATION.items() if curve.metric.name.startswith(name)), None)
    if level is None:
        return None
    values = curve.quality[order]
    falls = (position for position in range(1, len(order)) if values[position] <= values[position - 1])
    return next((position for position in falls if values[position] >= level), None)


def _hull(curve: Curve, order: Iterable[int]) -> list[int]:
    """The points on the upper convex hull of quality over log10(rate)."""
    rate, quality = np.log10(curve.rate_bpp), curve.metric.direction * curve.quality
    hull: list[int] = []
    for i in order:
        while len(hull) > 1:
            a, b = hull[-2:]
            # Points on the line between two others are on the hull, up to rounding.
            line = quality[a] + (quality[i] - quality[a]) * (rate[b] - rate[a]) / (rate[i] - rate[a])
            if quality[b] >= line - 1e-9:
                break
            hull.pop()
        hull.append(i)
    return hull


def _selected(curve: Curve, kept: list[int]) -> Curve:
    arrays = ("rate_bpp", "quality", "quality_low", "quality_high")
    points = tuple(curve.points[i] for i in kept)
    return replace(curve, points=points, **{name: getattr(curve, name)[kept] for name in arrays})
