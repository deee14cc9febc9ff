"""Comparison of two sets of records, A and B: the difference of each curve, of each point, and of provenance.

A curve of A is compared with the curve of the same condition, clip and codec in B. The BD-rate is that of
B's curve with A's as the anchor: negative where B needs fewer bits. Controls are compared by points only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.bjontegaard import Delta, NotComparable
from bench.analysis.bootstrap import Interval
from bench.analysis.comparison import compare
from bench.analysis.labels import series_label
from bench.analysis.rd_points import CONTROL, MEAN, rows_of, with_series
from bench.scoring.metrics import describe
from bench.scoring.record import Record

#: Metrics that are compared by default, where both sides have them.
METRICS = ("psnr_rgb_db", "psnr_yuv_db", "ms_ssim_rgb", "vmaf")
_POINT = ["condition", "clip", "series", "point", "run"]
#: Fields of a record that are part of its identity or of its result, not of its provenance.
_RESULTS = {
    *("condition", "clip", "codec", "label", "point", "run", "seed", "reference", "kind", "schema"),
    *("rate_bpp", "rate_bpp_paper", "stream_bytes", "stream_sha256", "metrics", "reasons"),
}
#: Last words of keys whose values differ between any two runs, or are results.
_OF_ONE_RUN = {
    *("command", "date_utc", "wall_s", "cpu_s", "peak_memory_bytes", "peak_device_memory_bytes"),
    "frames_md5",
}


@dataclass(frozen=True, kw_only=True)
class CurveDifference:
    """One series and metric on one clip, or as the mean over clips (`clip` is then "mean").

    Attributes:
        points: number of points that both sides have (the mean over clips: on all clips together).
        identical: whether all these points have the same streams.
        unchanged: whether their values of the metric are also equal, within its tolerance.
        rate_percent, quality: mean difference over these points, B minus A; None without common points.
        bd_rate: BD-rate of B against A in percent, or why there is none. interval: its 95 % interval.
        bd_quality: difference of the metric at equal rate, B minus A, or why there is none.
    """

    condition: str
    clip: str
    series: str
    label: str
    metric: str
    points: int
    identical: bool
    unchanged: bool
    rate_percent: float | None
    quality: float | None
    bd_rate: Delta | NotComparable
    bd_quality: Delta | NotComparable
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class ProvenanceDifference:
    """A value that differs between the two records of a point; None where a record lacks it.

    Attributes:
        key: path of the value in the record, such as "provenance.packages.torch".
        points: number of points with this pair of values. series: of these points.
    """

    key: str
    before: Any
    after: Any
    points: int
    series: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ResultComparison:
    """The whole comparison.

    Attributes:
        curves: sorted by condition, series, clip and metric, in the order of A.
        points: one row for each common point: `condition`, `clip`, `series`, `point`, `run`,
            `same_stream`, and `<value>_a`, `<value>_b` of rate_bpp, the metrics and the times.
        provenance: the most frequent difference first.
        only_a, only_b: "condition/clip/codec/point/run" of points that one side lacks.
    """

    metrics: tuple[str, ...]
    curves: list[CurveDifference]
    points: pd.DataFrame
    provenance: list[ProvenanceDifference]
    only_a: list[str]
    only_b: list[str]


def compare_results(
    first: Sequence[Record],
    second: Sequence[Record],
    *,
    metrics: Sequence[str] = (),
    pairs: Mapping[str, str] | None = None,
) -> ResultComparison:
    """Compare the records of A (`first`) with those of B (`second`).

    If each side has one condition, these two are compared, whatever their names are.

    Args:
        metrics: quality columns; default: those of `METRICS` that both sides have.
        pairs: codec id of A -> codec id of B that it is compared with; default: the same id.
    """
    a, b = rows_of(first), rows_of(second)
    b = _renamed(a, b, {new: old for old, new in (pairs or {}).items()})
    metrics = tuple(metrics or (name for name in METRICS if _has(a, name) and _has(b, name)))
    points = _points(a, b, metrics)
    curves = [
        difference
        for (condition, _), group in a[a["kind"] != CONTROL].groupby(["condition", "series"], sort=False)
        for difference in _curves(group, _same_series(b, group), points, condition, metrics)
    ]
    keys = [{tuple(row): index for index, row in enumerate(side[_POINT].to_numpy())} for side in (a, b)]
    common = [key for key in keys[0] if key in keys[1]]
    return ResultComparison(
        metrics=metrics,
        curves=curves,
        points=points,
        provenance=_provenance((key[2], first[keys[0][key]], second[keys[1][key]]) for key in common),
        only_a=["/".join(key) for key in keys[0] if key not in keys[1]],
        only_b=["/".join(key) for key in keys[1] if key not in keys[0]],
    )


def failures(comparison: ResultComparison, limit_percent: float) -> list[str]:
    """Why B is worse than A by more than a limit: one sentence for each curve, empty if it is not.

    A curve of B fails if its BD-rate is above the limit. Without a BD-rate, it fails if its streams or their
    values of the metric differ from those of A. Points of A that B lacks fail, too.
    """
    problems = [f"{name}: is missing in B" for name in comparison.only_a]
    for one in comparison.curves:
        where = f"{one.condition}/{one.clip}/{one.series}, {describe(one.metric).label}"
        if isinstance(one.bd_rate, NotComparable):
            if one.points and not one.unchanged:
                change = "other values of the same streams" if one.identical else "other streams"
                problems.append(f"{where}: no BD-rate, and {change} ({one.bd_rate.reason})")
        elif one.bd_rate.value > limit_percent:
            problems.append(f"{where}: BD-rate {one.bd_rate.value:+.2f} % is above {limit_percent:g} %")
    return problems


def _has(rows: pd.DataFrame, metric: str) -> bool:
    return metric in rows and bool(rows[metric].notna().any())


def _renamed(a: pd.DataFrame, b: pd.DataFrame, codecs: Mapping[str, str]) -> pd.DataFrame:
    """B with A's codec ids, and with A's condition where each side has one."""
    b = with_series(b.assign(codec=b["codec"].replace(dict(codecs))))
    conditions = a["condition"].unique(), b["condition"].unique()
    if len(conditions[0]) == len(conditions[1]) == 1:
        b["condition"] = conditions[0][0]
    return b


def _same_series(b: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    first = rows.iloc[0]
    return b[(b["condition"] == first["condition"]) & (b["series"] == first["series"])]


def _points(a: pd.DataFrame, b: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    values = ["rate_bpp", *metrics, "encode_wall_s", "decode_wall_s", "stream_sha256"]
    sides = [side.reindex(columns=[*_POINT, *values]) for side in (a, b)]
    table = sides[0].merge(sides[1], on=_POINT, suffixes=("_a", "_b"))
    same = table["stream_sha256_a"] == table["stream_sha256_b"]
    table = table.drop(columns=["stream_sha256_a", "stream_sha256_b"])
    table.insert(len(_POINT), "same_stream", same)
    return table


def _curves(
    a: pd.DataFrame, b: pd.DataFrame, points: pd.DataFrame, condition: str, metrics: Sequence[str]
) -> Iterator[CurveDifference]:
    """The differences of one series: on each clip of A, and the mean over clips where A has several."""
    first, clips = a.iloc[0], sorted(a["clip"].unique())
    # Without epochs, which may differ between the sides.
    label = series_label(first["label"], kind=first["kind"], reference=first["reference"], epochs=None)
    # `compare` takes one table. Its remarks name the side, not the length of a fit.
    columns = ["clip", "point", "run", "reference", "rate_bpp", *metrics]
    sides = [
        rows[columns].assign(codec=side, series=side, label=f"the curve of {side}", kind="classical")
        for side, rows in (("A", a), ("B", b[b["clip"].isin(clips)]))
    ]
    both = pd.concat([side for side in sides if len(side)]).assign(epochs=np.nan)
    common = points[(points["condition"] == condition) & (points["series"] == first["series"])]
    for metric in metrics:
        compared = {one.clip: one for one in compare(both, anchor="A", metric=metric)}
        for clip in [*clips, *([MEAN] if len(clips) > 1 else [])]:
            if clip != MEAN and a.loc[a["clip"] == clip, metric].isna().all():
                continue
            of_clip = common if clip == MEAN else common[common["clip"] == clip]
            identical = bool(len(of_clip)) and bool(of_clip["same_stream"].all())
            change = of_clip[f"{metric}_b"] - of_clip[f"{metric}_a"]
            one = compared.get(clip)
            missing = NotComparable(f"B has no {describe(metric).label if len(b) else 'points'}")
            yield CurveDifference(
                condition=condition,
                clip=clip,
                series=first["series"],
                label=label,
                metric=metric,
                points=len(of_clip),
                identical=identical,
                unchanged=identical and not (change.abs() > (describe(metric).tolerance or 0)).any(),
                rate_percent=_mean(100 * (of_clip["rate_bpp_b"] / of_clip["rate_bpp_a"] - 1)),
                quality=_mean(change),
                bd_rate=one.rate if one else missing,
                bd_quality=one.quality if one else missing,
                interval=one.interval if one else None,
            )


def _mean(values: pd.Series) -> float | None:
    mean = float(values.mean())
    return None if np.isnan(mean) else mean


def _provenance(pairs: Iterator[tuple[str, Record, Record]]) -> list[ProvenanceDifference]:
    groups: dict[tuple[str, str, str], tuple[Any, Any, list[str]]] = {}
    for series, before, after in pairs:
        flat = [dict(_flat("", vars(record))) for record in (before, after)]
        for key in dict.fromkeys([*flat[0], *flat[1]]):
            values = flat[0].get(key), flat[1].get(key)
            if values[0] != values[1]:
                group = groups.setdefault((key, repr(values[0]), repr(values[1])), (*values, []))
                group[-1].append(series)
    differences = [
        ProvenanceDifference(key=key, before=a, after=b, points=len(of), series=tuple(dict.fromkeys(of)))
        for (key, *_), (a, b, of) in groups.items()
    ]
    return sorted(differences, key=lambda one: -one.points)


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Path and value of each entry of a record that describes how it was computed."""
    for name, value in values.items():
        if (not prefix and name in _RESULTS) or name in _OF_ONE_RUN:
            continue
        if isinstance(value, Mapping) and name != "stages":
            yield from _flat(f"{prefix}{name}.", value)
        elif name != "stages":
            yield f"{prefix}{name}", value
