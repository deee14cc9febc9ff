"""Figure of rate-distortion curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.curve_file import USER, load_curves
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import condition_title, truth_note, with_footnotes
from bench.analysis.published import PublishedCurve, Selector, published_curves, select
from bench.analysis.rd_points import CONTROL, load_points
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
from bench.figures.series import DrawnSeries, drawn_series, legend_groups, published_series
from bench.scoring.metrics import describe

#: Above this ratio of the highest rate to the lowest one, the axis of rates is logarithmic.
LOG_FROM = 8.0
#: Factor by which published points may extend the axis beyond the measured rates.
REACH = 2.0


def draw_rd(
    points_csv: Path | str,
    *,
    metric: str,
    outputs: Sequence[Path | str],
    clip: str | None = None,
    published: Sequence[Selector] = (),
    user_curves: Path | str | None = None,
    sequences: Mapping[str, str] | None = None,
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw one metric over rate, one curve for each series: on `clip`, or the mean over all clips.

    The mean frame (a control) is a horizontal line; lossless controls are not drawn. Bars and a band span the
    lowest and the highest seed. If no record has the metric (VMAF without libvmaf, MS-SSIM of small frames),
    the page has a text only.

    Curves that were not measured here are thin and dashed with open markers, in separate groups of the
    legend. A note states their origin and names those that cannot be shown.

    Args:
        metric: a quality column of rd_points.csv; `ms_ssim_rgb_db` and `ms_ssim_y_db` are
            -10 log10(1 - MS-SSIM).
        outputs: files to write; their suffixes choose the formats (.pdf, .png, .svg).
        published: published curves to draw (`baselines/reported`).
        user_curves: a curve file to draw (`bench.analysis.curve_file`).
        sequences: clip -> name of its sequence, which published curves use.
        footnotes: codec id -> text below the figure, where the codec is drawn.
        title: default: condition, clip and number of frames.
        width: in inches; 7 for two columns of a journal, 3.5 for one.

    Raises:
        BenchError: no points, no such column or clip, or a published curve that is unknown or cannot be read.
    """
    rows = load_points(points_csv)
    measured = curves(rows, metric, clip=clip)
    title = condition_title(rows, clip) if title is None else title
    # Read before the check for measured points, so that a wrong file is always an error.
    others = _published(rows, metric, clip, published, user_curves, sequences or {})
    with print_style():
        if not any(len(curve.points) for curve in measured if curve.kind != CONTROL):
            every = "a value" if clip or rows["clip"].nunique() == 1 else "a value on every clip"
            note = f"{describe(metric).label}: no codec of this condition has {every}."
            save_note(note, title=title, width=width, outputs=outputs)
            return
        truth = truth_note(rows if clip is None else rows[rows["clip"] == clip])
        note = " ".join(filter(None, [truth, "" if clip else _left_out(rows, metric, measured)]))
        figure = _plot(
            rows, measured, *others, note=note, footnotes=footnotes or {}, title=title, width=width
        )
        save(figure, outputs)


def _published(
    rows: pd.DataFrame,
    metric: str,
    clip: str | None,
    published: Sequence[Selector],
    user_curves: Path | str | None,
    sequences: Mapping[str, str],
) -> tuple[list[PublishedCurve], list[str]]:
    """Curves that were not measured here, and the labels of those that are of other clips."""
    clips = {name: sequences.get(name, name) for name in sorted(rows["clip"].unique())}
    tables = [select([selector]) for selector in published]
    tables += [load_curves(user_curves)] if user_curves is not None else []
    if not tables:
        return [], []
    table = pd.concat(tables)
    shown = published_curves(table, metric, clips=clips, clip=clip)
    with_values = table[table.reindex(columns=[metric, "rate_bpp"]).notna().all(axis=1)]
    labels = with_values.drop_duplicates("series").set_index("series")["label"]
    return shown, list(dict.fromkeys(labels.drop([one.curve.series for one in shown])))


def _plot(
    rows: pd.DataFrame,
    measured: list[Curve],
    published: list[PublishedCurve],
    missing: list[str],
    *,
    note: str,
    footnotes: Mapping[str, str],
    title: str,
    width: float,
) -> Figure:
    drawn = drawn_series(rows) | published_series(published, rows)
    codecs = [curve for curve in measured if curve.kind != CONTROL and len(curve.points)]
    rates = np.concatenate([curve.rate_bpp for curve in codecs])
    near = {one.curve.series: _in_reach(one.curve, rates) for one in published}
    far = [one.text for one in published if not near[one.curve.series].any()]
    published = [one for one in published if near[one.curve.series].any()]
    shown = [*codecs, *(one.curve for one in published)]
    legend = legend_groups([drawn[curve.series] for curve in shown])
    of_codecs = rows[rows["series"].isin([curve.series for curve in codecs])]
    note = " ".join(filter(None, [note, _note(published, far=far, missing=missing)]))
    note = with_footnotes(note, of_codecs, footnotes)
    figure, (axes,) = page(
        title=title, legend=legend, width=width, height=3.4 if width >= 5 else 2.7, note=note
    )
    for curve in shown:
        _draw_curve(axes, curve, drawn[curve.series])
    _frame(axes, codecs, [(one.curve, near[one.curve.series]) for one in published])
    for curve in measured:
        if curve.codec == "mean-frame" and len(curve.points):
            _draw_mean_frame(axes, curve)
    return figure


