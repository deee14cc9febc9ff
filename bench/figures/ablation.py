"""What an ablation's variants lose or gain against the first of them, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.analysis.curves import condition_title, load_points
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
from bench.tables.ablation import Variant, read_variants, row_names

_WIDTH, _ROW, _TOP, _AXIS, _GAP = 5.6, 0.24, 0.34, 0.46, 0.14
_NOTE = (
    "Dots: mean over seeds; bars: lowest to highest seed. All variants are fitted alike, at about one rate."
)


def draw_ablation(
    points_csv: Path | str,
    *,
    variants: Mapping[str, Sequence[str]],
    metric: str,
    outs: Sequence[Path | str],
    title: str | None = None,
) -> None:
    """Draw one metric of every variant over the first one's mean, with its rate beside it.

    Args:
        variants: codec id -> its points (`bench.tables.ablation.read_variants`).

    Raises:
        BenchError: no points, no such column, or a codec's first variant is missing.
    """
    found = read_variants(points_csv, variants=variants, metrics=[metric])
    title = title or condition_title(load_points(points_csv))
    with print_style():
        save(_plot(found, metric, title), outs)


def _plot(found: Sequence[Variant], metric: str, title: str) -> Figure:
    note = wrap(_NOTE, _WIDTH - 0.2, NOTE_PT)
    foot = NOTE_ROW * len(note) + 0.06
    names, rows = row_names(found), _ROW * len(found)
    height = _TOP + rows + _AXIS + foot
    rates = [f"{variant.rate_bpp:.3f} bpp" for variant in found]
    left = _GAP + max(text_width(name, size=SMALL_PT) for name in names)
    right = _GAP + max(text_width(rate, size=SMALL_PT) for rate in rates)
    figure = new_figure(_WIDTH, height)
    box = (left / _WIDTH, (_AXIS + foot) / height, (_WIDTH - left - right) / _WIDTH, rows / height)
    axes = figure.add_axes(box)
    for place, variant in enumerate(found):
        quality = variant.qualities[metric]
        baseline = quality.mean - quality.difference
        axes.plot([quality.low - baseline, quality.high - baseline], [place] * 2, color=FAINT, linewidth=1.6)
        axes.plot([quality.difference], [place], marker="o", markersize=4.4, color="#1F5FA8")
    axes.axvline(0, color=FAINT, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_yticks(range(len(found)), names)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(found)), rates)
    beside.tick_params(axis="y", length=0, labelsize=SMALL_PT)
    beside.spines["right"].set_visible(False)
    shown = describe(metric)
    axes.set_xlabel(f"{shown.label} against «{found[0].name}»" + f" ({shown.unit})" * bool(shown.unit))
    figure.text(0.1 / _WIDTH, 1 - 0.08 / height, title, fontsize=TITLE_PT, va="top")
    figure.text(0.1 / _WIDTH, foot / height, "\n".join(note), fontsize=NOTE_PT, color=FAINT, va="top")
    return figure
