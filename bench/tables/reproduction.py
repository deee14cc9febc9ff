"""The table «published against measured»: each measured point beside the published one that is nearest.

Rates are compared where the source has them, else numbers of parameters: a table of representations says
how well networks of one size do. What moves the numbers (sizes, colour, averaging, what a rate counts)
stands below the table, from sources.csv; nothing is corrected for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.bjontegaard import Delta, Refusal, bd_quality, bd_rate, quality_at
from bench.analysis.curve_file import MEAN
from bench.analysis.curves import Curve, curves, epochs_of, load_points, series_label
from bench.analysis.published import Selector, at_clips, load_sources, reported_curves, select
from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.scoring.metrics import describe
from bench.tables.bd_rate import difference
from bench.tables.points import point_means
from bench.tables.text_table import Text, number, write

#: In place of a point's name: the row compares whole curves.
CURVE = "curve"
RATE, SIZE = "rate_bpp", "parameters"
ONLY_MEAN = "published as a mean over its data set"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured point beside the published one nearest to it, or two curves (`point` is «curve»).

    Attributes:
        clip: the measured clip, or «mean» over all of them.
        rate_bpp_paper: the measured point's rate as its codec's paper counts.
        rate_percent, parameters_percent: how much more the measured point has than the published one.
        difference: value minus published_value, in the metric's unit.
        equal_rate_difference: value minus the published curve's value at the measured rate.
        bd_rate_percent, bd_quality: of measured against published; negative percent: fewer bits.
        remark: what makes the two unlike, or why a number is missing.
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


def write_reproduction(
    points_csv: Path | str,
    *,
    selectors: Sequence[Selector],
    outs: Sequence[Path | str],
    metrics: Sequence[str] = ("psnr_rgb_db",),
    sequences: Mapping[str, str] | None = None,
) -> None:
    """Write the table of all selectors that name a codec, as csv, md and tex.

    Args:
        selectors: the published counterparts (`bench.analysis.published.Selector`); one without anything in
            common with what is measured so far has no rows, and a line below the table.
        metrics: quality columns; one that a source or the records lack has no rows.
        sequences: clip -> name of its sequence, by which published points know it.

    Raises:
        BenchError: no points, or a source, label or file that is not there or wrong.
    """
    rows = load_points(points_csv)
    found = reproduce(rows, selectors=selectors, metrics=metrics, sequences=sequences)
    for out in map(Path, outs):
        if out.suffix == ".csv":
            table = [{name: csv_value(value) for name, value in asdict(row).items()} for row in found]
            write_csv(out, table, [f.name for f in fields(Row)])
        else:
            write(_text(found, _empty(found, selectors)), out)


def reproduce(
    rows: pd.DataFrame,
    *,
    selectors: Sequence[Selector],
    metrics: Sequence[str],
    sequences: Mapping[str, str] | None = None,
) -> list[Row]:
    """The table's rows: by selector, metric and clip (then the mean over clips), its curve last."""
    known = sequences or {}
    clips = {clip: known.get(clip, clip) for clip in sorted(rows["clip"].unique())}
    places = [*clips, None] if len(clips) > 1 else [None]
    found: list[Row] = []
    for selector in selectors:
        published = _one_label(select([selector]), selector) if selector.codec else rows.iloc[:0]
        measured = rows[rows["codec"] == selector.codec]
        for metric in metrics:
            if metric in published and metric in measured:
                for clip in places:
                    found += _compare(measured, published, metric, clips=clips, clip=clip)
    return found


def _one_label(published: pd.DataFrame, selector: Selector) -> pd.DataFrame:
    labels = sorted(published["label"].unique())
    if len(labels) > 1:
        where = f"published: {selector.source}"
        raise BenchError(where, f"has {len(labels)} methods", f"choose a label: {', '.join(labels)}")
    return published


def _compare(
    measured: pd.DataFrame,
    published: pd.DataFrame,
    metric: str,
    *,
    clips: Mapping[str, str],
    clip: str | None,
) -> Iterator[Row]:
    """One clip, or the mean over all: each measured series against one published method."""
    axis = RATE if RATE in published and published[RATE].notna().any() else SIZE
    at = at_clips(published.dropna(subset=[metric, axis]), clips, clip=clip)
    if at.empty:
        return
    drawn = reported_curves(published, metric, clips=clips, clip=clip)
    wanted = set(clips) if clip is None else {clip}
    here = measured[measured["clip"].isin(wanted) & measured[metric].notna()]
    for series, group in here.groupby("series", sort=False):
        # Means over other clips do not compare.
        if set(group["clip"]) != wanted:
            continue
        first, epochs = group.iloc[0], epochs_of(group)
        names = {
            "condition": first["condition"],
            "clip": MEAN if len(wanted) > 1 else next(iter(wanted)),
            "series": series,
            "codec": first["codec"],
            "label": series_label(
                first["label"], kind=first["kind"], reference=first["reference"], epochs=epochs
            ),
            "metric": metric,
            "source": published["source"].iloc[0],
            "published_label": published["label"].iloc[0],
        }
        points = point_means(group, metrics=[metric, "rate_bpp_paper"], per_clip=False)
        for point in points[points["clips"] == len(wanted)].to_dict("records"):
            yield Row(**names, **_point_values(point, at, metric, axis, epochs, drawn))
        yield from (Row(**names, **_curve_values(curves(group, metric)[0], curve)) for curve in drawn)


