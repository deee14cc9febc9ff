"""The table of Bjontegaard differences against one anchor, with a reason where there is no number.

A BD-rate has a 95 % interval where there is something to draw from (`bench.analysis.bootstrap`): on each
clip where the points have three seeds or more, and for the mean over three clips or more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.bjontegaard import Delta, Refusal, bd_quality, bd_rate
from bench.analysis.bootstrap import (
    ENOUGH,
    RESAMPLES,
    Interval,
    generator,
    interval_of,
    mean_interval,
    resample_seeds,
)
from bench.analysis.curves import CONTROL, Curve, curves, epochs_of, load_points, series_label
from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.scoring.metrics import describe
from bench.tables.points import MEAN
from bench.tables.text_table import NONE, Text, number, write

CSV_COLUMNS = (
    *("condition", "clip", "series", "codec", "anchor", "metric"),
    *("bd_rate_percent", "bd_rate_low", "bd_rate_high", "bd_quality"),
)
Measure = Callable[[Curve, Curve], Delta]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One series against the anchor, on one clip or as the mean over clips (`clip` is then «mean»).

    `rate` is the BD-rate in percent, `quality` the BD-PSNR (or the same of another metric); a
    `Refusal` stands for the one that cannot be computed. `interval`: the 95 % interval of the BD-rate
    in percent; None where neither seeds nor clips are enough for one.
    """

    series: str
    codec: str
    label: str
    clip: str
    metric: str
    rate: Delta | Refusal
    quality: Delta | Refusal
    interval: Interval | None = None


def write_bd_rate(
    points_csv: Path | str, *, anchor: str, metrics: Sequence[str], outs: Sequence[Path | str]
) -> None:
    """Write BD-rates of all series but controls against `anchor`, per clip and their mean.

    The csv has a row a (series, clip, metric): bd_rate_percent, bd_rate_low and bd_rate_high (its 95 %
    interval, see `bench.analysis.bootstrap` for what is resampled), bd_quality (BD-PSNR in the metric's
    unit), the common interval, its share of the narrower curve, and the reason where there is no number. md
    and tex have a column a metric, and number the reasons below the table.

    Args:
        anchor: a codec id; metrics: quality columns, the first of which gets a BD-PSNR column too.

    Raises:
        BenchError: no points, or no such column.
    """
    if not metrics:
        raise BenchError("metrics", "none is named", "name at least one quality column")
    rows = load_points(points_csv)
    found = [c for metric in metrics for c in compare(rows, anchor=anchor, metric=metric)]
    for out in map(Path, outs):
        if out.suffix == ".csv":
            write_csv(out, [_csv_row(rows, anchor, comparison) for comparison in found], CSV_COLUMNS)
        else:
            write(_text(rows, anchor, found, metrics), out)


def compare(rows: pd.DataFrame, *, anchor: str, metric: str) -> list[Comparison]:
    """All series but the anchor and controls, in the order of the rows; each clip, then the mean."""
    clips = sorted(rows["clip"].unique())
    by_clip = {clip: {curve.series: curve for curve in curves(rows, metric, clip=clip)} for clip in clips}
    others = rows[(rows["kind"] != CONTROL) & (rows["series"] != anchor)]
    found: list[Comparison] = []
    for series, group in others.groupby("series", sort=False):
        first = group.iloc[0]
        label = series_label(
            first["label"], kind=first["kind"], reference=first["reference"], epochs=epochs_of(group)
        )
        names = {"series": series, "codec": first["codec"], "label": label, "metric": metric}
        missing = [f"{name} has no {describe(metric).label}" for name in (anchor, label)]
        random, each, resamples = generator(), [], []
        for clip in clips:
            pair = by_clip[clip].get(anchor), by_clip[clip].get(series)
            rate, quality = (difference(measure, *pair, missing) for measure in (bd_rate, bd_quality))
            drawn = _resample(rows, pair, random) if isinstance(rate, Delta) else None
            interval = None if drawn is None else interval_of(drawn)
            resamples.append(drawn)
            each.append(Comparison(**names, clip=clip, rate=rate, quality=quality, interval=interval))
        # A clip that a series has nothing on has no row; that its mean is refused says so.
        found += [c for c in each if c.clip in set(group["clip"])]
        if len(clips) > 1:
            found.append(_mean(each, resamples, random))
    return found


def overall(found: Sequence[Comparison]) -> list[Comparison]:
    """The mean over clips of each series, or its only clip."""
    several = {one.series for one in found if one.clip == MEAN}
    return [one for one in found if one.clip == MEAN or one.series not in several]


def _mean(
    each: Sequence[Comparison], resamples: Sequence[np.ndarray | None], random: np.random.Generator
) -> Comparison:
    """The mean over clips of one series; `resamples` are those of each clip's seeds."""
    clips = [one.clip for one in each]
    rate, quality = (mean_delta([getattr(one, part) for one in each], clips) for part in ("rate", "quality"))
    values = [one.rate.value for one in each if isinstance(one.rate, Delta)]
    interval = mean_interval(values, resamples, random) if isinstance(rate, Delta) else None
    return replace(each[0], clip=MEAN, rate=rate, quality=quality, interval=interval)