def _in_reach(curve: Curve, rates: np.ndarray) -> np.ndarray:
    """Points that are drawn: all of a user's curve, those near measured rates of a published one."""
    if curve.kind == USER:
        return np.ones(len(curve.points), bool)
    return (curve.rate_bpp >= rates.min() / REACH) & (curve.rate_bpp <= rates.max() * REACH)


def _note(published: Sequence[PublishedCurve], *, far: Sequence[str], missing: Sequence[str]) -> str:
    """Origin of the curves that were not measured here, each source once, and which are not shown."""
    notes = [f"{note}." for note in dict.fromkeys(one.note for one in published) if note]
    if far:
        notes.append(f"Not shown, because their rates are far from all measured ones: {', '.join(far)}.")
    if missing:
        notes.append(f"Not shown, because they are of other clips: {', '.join(missing)}.")
    return " ".join(notes)


def _left_out(rows: pd.DataFrame, metric: str, measured: list[Curve]) -> str:
    """Name the series that the mean over clips leaves out, because not every clip has them."""
    drawn = {curve.series for curve in measured if len(curve.points)}
    left_out = [
        curve.full_label
        for curve in curves(rows, metric, every_clip=False)
        if curve.kind != CONTROL and curve.series not in drawn
    ]
    return f"Not shown, because not every clip has them: {'; '.join(left_out)}." if left_out else ""


def _draw_curve(axes: Axes, curve: Curve, series: DrawnSeries) -> None:
    order = 3 if curve.kind == "fitted" else 2
    order += len(curve.points) == 1  # above the curves, which would hide a single marker
    axes.plot(curve.rate_bpp, curve.quality, zorder=order, **series.style.line_kwargs())
    if curve.seeds > 1:
        band: dict[str, Any] = {
            "color": series.style.colour,
            "alpha": 0.18,
            "linewidth": 0,
            "zorder": order - 1,
        }
        axes.fill_between(curve.rate_bpp, curve.quality_low, curve.quality_high, **band)
        axes.vlines(curve.rate_bpp, curve.quality_low, curve.quality_high, series.style.colour, linewidth=0.8)


def _frame(axes: Axes, codecs: list[Curve], published: list[tuple[Curve, np.ndarray]]) -> None:
    """Limits, ticks and labels of the axes. `published` has the points of each curve that must be inside."""
    metric = codecs[0].metric
    rates = np.concatenate([*(c.rate_bpp for c in codecs), *(c.rate_bpp[near] for c, near in published)])
    low, high = rates.min(), rates.max()
    if high / low > LOG_FROM:
        plain_log_axis(axes, low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    else:
        pad = 0.06 * (high - low) or 0.2 * low
        axes.set_xlim(low - pad, high + pad)
    measured = [np.r_[curve.quality_low, curve.quality_high] for curve in codecs]
    values = np.concatenate([*measured, *(curve.quality[near] for curve, near in published)])
    bottom, top = values.min(), values.max()
    pad = 0.05 * (top - bottom) or 0.02 * abs(top) or 1.0
    low, high = bottom - pad, top + pad
    if metric.ceiling is not None and metric.higher_is_better:
        high = min(high, metric.ceiling + 0.2 * pad)
    elif metric.ceiling is not None:
        low = max(low, metric.ceiling - 0.2 * pad)
    axes.set_ylim(low, high)
    axes.set_xlabel("Rate (bits per pixel)")
    axes.set_ylabel(metric.axis if metric.higher_is_better else f"{metric.axis}, lower is better")


def _draw_mean_frame(axes: Axes, curve: Curve) -> None:
    """Draw a line at the quality of the mean frame, or only a text where that is far below the curves."""
    quality, rate = curve.quality[0], curve.rate_bpp[0]
    metric = curve.metric
    text = f"{curve.label}, {metric.text(quality)} at {rate:.2g} bpp"
    low, high = axes.get_ylim()
    # A white background hides the grid lines behind the text.
    background = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    text_options: dict[str, Any] = {
        "fontsize": SMALL_PT,
        "color": FAINT,
        "ha": "right",
        "va": "bottom",
        "bbox": background,
    }
    far, margin = 0.45 * (high - low), 0.04 * (high - low)
    if quality < low - far:
        axes.annotate(f"{text} (below)", (1, 0), (-3, 3), "axes fraction", "offset points", **text_options)
        return
    if quality > high + far:
        text_options["va"] = "top"
        axes.annotate(f"{text} (above)", (1, 1), (-3, -3), "axes fraction", "offset points", **text_options)
        return
    axes.set_ylim(min(low, quality - margin), high if quality <= high else quality + 3 * margin)
    axes.axhline(quality, color=FAINT, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    axes.annotate(text, (1, quality), (-3, 3), axes.get_yaxis_transform(), "offset points", **text_options)
