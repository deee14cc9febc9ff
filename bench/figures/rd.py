"""Rate-distortion curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.curve_file import OWN, load_curves
from bench.analysis.curves import (
    CONTROL,
    Curve,
    condition_title,
    curves,
    load_points,
    with_footnotes,
)
from bench.analysis.published import Beside, Selector, beside, select
from bench.figures.page import (
    DOUBLE_COLUMN,
    FAINT,
    SMALL_PT,
    page,
    plain_log_axis,
    print_style,
    save,
    save_note,
)
from bench.figures.series import Look, key_groups, looks, looks_beside
from bench.scoring.metrics import describe

#: From this ratio of the highest rate to the lowest on, rates are drawn on a logarithmic axis.
LOG_FROM = 8.0
#: How far, as a factor, published points may widen the axis of rates beyond the measured ones.
REACH = 2.0


def draw_rd(
    points_csv: Path | str,
    *,
    metric: str,
    outs: Sequence[Path | str],
    clip: str | None = None,
    published: Sequence[Selector] = (),
    my_curves: Path | str | None = None,
    sequences: Mapping[str, str] | None = None,
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw one metric over rate, a curve a series: of `clip`, or the mean over all clips.

    The mean frame (a control) is a horizontal line; lossless controls are not drawn. Where points
    have several seeds, bars span the lowest and the highest. A metric that no record has (VMAF
    without libvmaf, MS-SSIM of tiny frames) gives a page that says so.

    Curves that were not measured here are thin, dashed and open, in groups of their own in the key;
    a note below says how they came about, and which of them cannot be shown.

    Args:
        metric: a quality column of rd_points.csv, or `ms_ssim_rgb_db`, `ms_ssim_y_db` for
            -10 log10(1 - MS-SSIM).
        outs: files to write; their suffixes choose among pdf, png and svg.
        published: curves of `baselines/reported` that are drawn too.
        my_curves: a CSV of one's own curves that are drawn too (see `bench.analysis.curve_file`).
        sequences: clip -> name of its sequence, by which published curves know it.
        footnotes: codec -> what is said of it below, where it is drawn.
        title: default: the condition, its clip and the clip's size.
        width: inches; 7 for two columns of a journal, 3.5 for one.

    Raises:
        BenchError: no points, no such column or clip, or a curve that cannot be read or is not there.
    """
    rows = load_points(points_csv)
    drawn = curves(rows, metric, clip=clip)
    title = condition_title(rows, clip) if title is None else title
    # Read even where nothing is measured: a wrong file is better known now.
    others = _others(rows, metric, clip, published, my_curves, sequences or {})
    with print_style():
        if not any(len(curve.points) for curve in drawn if curve.kind != CONTROL):
            note = f"{describe(metric).label}: no record of this condition has a value."
            save_note(note, title=title, width=width, outs=outs)
            return
        save(_plot(rows, drawn, *others, footnotes=footnotes or {}, title=title, width=width), outs)


def _others(
    rows: pd.DataFrame,
    metric: str,
    clip: str | None,
    published: Sequence[Selector],
    my_curves: Path | str | None,
    sequences: Mapping[str, str],
) -> tuple[list[Beside], list[str]]:
    """Curves that were not measured here, and the names of those that are of other clips."""
    clips = {name: sequences.get(name, name) for name in sorted(rows["clip"].unique())}
    tables = [select([selector]) for selector in published]
    tables += [load_curves(my_curves)] if my_curves is not None else []
    if not tables:
        return [], []
    table = pd.concat(tables)
    found = beside(table, metric, clips=clips, clip=clip)
    able = table[table.reindex(columns=[metric, "rate_bpp"]).notna().all(axis=1)]
    labels = able.drop_duplicates("series").set_index("series")["label"]
    return found, list(dict.fromkeys(labels.drop([one.curve.series for one in found])))


def _plot(
    rows: pd.DataFrame,
    drawn: list[Curve],
    others: list[Beside],
    missing: list[str],
    *,
    footnotes: Mapping[str, str],
    title: str,
    width: float,
) -> Figure:
    look = looks(rows) | looks_beside(others, rows)
    codecs = [curve for curve in drawn if curve.kind != CONTROL and len(curve.points)]
    rates = np.concatenate([curve.rate_bpp for curve in codecs])
    near = {one.curve.series: _in_reach(one.curve, rates) for one in others}
    far = [one.text for one in others if not near[one.curve.series].any()]
    others = [one for one in others if near[one.curve.series].any()]
    shown = [*codecs, *(one.curve for one in others)]
    key = key_groups([look[curve.series] for curve in shown], texts=_texts(rows, codecs))
    of_codecs = rows[rows["series"].isin([curve.series for curve in codecs])]
    note = with_footnotes(_note(others, far=far, missing=missing), of_codecs, footnotes)
    figure, (axes,) = page(title=title, key=key, width=width, height=3.4 if width >= 5 else 2.7, note=note)
    for curve in shown:
        _draw_curve(axes, curve, look[curve.series])
    _frame(axes, codecs, [(one.curve, near[one.curve.series]) for one in others])
    for curve in drawn:
        if curve.codec == "mean-frame" and len(curve.points):
            _draw_mean_frame(axes, curve)
    return figure


