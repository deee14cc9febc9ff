"""Page layout of figures: sizes, fonts, axes, legend and notes, and reproducible files.

All lengths are in inches. A figure of 3.5 or 7 inches fits one or two columns of a journal without scaling.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.figures.fonts import set_fonts, use_fonts_for
from bench.figures.style import Style

DOUBLE_COLUMN, SINGLE_COLUMN = 7.0, 3.5
PNG_DPI = 200
#: From this width on, the legend is beside the axes; on a narrower page it is below them.
WIDE = 5.0
TITLE_PT, TEXT_PT, SMALL_PT, NOTE_PT = 8.5, 8.0, 7.0, 6.5
LEFT, RIGHT, BOTTOM, TOP, GAP = 0.62, 0.08, 0.42, 0.30, 0.56
HEADING, ROW, GROUP_GAP, SAMPLE, LEGEND_GAP = 0.165, 0.15, 0.09, 0.32, 0.2
NOTE_ROW, TITLE_ROW = 0.125, 0.155
GRID, INK, FAINT = "#E4E4E4", "#262626", "#6A6A6A"

#: A font that matplotlib ships, so that a figure is the same on every machine. `bench.figures.fonts` adds
#: fonts for labels in other scripts.
RC: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT_PT,
    "axes.titlesize": TITLE_PT,
    "axes.labelsize": TEXT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelpad": 3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "text.color": INK,
    # A label may contain dollar signs.
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.6,
    "lines.dash_capstyle": "butt",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "bench",
    "savefig.facecolor": "white",
}
_NO_DATES = {
    ".pdf": {"CreationDate": None, "ModDate": None},
    ".svg": {"Date": None},
    ".png": {"Software": None},
}


@dataclass(frozen=True)
class LegendEntry:
    """One row of the legend: its text, and a sample of a line (None: no sample)."""

    text: str
    style: Style | None = None


@dataclass(frozen=True)
class LegendGroup:
    """Rows of the legend under a heading."""

    heading: str
    entries: tuple[LegendEntry, ...]

    @property
    def height(self) -> float:
        return HEADING + ROW * len(self.entries)

    @property
    def width(self) -> float:
        rows = (SAMPLE + 0.06 + text_width(entry.text, size=SMALL_PT) for entry in self.entries)
        return max(text_width(self.heading, size=SMALL_PT, bold=True), *rows)


@contextmanager
def print_style() -> Iterator[None]:
    """Context with the settings of all figures; restores the previous settings of matplotlib after it."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches with a canvas, which text measurement needs."""
    figure = Figure(figsize=(width, height), dpi=PNG_DPI)
    FigureCanvasAgg(figure)
    return figure


def page(
    *,
    title: str,
    legend: Sequence[LegendGroup],
    panels: int = 1,
    width: float = DOUBLE_COLUMN,
    height: float = 3.3,
    note: str = "",
) -> tuple[Figure, list[Axes]]:
    """A figure with a title, `panels` axes side by side, a legend, and a note at the bottom.

    The legend is to the right of the axes on a wide page. On a narrow page it is below them, and the page is
    higher.

    Args:
        height: of the figure without a note and without a legend below the axes.
    """
    lines = wrap(note, width - 0.2, NOTE_PT)
    foot = NOTE_ROW * len(lines) + 0.06 if lines else 0.0
    heading = wrap(title, width - LEFT - RIGHT, TITLE_PT)
    top = TOP + TITLE_ROW * (len(heading) - 1)
    wide = width >= WIDE
    columns = [list(legend)] if wide else _columns(legend, width)
    legend_height = max((sum(g.height + GROUP_GAP for g in column) for column in columns), default=0.0)
    if wide:
        figure = new_figure(width, max(height, top + legend_height) + foot)
        right = max((group.width for group in legend), default=-LEGEND_GAP) + LEGEND_GAP
        axes = _axes(figure, panels, right=right, bottom=foot, top=top)
        _draw_legend(figure, legend, x=width - right + LEGEND_GAP - RIGHT, y=figure.get_figheight() - top)
    else:
        figure = new_figure(width, height + legend_height + foot)
        axes = _axes(figure, panels, right=0.0, bottom=legend_height + foot, top=top)
        x = 0.1
        for column in columns:
            _draw_legend(figure, column, x=x, y=legend_height + foot)
            x += max(group.width for group in column) + LEGEND_GAP
    write_texts(figure, heading, at=LEFT, note=lines, foot=foot)
    return figure, axes


def write_texts(
    figure: Figure, heading: Sequence[str], *, at: float, note: Sequence[str], foot: float
) -> None:
    """Write the heading `at` inches from the left, and the note from `foot` inches downwards."""
    text_options: dict[str, Any] = {"transform": figure.dpi_scale_trans, "va": "top"}
    figure.text(at, figure.get_figheight() - 0.08, "\n".join(heading), fontsize=TITLE_PT, **text_options)
    figure.text(min(at, 0.1), foot, "\n".join(note), fontsize=NOTE_PT, color=FAINT, **text_options)


