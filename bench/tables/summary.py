"""Summary that the workflow prints: all points, the comparison with the anchor, and sentences on fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import fill

import pandas as pd

from bench.analysis.bjontegaard import Delta
from bench.analysis.comparison import (
    EqualRate,
    FitGain,
    FitPair,
    at_equal_rate,
    compare,
    compare_fits,
    overall,
)
from bench.analysis.labels import (
    clips_title,
    codec_label,
    condition_title,
    origin_notes,
    truth_note,
    with_footnotes,
)
from bench.analysis.point_means import point_table
from bench.analysis.rd_points import MEAN, comparable_rows, load_points
from bench.base.files import atomic_file
from bench.scoring.metrics import Metric, describe
from bench.tables.bd_rate import remark_of
from bench.tables.points import read_skipped
from bench.tables.text_table import NONE, TextTable, html_page, number, plain

WIDTH = 100
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
#: Column -> header and digits, of rate and qualities. Other metrics of the condition follow, then the costs.
COLUMNS = {
    "rate_bpp": ("bpp", 4),
    "psnr_rgb_db": ("PSNR-RGB", 2),
    "psnr_yuv_db": ("PSNR-YUV", 2),
    "ms_ssim_rgb": ("MS-SSIM", 4),
    "vmaf": ("VMAF", 1),
}
COSTS = {"encode_wall_s": ("encode s", 1), "decode_wall_s": ("decode s", 2)}


def write_summary(
    points_csv: Path | str,
    *,
    outputs: Sequence[Path | str] = (),
    anchor: str | None = None,
    upper_hull: bool = False,
    headline: str = "psnr_rgb_db",
    rate_bpp: float | None = None,
    metrics: Sequence[str] = (),
    skipped_csv: Path | str | None = None,
    footnotes: Mapping[str, str] | None = None,
) -> str:
    """Write the summary as text to `outputs`, for a suffix .html as a page, and return it.

    Args:
        anchor: codec id that BD-rates refer to; None: no comparison.
        upper_hull: whether BD-rates use only points on the upper convex hull of a curve.
        headline: quality column of the comparison and of the sentences.
        metrics: quality columns of the points besides those of `COLUMNS`.
        rate_bpp: rate at which all series are compared too, by interpolation between their points.
        skipped_csv: skipped.csv, whose reasons are listed.
        footnotes: codec id -> text at the end.

    Raises:
        BenchError: no points, or no column `headline`.
    """
    rows = load_points(points_csv)
    parts = [condition_title(rows), _fill(truth_note(rows)), _points(rows, [headline, *metrics])]
    if anchor is not None:
        sets = comparable_rows(rows)
        parts += [
            _comparison(
                one, anchor, headline, rate_bpp, upper_hull, clips_title(one) if len(sets) > 1 else ""
            )
            for one in sets
        ]
    sentences = [_sentence(pair, headline) for pair in compare_fits(rows, metric=headline)]
    parts += [_fill(sentence) for sentence in sentences]
    if skipped_csv is not None:
        parts.append(_skipped(read_skipped(skipped_csv)))
    parts += [_fill(note) for note in origin_notes(rows)]
    parts.append(_fill(with_footnotes("", rows, footnotes or {})))
    text = "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"
    for out in map(Path, outputs):
        content = html_page(f"<pre>{escape(text)}</pre>") if out.suffix == ".html" else text
        with atomic_file(out) as file:
            file.write(content.encode())
    return text


def _points(rows: pd.DataFrame, metrics: Sequence[str]) -> str:
    """One line for each point under the label of its series. `metrics` that `COLUMNS` lacks follow.

    With several clips these are means; a point that not every clip has has a line for each of its clips.
    """
    others = {name: (describe(name).axis, describe(name).digits) for name in metrics if name not in COLUMNS}
    formats = {**COLUMNS, **others, **COSTS}
    table = _means_or_clips(point_table(rows, metrics=[*COLUMNS, *others]))
    columns = [name for name in formats if name in table and table[name].notna().any()]
    with_clip = table["clip"].nunique() > 1
    clip_texts = {MEAN: f"mean of {rows['clip'].nunique()}"}
    cells = [
        [row["point"]]
        + [clip_texts.get(row["clip"], row["clip"])] * with_clip
        + [number(row[name], formats[name][1]) for name in columns]
        for row in table.to_dict("records")
    ]
    header = ["", *["clip"] * with_clip, *(formats[name][0] for name in columns)]
    right = [False] * (1 + with_clip) + [True] * len(columns)
    head, *lines = plain(TextTable(header, cells, right), indent="  ").splitlines()
    text = [head]
    for index, line in enumerate(lines):
        if index == 0 or table["series"][index] != table["series"][index - 1]:
            text.append(table["label"][index])
        text.append(line)
    return "\n".join(text)


def _means_or_clips(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `point_table` that are means over clips; of points without a mean those of each clip."""
    names = pd.Series(list(zip(table["series"], table["point"], strict=True)), index=table.index)
    is_mean = table["clip"] == MEAN
    ranks = {series: rank for rank, series in enumerate(table["series"].drop_duplicates())}
    shown = table.assign(rank=table["series"].map(ranks))[is_mean | ~names.isin(names[is_mean])]
    return shown.sort_values(["rank", "clip", "rate_bpp"], kind="stable").reset_index(drop=True)


