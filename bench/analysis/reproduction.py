"""Reproduction: each measured point with the published point that is nearest, and whole curves by BD-rate.

Rates are compared where the source states them, otherwise numbers of parameters. Nothing is corrected for
differences in size, colour, averaging or the definition of rate; sources.csv lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.bjontegaard import Delta, NotComparable, bd_quality, bd_rate, quality_at
from bench.analysis.comparison import difference
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import epochs_of, label_of
from bench.analysis.point_means import point_means
from bench.analysis.published import Selector, at_clips, reported_curves, select
from bench.analysis.rd_points import MEAN
from bench.base.errors import BenchError

#: In place of a point's name: the row compares whole curves. No point can have a name with a space.
CURVE = "whole curve"
RATE, SIZE = "rate_bpp", "parameters"
ONLY_MEAN = "published as a mean over its data set"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured point and the published point nearest to it, or two curves (`point` is then `CURVE`).

    Attributes:
        clip: the measured clip, or "mean" over all of them.
        rate_bpp_paper: rate of the measured point as the codec's paper counts it.
        rate_percent, parameters_percent: by how much the measured point exceeds the published one.
        difference: value minus published_value, in units of the metric.
        equal_rate_difference: value minus the value of the published curve at the measured rate.
        bd_rate_percent, bd_quality: measured curve against the published one; negative percent: fewer bits.
        remark: in what the two differ, or why a number is missing.
    """

    condition: str
    clip: str
    series: str
    codec: str
    label: str
    metric: str
    source: str
    published_label: str
    point: str
    published_point: str = ""
    rate_bpp: float | None = None
    rate_bpp_paper: float | None = None
    published_rate_bpp: float | None = None
    rate_percent: float | None = None
    parameters: float | None = None
    published_parameters: float | None = None
    parameters_percent: float | None = None
    value: float | None = None
    published_value: float | None = None
    difference: float | None = None
    equal_rate_difference: float | None = None
    bd_rate_percent: float | None = None
    bd_quality: float | None = None
    remark: str = ""


def reproduce(
    rows: pd.DataFrame,
    *,
    selectors: Sequence[Selector],
    metrics: Sequence[str],
    sequences: Mapping[str, str] | None = None,
) -> list[Row]:
    """Compare measured series with their published counterparts.

    Args:
        selectors: published methods; those without a codec are ignored.
        metrics: columns of qualities; one that a source or the records lack has no rows.
        sequences: clip -> name of its sequence, which published points use.

    Returns:
        Rows sorted by selector, metric and clip (the mean over clips last); the curve follows its points.

    Raises:
        BenchError: an unknown source or label, a wrong file, or a selector with several methods.
    """
    names = sequences or {}
    clips = {clip: names.get(clip, clip) for clip in sorted(rows["clip"].unique())}
    compared: list[Row] = []
    for selector in selectors:
        if selector.codec is None:
            continue
        published, measured = select([selector]), rows[rows["codec"] == selector.codec]
        labels = sorted(published["label"].unique())
        if len(labels) > 1:
            where = f"published: {selector.source}"
            raise BenchError(where, f"has {len(labels)} methods", f"choose a label: {', '.join(labels)}")
        for metric in metrics:
            if metric in published and metric in measured:
                for clip in [*clips, None] if len(clips) > 1 else [None]:
                    compared += _compare(measured, published, metric, clips=clips, clip=clip)
    return compared


def without_rows(rows: Sequence[Row], selectors: Sequence[Selector]) -> list[tuple[str, str, str]]:
    """Counterparts that have no row: codec, published label, source."""
    shown = {(row.codec, row.source, row.published_label) for row in rows}
    missing = []
    for selector in selectors:
        if selector.codec is not None:
            first = select([selector]).iloc[0]
            if (selector.codec, first["source"], first["label"]) not in shown:
                missing.append((selector.codec, first["label"], selector.source))
    return missing


