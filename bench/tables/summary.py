"""What a terminal shows when a run ends: every point, the comparison, and what follows in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from textwrap import fill

import pandas as pd

from bench.analysis.bjontegaard import Delta, Refusal, bd_quality, quality_at, rate_at
from bench.analysis.curves import (
    Curve,
    condition_title,
    curves,
    epochs_of,
    load_points,
    with_footnotes,
)
from bench.base.files import atomic_file
from bench.scoring.metrics import describe
from bench.tables.bd_rate import compare, difference, mean_delta, overall
from bench.tables.points import point_means, read_skipped
from bench.tables.text_table import Text, number, plain

WIDTH = 100
NO_BREAK = "\N{NO-BREAK SPACE}"
COLUMNS = {
    "rate_bpp": ("bpp", 4),
    "psnr_rgb_db": ("PSNR-RGB", 2),
    "psnr_yuv_db": ("PSNR-YUV", 2),
    "ms_ssim_rgb": ("MS-SSIM", 4),
    "vmaf": ("VMAF", 1),
    "encode_wall_s": ("encode s", 1),
    "decode_wall_s": ("decode s", 2),
}


def write_summary(
    points_csv: Path | str,
    *,
    outs: Sequence[Path | str] = (),
    anchor: str | None = None,
    headline: str = "psnr_rgb_db",
    rate_bpp: float | None = None,
    skipped_csv: Path | str | None = None,
    footnotes: Mapping[str, str] | None = None,
) -> str:
    """Write the summary as text to `outs` and give it back.

    Args:
        anchor: the codec id that BD-rates refer to; None leaves the comparison out.
        headline: the quality column that the comparison and the closing words are about.
        rate_bpp: a rate at which all series are compared too (between their points).
        skipped_csv: where given, says how many points were skipped and why.
        footnotes: codec -> what is said of it at the end.

    Raises:
        BenchError: no points, or no column `headline`.
    """
    rows = load_points(points_csv)
    parts = [condition_title(rows), _points(rows)]
    if anchor is not None:
        parts.append(_comparison(rows, anchor, headline, rate_bpp))
    parts += at_equal_rate(rows, headline)
    if skipped_csv is not None:
        parts += _skipped(read_skipped(skipped_csv))
    if note := with_footnotes("", rows, footnotes or {}):
        parts.append(_fill(note))
    text = "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"
    for out in outs:
        with atomic_file(out) as file:
            file.write(text.encode())
    return text


def _points(rows: pd.DataFrame) -> str:
    table = point_means(rows, metrics=list(COLUMNS), per_clip=False)
    shown = [name for name in COLUMNS if name in table and table[name].notna().any()]
    several = ["clips"] if rows["clip"].nunique() > 1 else []
    cells = [
        [row["point"], *(str(row[name]) for name in several)]
        + [number(row[name], COLUMNS[name][1]) for name in shown]
        for row in table.to_dict("records")
    ]
    header = ["", *several, *(COLUMNS[name][0] for name in shown)]
    head, *lines = plain(Text(header, cells, [False] + [True] * len(header[1:])), indent="  ").splitlines()
    text = [head]
    for index, line in enumerate(lines):
        if index == 0 or table["series"][index] != table["series"][index - 1]:
            text.append(table["label"][index])
        text.append(line)
    return "\n".join(text)


def _comparison(rows: pd.DataFrame, anchor: str, headline: str, rate_bpp: float | None) -> str:
    """All series against the anchor: at one rate, and as BD-rate."""
    metric = describe(headline)
    # Only curves that average the same clips may stand side by side.
    n_clips = rows["clip"].nunique()
    by_series = {c.series: c for c in curves(rows, headline) if len(c.clips) == n_clips}
    name = dict(zip(rows["codec"], rows["label"], strict=True)).get(anchor, anchor)
    header = [f"Against {name}, {metric.label}", "BD-rate"]
    if rate_bpp is not None:
        header += [f"at {rate_bpp:g} bpp", f"{name} needs"]
    lines: list[list[str]] = []
    notes: dict[str, int] = {}
    for one in overall(compare(rows, anchor=anchor, metric=headline)):
        remark = one.rate.reason if isinstance(one.rate, Refusal) else one.rate.flag
        value = None if isinstance(one.rate, Refusal) else one.rate.value
        mark = f" [{notes.setdefault(remark, len(notes) + 1)}]" if remark else ""
        line = [one.label, number(value, 1, sign=True) + " %" * (value is not None) + mark]
        if rate_bpp is not None:
            line += _at_rate(by_series.get(one.series), by_series.get(anchor), rate_bpp)
        lines.append(line)
    right = [False] + [True] * (len(header) - 1)
    return plain(Text(header, lines, right, [f"  [{place}] {reason}" for reason, place in notes.items()]))


def _at_rate(curve: Curve | None, anchor: Curve | None, rate_bpp: float) -> list[str]:
    """Quality of a curve at a rate, and the rate in which the anchor has it; dashes where unknown."""
    cells = [number(None, 0)] * 2
    try:
        if curve is not None:
            quality = quality_at(curve, rate_bpp)
            cells[0] = f"{number(quality, curve.metric.digits)} {curve.metric.unit}".rstrip()
            if anchor is not None:
                cells[1] = f"{number(rate_at(anchor, quality), 3)} bpp"
    except Refusal:
        # Outside a curve's range there is nothing to say; the points above show the range.
        pass
    return cells


def at_equal_rate(rows: pd.DataFrame, headline: str) -> list[str]:
    """Sentences on how far fitted codecs are apart at equal rate, in reference fits and in short ones.

    Of up to three codecs every pair has one; of more, the pairs with the condition's first one.
    """
    fitted = rows[rows["kind"] == "fitted"]
    codecs = list(fitted["codec"].drop_duplicates())
    pairs = combinations(codecs, 2) if len(codecs) <= 3 else ((codecs[0], other) for other in codecs[1:])
    return [_fill(text) for pair in pairs if (text := _sentence(fitted, pair, headline))]


def _sentence(fitted: pd.DataFrame, pair: tuple[str, str], headline: str) -> str:
    """«At equal rate A is +0.90 dB over B in the reference fits and ...»; A is the better one there."""
    of_pair = fitted[fitted["codec"].isin(pair)]
    labels = dict(zip(of_pair["codec"], of_pair["label"], strict=True))
    found = []
    for reference in (True, False):
        runs = of_pair[of_pair["reference"] == reference]
        if runs["codec"].nunique() == 2:
            found.append((_fits(runs, fitted["reference"].any()), _difference(runs, pair, headline)))
    numbers = [(fits, delta) for fits, delta in found if isinstance(delta, Delta)]
    sign = -1 if numbers and numbers[0][1].value < 0 else 1
    one, other = (labels[codec] for codec in pair[::sign])
    parts = [
        f"{_signed(sign * delta.value, headline)} {{}}in {fits}{_flag(delta)}" for fits, delta in numbers
    ]
    text = ""
    if parts:
        text = f"At equal rate {one} is {' and '.join(parts)}.".replace("{}", f"over {other} ", 1).replace(
            "{}", ""
        )
    refused = [(fits, delta) for fits, delta in found if isinstance(delta, Refusal)]
    reasons = [f"{one} and {other} are not compared in {fits}: {delta.reason}." for fits, delta in refused]
    return " ".join([text, *reasons]).strip()


def _fill(text: str) -> str:
    """Lines of at most WIDTH characters that part no number from its unit."""
    return fill(text, WIDTH).replace(NO_BREAK, " ")


def _fits(runs: pd.DataFrame, has_references: bool) -> str:
    epochs = epochs_of(runs)
    name = (
        "the reference fits"
        if runs["reference"].iloc[0]
        else "the short fits"
        if has_references
        else "the fits"
    )
    return name if epochs is None else f"{name} ({epochs} epochs)"


def _signed(value: float, headline: str) -> str:
    metric = describe(headline)
    return f"{number(value, metric.digits, sign=True)}{NO_BREAK}{metric.unit or metric.label}"


def _flag(delta: Delta) -> str:
    return f" ({delta.flag})" if delta.flag else ""


def _difference(runs: pd.DataFrame, pair: tuple[str, str], headline: str) -> Delta | Refusal:
    """How much better the first of the pair is at equal rate: mean over the clips that both have."""
    clips_of = runs.groupby("codec")["clip"].agg(set)
    clips = sorted(clips_of[pair[0]] & clips_of[pair[1]])
    if not clips:
        return Refusal("they have no clip in common")
    deltas = []
    for clip in clips:
        by_codec = {curve.codec: curve for curve in curves(runs, headline, clip=clip)}
        first, second = (by_codec.get(codec) for codec in pair)
        missing = [f"{codec} has no {describe(headline).label}" for codec in pair[::-1]]
        deltas.append(difference(bd_quality, second, first, missing))
    return mean_delta(deltas, clips) if len(deltas) > 1 else deltas[0]


def _skipped(skipped: pd.DataFrame) -> list[str]:
    """How many points were skipped, and each reason once."""
    if skipped.empty:
        return []
    counts = skipped.groupby(["codec", "reason"], sort=False).size()
    lines = [f"  {codec} ({n}): {reason}" for (codec, reason), n in counts.items()]
    return ["\n".join([f"{len(skipped)} point{'s' * (len(skipped) != 1)} skipped:", *lines])]