def _comparison(
    rows: pd.DataFrame, anchor: str, headline: str, rate_bpp: float | None, upper_hull: bool, title: str
) -> str:
    """All series against the anchor: by BD-rate, and at one rate."""
    metric, name = describe(headline), codec_label(rows, anchor)
    header = [", ".join(filter(None, [f"Against {name}", metric.label, title])), "BD-rate"]
    equal_rate: Mapping[str, EqualRate] = {}
    if rate_bpp is not None:
        header += [f"at {rate_bpp:g} bpp", f"{name} needs"]
        equal_rate = at_equal_rate(rows, anchor=anchor, metric=headline, rate_bpp=rate_bpp)
    lines: list[list[str]] = []
    remarks: dict[str, int] = {}
    compared = compare(rows, anchor=anchor, metric=headline, intervals=False, upper_hull=upper_hull)
    for one in overall(compared):
        remark = remark_of(one.rate)
        mark = f" [{remarks.setdefault(remark, len(remarks) + 1)}]" if remark else ""
        value = f"{number(one.rate.value, 1, sign=True)} %" if isinstance(one.rate, Delta) else NONE
        line = [one.label, value + mark]
        if rate_bpp is not None:
            line += _at_rate(equal_rate.get(one.series, EqualRate()), metric)
        lines.append(line)
    notes = [f"  [{mark}] {remark}" for remark, mark in remarks.items()]
    return plain(TextTable(header, lines, [False] + [True] * (len(header) - 1), notes))


def _at_rate(values: EqualRate, metric: Metric) -> list[str]:
    """Quality at the rate, and the rate of the anchor at that quality; dashes where there is none."""
    quality, anchor_rate = values.quality, values.anchor_rate_bpp
    return [
        NONE if quality is None else f"{number(quality, metric.digits)} {metric.unit}".rstrip(),
        NONE if anchor_rate is None else f"{number(anchor_rate, 3)} bpp",
    ]


def _sentence(pair: FitPair, headline: str) -> str:
    """Sentence such as "At equal rate A is +0.90 dB over B in the reference fits", better codec first."""
    values = [(gain, gain.quality) for gain in pair.gains if isinstance(gain.quality, Delta)]
    direction = describe(headline).direction
    sign = -1 if values and direction * values[0][1].value < 0 else 1
    better, other = (pair.first, pair.second)[::sign]
    parts: list[str] = []
    for gain, delta in values:
        over = f"{'over' if direction > 0 else 'against'} {other} " * (not parts)
        remark = f" ({delta.remark})" if delta.remark else ""
        amount = _signed(sign * delta.value, headline)
        parts.append(f"{amount} {over}in {_fits(gain, pair.has_references)}{remark}")
    sentences = [f"At equal rate {better} is {' and '.join(parts)}."] if parts else []
    for gain in pair.gains:
        if not isinstance(gain.quality, Delta):
            fits, reason = _fits(gain, pair.has_references), gain.quality.reason
            sentences.append(f"{better} and {other} are not compared in {fits}: {reason}.")
    return " ".join(sentences)


def _fits(gain: FitGain, has_references: bool) -> str:
    """Name of the fits, such as "the reference fits (150 epochs)"."""
    name = "the reference fits" if gain.reference else "the short fits" if has_references else "the fits"
    return name if gain.epochs is None else f"{name} ({gain.epochs} epochs)"


def _signed(value: float, headline: str) -> str:
    metric = describe(headline)
    return f"{number(value, metric.digits, sign=True)}{NO_BREAK_SPACE}{metric.unit or metric.label}"


def _fill(text: str) -> str:
    """Wrap to `WIDTH` characters, but not between a number and its unit."""
    return fill(text, WIDTH).replace(NO_BREAK_SPACE, " ")


def _skipped(skipped: pd.DataFrame) -> str:
    """Number of skipped points, and each reason once; empty without any."""
    if skipped.empty:
        return ""
    counts = skipped.groupby(["codec", "reason"], sort=False).size()
    lines = [f"  {codec} ({n}): {reason}" for (codec, reason), n in counts.items()]
    return "\n".join([f"{len(skipped)} point{'s' * (len(skipped) != 1)} skipped:", *lines])