def _compare(
    measured: pd.DataFrame,
    published: pd.DataFrame,
    metric: str,
    *,
    clips: Mapping[str, str],
    clip: str | None,
) -> Iterator[Row]:
    """Each measured series against one published method, on one clip or as the mean over all."""
    axis = RATE if RATE in published and published[RATE].notna().any() else SIZE
    published_rows = at_clips(published.dropna(subset=[metric, axis]), clips, clip=clip)
    if published_rows.empty:
        return
    published_curves = reported_curves(published, metric, clips=clips, clip=clip)
    wanted = set(clips) if clip is None else {clip}
    valued = measured[measured["clip"].isin(wanted) & measured[metric].notna()]
    for series, group in valued.groupby("series", sort=False):
        if set(group["clip"]) != wanted:
            continue  # a mean over other clips does not compare
        names = {
            "condition": group["condition"].iloc[0],
            "clip": MEAN if len(wanted) > 1 else next(iter(wanted)),
            "series": series,
            "codec": group["codec"].iloc[0],
            "label": label_of(group),
            "metric": metric,
            "source": published["source"].iloc[0],
            "published_label": published["label"].iloc[0],
        }
        points = point_means(group, metrics=[metric, "rate_bpp_paper"], per_clip=False)
        for point in points[points["clips"] == len(wanted)].to_dict("records"):
            values = _point_values(point, published_rows, metric, axis, epochs_of(group), published_curves)
            yield Row(**names, **values)
        measured_curve = curves(group, metric)[0]
        yield from (Row(**names, **_curve_values(measured_curve, curve)) for curve in published_curves)


def _point_values(
    measured: Mapping[str, Any],
    published_rows: pd.DataFrame,
    metric: str,
    axis: str,
    epochs: int | None,
    published_curves: Sequence[Curve],
) -> dict[str, Any]:
    """A measured point and the published point whose rate (or size) is nearest by ratio."""
    values = {
        "point": measured["point"],
        "value": measured[metric],
        **{name: measured.get(name) for name in (RATE, "rate_bpp_paper", SIZE)},
    }
    amount = measured.get(axis)
    if amount is None or not amount > 0:
        return values | {"remark": f"no {axis} measured"}
    points, remarks = _published_points(published_rows, epochs)
    if points.empty:
        return values | {"remark": "no published point has all clips"}
    nearest = points.loc[np.abs(np.log(points[axis] / amount)).idxmin()]
    values |= {
        "published_point": nearest.name,
        "published_value": nearest[metric],
        "difference": measured[metric] - nearest[metric],
        f"published_{axis}": nearest[axis],
        "rate_percent" if axis == RATE else "parameters_percent": 100 * (amount / nearest[axis] - 1),
    }
    try:
        if published_curves:
            values["equal_rate_difference"] = measured[metric] - quality_at(published_curves[0], amount)
    except NotComparable as reason:
        remarks = [*remarks, reason.reason]
    return values | {"remark": "; ".join(remarks)}


def _published_points(rows: pd.DataFrame, epochs: int | None) -> tuple[pd.DataFrame, list[str]]:
    """Published points as means over clips, of as many epochs as measured where there are such; remarks."""
    remarks = [ONLY_MEAN] if set(rows["clip"]) == {MEAN} else []
    if epochs is not None and "epochs" in rows and rows["epochs"].notna().any():
        of_epochs = rows[rows["epochs"] == epochs]
        if of_epochs.empty:
            published = " or ".join(f"{count:g}" for count in sorted(rows["epochs"].dropna().unique()))
            remarks.append(f"{epochs} epochs against {published}")
        else:
            rows = of_epochs
    by_point = rows.groupby("point", sort=False)
    means = by_point.mean(numeric_only=True)
    return means[by_point.size() == rows["clip"].nunique()], remarks


def _curve_values(measured: Curve, published: Curve) -> dict[str, Any]:
    """Bjontegaard differences of the measured curve against the published one, or why there are none."""
    rate, quality = (difference(kind, published, measured, ()) for kind in (bd_rate, bd_quality))
    remarks = [ONLY_MEAN] if published.clips == (MEAN,) else []
    remarks += [one.remark if isinstance(one, Delta) else one.reason for one in (rate, quality)]
    return {
        "point": CURVE,
        "bd_rate_percent": rate.value if isinstance(rate, Delta) else None,
        "bd_quality": quality.value if isinstance(quality, Delta) else None,
        "remark": "; ".join(dict.fromkeys(filter(None, remarks))),
    }