def _in_reach(curve: Curve, rates: np.ndarray) -> np.ndarray:
    """Which points lie within the axes: all of one's own, of published ones those near measured rates."""
    if curve.kind == OWN:
        return np.ones(len(curve.points), bool)
    return (curve.rate_bpp >= rates.min() / REACH) & (curve.rate_bpp <= rates.max() * REACH)


def _note(others: Sequence[Beside], *, far: Sequence[str], missing: Sequence[str]) -> str:
    """How curves that were not measured here came about, each source once, and which are not shown."""
    notes = [f"{note}." for note in dict.fromkeys(one.note for one in others) if note]
    if far:
        notes.append(f"Not shown, as their rates are far from all measured: {', '.join(far)}.")
    if missing:
        notes.append(f"Not shown, as they are of other clips: {', '.join(missing)}.")
    return " ".join(notes)


def _texts(rows: pd.DataFrame, codecs: list[Curve]) -> dict[str, str]:
    """A remark beside the name of each series that does not cover all clips."""
    n = max(len(curve.clips) for curve in codecs)
    return {c.series: f"{c.label} ({len(c.clips)} of {n} clips)" for c in codecs if len(c.clips) < n}


def _draw_curve(axes: Axes, curve: Curve, look: Look) -> None:
    order = 3 if curve.kind == "fitted" else 2
    order += len(curve.points) == 1  # a lone marker, which a curve through it would hide
    axes.plot(curve.rate_bpp, curve.quality, zorder=order, **look.style.line_kwargs())
    if curve.seeds > 1:
        axes.vlines(curve.rate_bpp, curve.quality_low, curve.quality_high, look.style.colour, linewidth=0.8)


def _frame(axes: Axes, codecs: list[Curve], others: list[tuple[Curve, np.ndarray]]) -> None:
    """Limits, ticks and labels of the axes; `others` with the points that must be inside."""
    metric = codecs[0].metric
    rates = np.concatenate([*(c.rate_bpp for c in codecs), *(c.rate_bpp[near] for c, near in others)])
    low, high = rates.min(), rates.max()
    if high / low > LOG_FROM:
        plain_log_axis(axes, low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    else:
        pad = 0.06 * (high - low) or 0.2 * low
        axes.set_xlim(low - pad, high + pad)
    measured = [np.r_[curve.quality_low, curve.quality_high] for curve in codecs]
    values = np.concatenate([*measured, *(curve.quality[near] for curve, near in others)])
    bottom, top = values.min(), values.max()
    pad = 0.05 * (top - bottom) or 0.02 * abs(top) or 1.0
    ceiling = np.inf if metric.ceiling is None else metric.ceiling
    axes.set_ylim(bottom - pad, min(top + pad, ceiling + 0.2 * pad))
    axes.set_xlabel("Rate (bits per pixel)")
    axes.set_ylabel(metric.axis)


def _draw_mean_frame(axes: Axes, curve: Curve) -> None:
    """A line at the quality of one average frame, or a remark where that is far below the curves."""
    quality, rate = curve.quality[0], curve.rate_bpp[0]
    metric = curve.metric
    value = f"{quality:.{metric.digits}f}{' ' + metric.unit if metric.unit else ''}"
    text = f"{curve.label}, {value} at {rate:.2g} bpp"
    low, high = axes.get_ylim()
    # A white ground, so that no grid line strikes the words through.
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    put: dict[str, Any] = {
        "fontsize": SMALL_PT,
        "color": FAINT,
        "ha": "right",
        "va": "bottom",
        "bbox": ground,
    }
    if quality < low - 0.45 * (high - low):
        axes.annotate(f"{text} (below)", (1, 0), (-3, 3), "axes fraction", "offset points", **put)
        return
    axes.set_ylim(min(low, quality - 0.04 * (high - low)), high)
    axes.axhline(quality, color=FAINT, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    axes.annotate(text, (1, quality), (-3, 3), axes.get_yaxis_transform(), "offset points", **put)
