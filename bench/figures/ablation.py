"""Figure of an ablation: one row for each variant, with its difference from the first variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.analysis.ablation import Variant, read_variants, variant_labels
from bench.analysis.labels import condition_title
from bench.analysis.rd_points import load_points
from bench.figures.page import (
    FAINT,
    NOTE_PT,
    NOTE_ROW,
    SMALL_PT,
    TITLE_PT,
    new_figure,
    print_style,
    save,
    text_width,
    wrap,
)
from bench.scoring.metrics import describe

_WIDTH, _ROW, _TOP, _AXIS, _GAP = 5.6, 0.24, 0.34, 0.46, 0.14
_NOTE = (
    "Dots: mean over seeds; bars: lowest to highest seed. All variants have the same budget and about equal "
    "rates."
)


def draw_ablation(
    points_csv: Path | str,
    *,
    variants: Mapping[str, Sequence[str]],
    metric: str,
    outputs: Sequence[Path | str],
    title: str | None = None,
) -> None:
    """Draw the difference of one metric from the mean of the first variant, and the rate of each variant.

    Args:
        variants: codec id -> its points (`bench.analysis.ablation.read_variants`).

    Raises:
        BenchError: no points, no such column, or a codec's first variant is missing.
    """
    rows = read_variants(points_csv, variants=variants, metrics=[metric])
    title = title or condition_title(load_points(points_csv))
    with print_style():
        save(_plot(rows, metric, title), outputs)


def _plot(variants: Sequence[Variant], metric: str, title: str) -> Figure:
    note = wrap(_NOTE, _WIDTH - 0.2, NOTE_PT)
    foot = NOTE_ROW * len(note) + 0.06
    labels, rows = variant_labels(variants), _ROW * len(variants)
    height = _TOP + rows + _AXIS + foot
    rates = [f"{variant.rate_bpp:.3f} bpp" for variant in variants]
    left = _GAP + max(text_width(label, size=SMALL_PT) for label in labels)
    right = _GAP + max(text_width(rate, size=SMALL_PT) for rate in rates)
    figure = new_figure(_WIDTH, height)
    box = (left / _WIDTH, (_AXIS + foot) / height, (_WIDTH - left - right) / _WIDTH, rows / height)
    axes = figure.add_axes(box)
    for row, variant in enumerate(variants):
        quality = variant.qualities[metric]
        baseline = quality.mean - quality.difference
        axes.plot([quality.low - baseline, quality.high - baseline], [row] * 2, color=FAINT, linewidth=1.6)
        axes.plot([quality.difference], [row], marker="o", markersize=4.4, color="#1F5FA8")
    axes.axvline(0, color=FAINT, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.set_yticks(range(len(variants)), labels)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    rate_axis = axes.secondary_yaxis("right")
    rate_axis.set_yticks(range(len(variants)), rates)
    rate_axis.tick_params(axis="y", length=0, labelsize=SMALL_PT)
    rate_axis.spines["right"].set_visible(False)
    description = describe(metric)
    unit = f" ({description.unit})" if description.unit else ""
    axes.set_xlabel(f"{description.label} minus that of the first variant{unit}")
    figure.text(0.1 / _WIDTH, 1 - 0.08 / height, title, fontsize=TITLE_PT, va="top")
    figure.text(0.1 / _WIDTH, foot / height, "\n".join(note), fontsize=NOTE_PT, color=FAINT, va="top")
    return figure