def _axes(figure: Figure, panels: int, *, right: float, bottom: float, top: float) -> list[Axes]:
    width, height = figure.get_size_inches()
    available = width - LEFT - RIGHT - right - GAP * (panels - 1)
    panel_width, panel_height = available / panels, height - top - BOTTOM - bottom
    corners = [LEFT + index * (panel_width + GAP) for index in range(panels)]
    axes_of_panels = [
        figure.add_axes((x / width, (BOTTOM + bottom) / height, panel_width / width, panel_height / height))
        for x in corners
    ]
    for axes in axes_of_panels:
        axes.yaxis.set_major_locator(MaxNLocator(max(4, int(panel_height / 0.27)), steps=[1, 2, 5, 10]))
        # Fixed, because a label that moves away from wide tick labels would leave the page.
        axes.yaxis.set_label_coords((0.19 - LEFT) / panel_width, 0.5)
    return axes_of_panels


def _draw_legend(figure: Figure, legend: Sequence[LegendGroup], *, x: float, y: float) -> None:
    """Draw groups downwards from (x, y), in inches from the lower left corner of the figure."""
    text_options: dict[str, Any] = {"transform": figure.dpi_scale_trans, "fontsize": SMALL_PT, "va": "center"}
    for group in legend:
        figure.text(x, y - HEADING / 2, group.heading, fontweight="bold", **text_options)
        y -= HEADING
        for entry in group.entries:
            if entry.style is not None:
                sample = Line2D(
                    [x, x + SAMPLE / 2, x + SAMPLE], [y - ROW / 2] * 3, **entry.style.line_kwargs()
                )
                sample.set(transform=figure.dpi_scale_trans, markevery=[1])
                figure.add_artist(sample)
            figure.text(x + SAMPLE + 0.06, y - ROW / 2, entry.text, **text_options)
            y -= ROW
        y -= GROUP_GAP


def _columns(legend: Sequence[LegendGroup], width: float) -> list[list[LegendGroup]]:
    """Distribute groups to the columns that fit into `width`: tallest first, each to the shortest column."""
    if not legend:
        return []
    n = max(1, int((width - 0.1) // (max(group.width for group in legend) + LEGEND_GAP)))
    columns: list[list[LegendGroup]] = [[] for _ in range(min(n, len(legend)))]
    for group in sorted(legend, key=lambda group: -group.height):
        min(columns, key=lambda column: sum(g.height + GROUP_GAP for g in column)).append(group)
    return [sorted(column, key=legend.index) for column in columns]


def text_width(text: str, *, size: float, bold: bool = False) -> float:
    """Width of one line of text in inches."""
    use_fonts_for(text)
    figure = new_figure(1, 1)
    artist = figure.text(0, 0, text, fontsize=size, fontweight="bold" if bold else "normal")
    return artist.get_window_extent().width / figure.dpi


def wrap(text: str, width: float, size: float) -> list[str]:
    """Lines of a text of `size` points, each at most `width` inches wide."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size=size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def plain_log_axis(axes: Axes, low: float, high: float) -> None:
    """Make the x axis logarithmic from `low` to `high`, with decimal tick labels that do not overlap."""
    decades = range(-6, 8)
    length = axes.get_window_extent().width / PNG_DPI
    for steps, fewest in (((1, 2, 5), 4), ((1, 1.5, 2, 3, 5, 7), 4), ((1, 3), 3), ((1,), 0)):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) >= fewest and _labels_fit(ticks, length / math.log(high / low)):
            break
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(FixedLocator([s * 10.0**d for d in decades for s in range(1, 10)]))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _labels_fit(ticks: Sequence[float], scale: float) -> bool:
    """Whether tick labels do not overlap, at `scale` inches for a factor of e."""
    widths = [text_width(f"{tick:g}", size=SMALL_PT) for tick in ticks]
    positions = [scale * math.log(tick) for tick in ticks]
    pairs = zip(pairwise(positions), pairwise(widths), strict=True)
    return all(right - left > (one + two) / 2 + 0.08 for (left, right), (one, two) in pairs)


def save(figure: Figure, outputs: Sequence[Path | str]) -> None:
    """Write the figure in the formats that the suffixes name, each atomically, without a date.

    Raises:
        BenchError: a suffix other than .pdf, .png or .svg.
    """
    set_fonts(figure)
    for out in map(Path, outputs):
        if out.suffix not in _NO_DATES:
            raise BenchError(out, "is not a format of figures", "end it with .pdf, .png or .svg")
        buffer = BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # `set_fonts` has named the characters
            figure.savefig(buffer, format=out.suffix[1:], dpi=PNG_DPI, metadata=_NO_DATES[out.suffix])
        with atomic_file(out) as file:
            file.write(buffer.getvalue())


def save_note(text: str, *, title: str, width: float, outputs: Sequence[Path | str]) -> None:
    """Write a page with a text in place of a figure, where there is nothing to draw."""
    figure = new_figure(width, 0.8)
    figure.text(LEFT / width, 0.9, title, va="top", fontsize=TITLE_PT)
    figure.text(LEFT / width, 0.35, text, va="center", color=FAINT)
    save(figure, outputs)