def _point_values(
    measured: Mapping, at: pd.DataFrame, metric: str, axis: str, epochs: int | None, drawn: Sequence[Curve]
) -> dict:
    """A measured point beside the published one whose rate, or else size, is nearest (by ratio)."""
    values = {
        "point": measured["point"],
        "value": measured[metric],
        **{name: measured.get(name) for name in (RATE, "rate_bpp_paper", SIZE)},
    }
    here = measured.get(axis)
    if here is None or not here > 0:
        return values | {"remark": f"no {axis} measured"}
    theirs, remarks = _published_points(at, epochs)
    if theirs.empty:
        return values | {"remark": "no published point has all clips"}
    found = theirs.loc[np.abs(np.log(theirs[axis] / here)).idxmin()]
    values |= {
        "published_point": found.name,
        "published_value": found[metric],
        "difference": measured[metric] - found[metric],
        f"published_{axis}": found[axis],
        "rate_percent" if axis == RATE else "parameters_percent": 100 * (here / found[axis] - 1),
    }
    try:
        if drawn:
            values["equal_rate_difference"] = measured[metric] - quality_at(drawn[0], here)
    except Refusal as refusal:
        remarks = [*remarks, refusal.reason]
    return values | {"remark": "; ".join(remarks)}


def _published_points(at: pd.DataFrame, epochs: int | None) -> tuple[pd.DataFrame, list[str]]:
    """One row a published point, means over clips, of as many epochs as measured if there are such."""
    remarks = [ONLY_MEAN] if set(at["clip"]) == {MEAN} else []
    if epochs is not None and "epochs" in at and at["epochs"].notna().any():
        same = at[at["epochs"] == epochs]
        if same.empty:
            published = " or ".join(f"{count:g}" for count in sorted(at["epochs"].dropna().unique()))
            remarks.append(f"{epochs} epochs against {published}")
        else:
            at = same
    by_point = at.groupby("point", sort=False)
    means = by_point.mean(numeric_only=True)
    return means[by_point.size() == at["clip"].nunique()], remarks


def _curve_values(measured: Curve, published: Curve) -> dict:
    """Bjontegaard differences of the measured curve against the published one, or why there are none."""
    rate, quality = (difference(measure, published, measured, ()) for measure in (bd_rate, bd_quality))
    remarks = [ONLY_MEAN] if published.clips == (MEAN,) else []
    remarks += [one.reason if isinstance(one, Refusal) else one.flag for one in (rate, quality)]
    return {
        "point": CURVE,
        "bd_rate_percent": rate.value if isinstance(rate, Delta) else None,
        "bd_quality": quality.value if isinstance(quality, Delta) else None,
        "remark": "; ".join(dict.fromkeys(filter(None, remarks))),
    }


def _empty(found: Sequence[Row], selectors: Sequence[Selector]) -> list[str]:
    """A line for each counterpart without a row: it must not vanish in silence."""
    shown = {(row.codec, row.source, row.published_label) for row in found}
    lines = []
    for one in selectors:
        if one.codec is not None:
            rows = select([one]).iloc[0]
            if (one.codec, rows["source"], rows["label"]) not in shown:
                lines.append(f"Nothing to compare: {one.codec} with {rows['label']} of {one.source}.")
    return lines


def _text(found: Sequence[Row], empty: Sequence[str]) -> Text:
    """A line a point; BD-rates, remarks and what the sources say stand below."""
    points = [row for row in found if row.point != CURVE]
    several = [name for name in ("clip", "metric") if len({getattr(row, name) for row in points}) > 1]
    marks: dict[str, int] = {}
    lines = [_line(row, several, marks) for row in points]
    words = ["Series", *map(str.capitalize, several), "Point"]
    ours = ["Rate or size", "Published point", "Its rate or size", "Differs by"]
    header = [*words, *ours, "Measured", "Published", "Difference", "At equal rate"]
    right = [name not in (*words, "Published point") for name in header]
    return Text(header, lines, right, _notes(found, marks, empty))


def _line(row: Row, several: Sequence[str], marks: dict[str, int]) -> list[str]:
    digits, by_size = describe(row.metric).digits, row.published_parameters is not None
    place = {"clip": row.clip, "metric": describe(row.metric).label}
    mark = f" [{marks.setdefault(row.remark, len(marks) + 1)}]" if row.remark else ""
    return [
        row.label,
        *(place[name] for name in several),
        row.point + mark,
        _amount(row.parameters if by_size else row.rate_bpp, by_size),
        f"{row.published_label}, {row.published_point}" if row.published_point else row.published_label,
        _amount(row.published_parameters if by_size else row.published_rate_bpp, by_size),
        _percent(row.parameters_percent if by_size else row.rate_percent),
        *(number(value, digits) for value in (row.value, row.published_value)),
        *(number(value, digits, sign=True) for value in (row.difference, row.equal_rate_difference)),
    ]


def _notes(found: Sequence[Row], marks: Mapping[str, int], empty: Sequence[str]) -> list[str]:
    units = dict.fromkeys(describe(row.metric).axis for row in found)
    notes = [f"Measured minus published, {', '.join(units)}."] * bool(found)
    notes += [f"[{mark}] {remark}" for remark, mark in marks.items()]
    for row in found:
        if row.point == CURVE:
            pair = f"{row.label} against {row.published_label} as published"
            remark = f" ({row.remark})" if row.remark else ""
            where = f"{row.clip}, {describe(row.metric).label}"
            notes.append(f"BD-rate of {pair}, {where}: {_percent(row.bd_rate_percent)}{remark}")
    sources = load_sources()
    ids = [name for name in dict.fromkeys(row.source for row in found) if name]
    return [*notes, *(sources[name].summary if name in sources else name for name in ids), *empty]


def _amount(value: float | None, by_size: bool) -> str:
    if by_size:
        return number(None if value is None else value / 1e6, 2) + " M" * (value is not None)
    return number(value, 4) + " bpp" * (value is not None)


def _percent(value: float | None) -> str:
    return number(value, 1, sign=True) + " %" * (value is not None)
