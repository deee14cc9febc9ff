"""Rate-distortion curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from bench.figures.series import Look, key_groups, looks
from bench.rd import CONTROL, Curve, condition_title, curves, load_points, metric_of

#: From this ratio of the highest rate to the lowest on, rates are drawn on a logarithmic axis.
LOG_FROM = 8.0
#: Scores that cannot be higher, so that an axis need not be.
CEILINGS = {"ms_ssim_rgb": 1.0, "ms_ssim_y": 1.0, "vmaf": 100.0}


def draw_rd(
    points_csv: Path | str,
    *,
    metric: str,
    outs: Sequence[Path | str],
    clip: str | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw one metric over rate, a curve a series: of `clip`, or the mean over all clips.

    The mean frame (a control) is a horizontal line; lossless controls are not drawn. Where points
    have several seeds, bars span the lowest and the highest. A metric that no record has (VMAF
    without libvmaf, MS-SSIM of tiny frames) gives a page that says so.

    Args:
        metric: a quality column of rd_points.csv, or `ms_ssim_rgb_db`, `ms_ssim_y_db` for
            -10 log10(1 - MS-SSIM).
        outs: files to write; their suffixes choose among pdf, png and svg.
        title: default: the condition, its clip and the clip's size.
        width: inches; 7 for two columns of a journal, 3.5 for one.

    Raises:
        BenchError: no points, or no such column or clip.
    """
    rows = load_points(points_csv)
    drawn = curves(rows, metric, clip=clip)
    title = condition_title(rows, clip) if title is None else title
    with print_style():
        if not any(len(curve.points) for curve in drawn if curve.kind != CONTROL):
            note = f"{metric_of(metric).name}: no record of this condition has a value."
            save_note(note, title=title, width=width, outs=outs)
            return
        save(_plot(rows, drawn, title, width), outs)


def _plot(rows: pd.DataFrame, drawn: list[Curve], title: str, width: float) -> Figure:
    look = looks(rows)
    codecs = [curve for curve in drawn if curve.kind != CONTROL and len(curve.points)]
    key = key_groups([look[curve.series] for curve in codecs], texts=_texts(rows, codecs))
    figure, (axes,) = page(title=title, key=key, width=width, height=3.4 if width >= 5 else 2.7)
    for curve in codecs:
        _draw_curve(axes, curve, look[curve.series])
    _frame(axes, codecs)
    for curve in drawn:
        if curve.codec == "mean-frame" and len(curve.points):
            _draw_mean_frame(axes, curve)
    return figure


def _texts(rows: pd.DataFrame, codecs: list[Curve]) -> dict[str, str]:
    """A remark beside the name of each series that does not cover all clips."""
    n = max(len(curve.clips) for curve in codecs)
    return {c.series: f"{c.label} ({len(c.clips)} of {n} clips)" for c in codecs if len(c.clips) < n}


def _draw_curve(axes: Axes, curve: Curve, look: Look) -> None:
    order = 3 if curve.kind == "fitted" else 2
    axes.plot(curve.rate_bpp, curve.quality, zorder=order, **look.style.line_kwargs())
    if curve.seeds > 1:
        axes.vlines(curve.rate_bpp, curve.quality_low, curve.quality_high, look.style.colour, linewidth=0.8)


def _frame(axes: Axes, codecs: list[Curve]) -> None:
    """Limits, ticks and labels of the axes."""
    metric = codecs[0].metric
    rates = np.concatenate([curve.rate_bpp for curve in codecs])
    low, high = rates.min(), rates.max()
    if high / low > LOG_FROM:
        plain_log_axis(axes, low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    else:
        pad = 0.06 * (high - low) or 0.2 * low
        axes.set_xlim(low - pad, high + pad)
    values = np.concatenate([np.r_[curve.quality_low, curve.quality_high] for curve in codecs])
    bottom, top = values.min(), values.max()
    pad = 0.05 * (top - bottom) or 0.02 * abs(top) or 1.0
    axes.set_ylim(bottom - pad, min(top + pad, CEILINGS.get(metric.column, np.inf) + 0.2 * pad))
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
