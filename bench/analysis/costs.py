"""Costs of encoders and decoders: sizes, operations, times and memory, and their trade-off with BD-rate.

Decode times are those of `bench retime`, which runs one decoder at a time. The times of records are not used
here, because other jobs may have run at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.bjontegaard import Delta
from bench.analysis.bootstrap import Interval
from bench.analysis.comparison import compare, overall
from bench.analysis.labels import label_of
from bench.analysis.matched import pareto_mask
from bench.analysis.rd_points import load_points
from bench.base.csv_files import read_table
from bench.base.errors import BenchError
from bench.scoring.metrics import describe

_IDENTITY = ("clip", "codec", "point", "run")
_REMEDY = "time the streams with bench retime"
#: Column of decode_times.csv -> column of the costs.
TIMED = {
    "repeats": "decode_repeats",
    "wall_s": "decode_wall_s",
    "wall_s_low": "decode_wall_s_low",
    "wall_s_high": "decode_wall_s_high",
    "cpu_s": "decode_cpu_s",
    "frames_per_second": "decode_frames_per_second",
    "peak_memory_bytes": "decode_peak_memory_bytes",
    "peak_device_memory_bytes": "decode_peak_device_memory_bytes",
    "threads": "decode_threads",
    "device": "decode_device",
    "machine": "decode_machine",
    "decoder_weights_bytes": "decoder_weights_bytes",
}
#: The same for columns that tables of earlier versions lack.
TIMED_LATER = {
    "cpu_j_per_frame": "decode_cpu_j_per_frame",
    "gpu_j_per_frame": "decode_gpu_j_per_frame",
    "energy_reason": "decode_energy_reason",
}
COLUMNS = (
    *("condition", "clip", "series", "label", "kind", "point", "run", "frames", "rate_bpp"),
    *("parameters", "macs_per_pixel", "decoder_weights_bytes"),
    *("encode_wall_s", "encode_cpu_s", "encode_peak_memory_bytes", "encode_peak_device_memory_bytes"),
    *("encode_cpu_j_per_frame", "encode_gpu_j_per_frame", "encode_energy_reason"),
    *("encode_threads", "encode_device"),
    *(name for name in (*TIMED.values(), *TIMED_LATER.values()) if name.startswith("decode_")),
)


@dataclass(frozen=True, kw_only=True)
class TradeOff:
    """One series: its BD-rate against an anchor, and its times.

    Attributes:
        rate_percent: BD-rate; 0 for the anchor. interval: its 95 % interval in percent, if there is one.
        encode, decode: seconds a frame, the mean over points, then over clips.
        remark: points or clips that the BD-rate leaves out; empty without any.
    """

    series: str
    rate_percent: float
    interval: Interval | None
    encode: float
    decode: float
    remark: str = ""


def load_costs(points_csv: Path | str, decode_times_csv: Path | str) -> pd.DataFrame:
    """One row for each (clip, series, point), of its lowest seed, in the order of rd_points.csv.

    Returns:
        The columns of rd_points.csv and `COLUMNS`. `decode_...` and `decoder_weights_bytes` are those of
        decode_times.csv; `label` includes the epochs of a fit.

    Raises:
        BenchError: no points, no times, a point without a time, or a time of an older stream.
    """
    rows = load_points(points_csv)
    rows = rows.sort_values("seed", kind="stable").drop_duplicates(["clip", "series", "point"]).sort_index()
    names = TIMED | TIMED_LATER
    rows = rows.drop(columns=[name for name in names.values() if name in rows])
    times = read_table(Path(decode_times_csv), text=(*_IDENTITY, "stream_sha256"), remedy=_REMEDY)
    columns = [*_IDENTITY, "stream_sha256", *TIMED]
    if missing := [name for name in columns if name not in times]:
        raise BenchError(decode_times_csv, f"no column {missing[0]}", _REMEDY)
    columns += [name for name in TIMED_LATER if name in times]
    times = times[columns].rename(columns=names)
    merged = rows.merge(times, how="left", on=list(_IDENTITY), suffixes=("", "_timed"))
    for problem, wrong in (
        ("has no time of", merged["stream_sha256_timed"].isna()),
        ("has the time of another stream of", merged["stream_sha256_timed"] != merged["stream_sha256"]),
    ):
        if wrong.any():
            run = "/".join(str(merged.loc[wrong.idxmax(), name]) for name in _IDENTITY)
            raise BenchError(decode_times_csv, f"{problem} {run}", _REMEDY)
    labels = {series: label_of(group) for series, group in merged.groupby("series", sort=False)}
    merged["label"] = merged["series"].map(labels)
    return merged.reindex(columns=list(dict.fromkeys([*merged, *COLUMNS])))


def trade_offs(
    rows: pd.DataFrame, costs: pd.DataFrame, *, anchor: str, metric: str, upper_hull: bool = False
) -> tuple[list[TradeOff], list[str]]:
    """The anchor and all series that have a BD-rate, and the labels of those that have none."""
    series: list[TradeOff] = []
    without = []
    if (costs["series"] == anchor).any():
        series.append(_trade_off(costs, anchor, 0.0, None))
    for one in overall(compare(rows, anchor=anchor, metric=metric, upper_hull=upper_hull)):
        if isinstance(one.rate, Delta):
            trade_off = _trade_off(costs, one.series, one.rate.value, one.interval)
            remark = "; ".join(one.rate.notes)
            series.append(replace(trade_off, remark=f"{one.label}: {remark}" if remark else ""))
        else:
            without.append(one.label)
    return series, without


def pareto_points(costs: pd.DataFrame, metric: str) -> pd.Series:
    """Whether no other point of the clip dominates a point in rate, quality and decode time.

    Args:
        costs: from `load_costs`. metric: quality column; a point without a value is not on the front.
    """
    axes = ["rate_bpp", metric, "decode_wall_s"]
    values = costs[axes].assign(**{metric: -describe(metric).direction * costs[metric]}).dropna()
    front = pd.Series(False, index=costs.index)
    for _, group in values.groupby(costs["clip"]):
        front[group.index] = pareto_mask(group.to_numpy(float))
    return front


def _trade_off(costs: pd.DataFrame, series: str, rate_percent: float, interval: Interval | None) -> TradeOff:
    rows = costs[costs["series"] == series]
    # Points first, then clips, so that a clip with more points has no larger weight.
    seconds: dict[str, Any] = {
        side: float((rows[f"{side}_wall_s"] / rows["frames"]).groupby(rows["clip"]).mean().mean())
        for side in ("encode", "decode")
    }
    return TradeOff(series=series, rate_percent=rate_percent, interval=interval, **seconds)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that are not dominated, in rising order of their first value.

    A point is dominated where another one is at most equal in both values. Of equal points one is kept.
    """
    lowest, front = math.inf, []
    for index in sorted(range(len(points)), key=points.__getitem__):
        if points[index][1] < lowest:
            lowest = points[index][1]
            front.append(index)
    return front