def _resample(
    rows: pd.DataFrame, pair: tuple[Curve | None, Curve | None], random: np.random.Generator
) -> np.ndarray | None:
    """BD-rates with the seeds of two curves of one clip drawn anew; None where they have too few."""
    anchor, test = pair
    if anchor is None or test is None or max(anchor.seeds, test.seeds) < ENOUGH:
        return None
    return resample_seeds(_seeds(rows, anchor), _seeds(rows, test), random)


def _seeds(rows: pd.DataFrame, curve: Curve) -> list[np.ndarray]:
    """Rate and quality of each seed, shape (seeds, 2), of each point of a curve of one clip."""
    columns = ["rate_bpp", curve.metric.name]
    own = rows[(rows["series"] == curve.series) & (rows["clip"] == curve.clips[0])].dropna(subset=columns)
    return [own.loc[own["point"] == point, columns].to_numpy(float) for point in curve.points]


def difference(
    measure: Measure, anchor: Curve | None, test: Curve | None, missing: Sequence[str]
) -> Delta | Refusal:
    """`measure(anchor, test)`, or why not; `missing` says it for a curve that is not there."""
    if anchor is None or test is None:
        return Refusal(missing[0] if anchor is None else missing[1])
    try:
        return measure(anchor, test)
    except Refusal as refusal:
        return refusal


def mean_delta(deltas: Sequence[Delta | Refusal], clips: Sequence[str]) -> Delta | Refusal:
    """The mean over clips, refused where one clip is; its interval is common to all, if there is one."""
    found = [delta for delta in deltas if isinstance(delta, Delta)]
    if len(found) < len(deltas):
        refused = (clip for clip, delta in zip(clips, deltas, strict=True) if isinstance(delta, Refusal))
        return Refusal(f"no mean: no number on {', '.join(refused)}")
    return Delta(
        value=sum(delta.value for delta in found) / len(found),
        low=max(delta.low for delta in found),
        high=min(delta.high for delta in found),
        share=min(delta.share for delta in found),
    )


def _csv_row(rows: pd.DataFrame, anchor: str, one: Comparison) -> dict:
    rate = one.rate if isinstance(one.rate, Delta) else None
    quality = one.quality if isinstance(one.quality, Delta) else None
    remarks = dict.fromkeys(_remark(delta) for delta in (one.rate, one.quality))
    row = {
        "condition": rows["condition"].iloc[0],
        "clip": one.clip,
        "series": one.series,
        "codec": one.codec,
        "anchor": anchor,
        "metric": one.metric,
        "bd_rate_percent": rate and rate.value,
        "bd_rate_low": one.interval and one.interval[0],
        "bd_rate_high": one.interval and one.interval[1],
        "bd_quality": quality and quality.value,
        "overlap_low": rate and rate.low,
        "overlap_high": rate and rate.high,
        "overlap_percent": rate and 100 * rate.share,
        "remark": "; ".join(remark for remark in remarks if remark),
    }
    return {name: csv_value(value) for name, value in row.items()}


def _remark(delta: Delta | Refusal) -> str:
    """Why there is no number, or how little carries it; empty for a sound one."""
    return delta.reason if isinstance(delta, Refusal) else delta.flag


def _text(rows: pd.DataFrame, anchor: str, found: Sequence[Comparison], metrics: Sequence[str]) -> Text:
    clips = dict.fromkeys(one.clip for one in found)
    labels = dict(zip(rows["codec"], rows["label"], strict=True))
    notes: dict[str, int] = {}
    head = describe(metrics[0])
    place = ["Clip"] if len(clips) > 1 else []
    header = ["Series", *place, *(f"{describe(metric).label}, %" for metric in metrics)]
    header.append(f"BD-{head.label}" + f", {head.unit}" * bool(head.unit))
    places = dict.fromkeys((one.series, one.label, one.clip) for one in found)
    lines = []
    for series, label, clip in places:
        cells = {one.metric: one for one in found if (one.series, one.clip) == (series, clip)}
        line = [label, clip][: 1 + len(place)]
        line += [_cell(cells[metric].rate, 1, notes, cells[metric].interval) for metric in metrics]
        lines.append([*line, _cell(cells[metrics[0]].quality, head.digits, notes)])
    text = f"BD-rate against {labels.get(anchor, anchor)} at equal quality; negative: fewer bits."
    if any(one.interval for one in found):
        text += f" In brackets its 95 % interval, from {RESAMPLES} resamples of clips and seeds."
    return Text(
        header,
        lines,
        [False] * (1 + len(place)) + [True] * (len(metrics) + 1),
        [text, *(f"[{mark}] {reason}" for reason, mark in notes.items())],
    )


def _cell(
    delta: Delta | Refusal, digits: int, notes: dict[str, int], interval: Interval | None = None
) -> str:
    """The number with its interval, and a pointer to its remark."""
    remark = _remark(delta)
    value = NONE if isinstance(delta, Refusal) else number(delta.value, digits, sign=True)
    if interval is not None:
        value += f" [{', '.join(number(end, digits, sign=True) for end in interval)}]"
    return f"{value} [{notes.setdefault(remark, len(notes) + 1)}]" if remark else value
