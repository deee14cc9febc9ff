"""The printed page: sizes, fonts, the key beside or below the axes, and files that never differ.

All lengths are inches, so that a figure of 3.5 or 7 inches fits a journal's column as it is.
"""

from __future__ import annotations

import math
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
from bench.figures.style import Style

DOUBLE_COLUMN, SINGLE_COLUMN = 7.0, 3.5
PNG_DPI = 200
#: From this width on, the key stands beside the axes.
WIDE = 5.0
TITLE_PT, TEXT_PT, SMALL_PT, NOTE_PT = 8.5, 8.0, 7.0, 6.5
LEFT, RIGHT, BOTTOM, TOP, GAP = 0.62, 0.08, 0.42, 0.30, 0.56
HEADING, ROW, GROUP_GAP, SAMPLE, KEY_GAP = 0.165, 0.15, 0.09, 0.32, 0.2
NOTE_ROW, TITLE_ROW = 0.125, 0.155
GRID, INK, FAINT = "#E4E4E4", "#262626", "#6A6A6A"

#: Only what matplotlib ships itself, so that a figure is the same on every machine.
RC: Any = {
    "font.family": "DejaVu Sans",
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
    # A dollar sign in somebody's label is a dollar sign.
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
class KeyEntry:
    """One row of the key: a sample of the line (none: text alone) and its text."""

    text: str
    style: Style | None = None


@dataclass(frozen=True)
class KeyGroup:
    """Rows of the key under a heading."""

    heading: str
    entries: tuple[KeyEntry, ...]

    @property
    def height(self) -> float:
        return HEADING + ROW * len(self.entries)

    @property
    def width(self) -> float:
        rows = (SAMPLE + 0.06 + text_width(entry.text, size=SMALL_PT) for entry in self.entries)
        return max(text_width(self.heading, size=SMALL_PT, bold=True), *rows)


@contextmanager
def print_style() -> Iterator[None]:
    """Draw and save inside this; matplotlib's settings come back afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches that can measure its texts."""
    figure = Figure(figsize=(width, height), dpi=PNG_DPI)
    FigureCanvasAgg(figure)
    return figure


def page(
    *,
    title: str,
    key: Sequence[KeyGroup],
    panels: int = 1,
    width: float = DOUBLE_COLUMN,
    height: float = 3.3,
    note: str = "",
) -> tuple[Figure, list[Axes]]:
    """A figure with `panels` axes side by side under a title, the key, and a note at the foot.

    The key stands right of the axes on a page of two columns, below them on a narrow one, which
    grows by what the key takes.

    Args:
        height: of the figure without a note, and without a key below the axes.
    """
    lines = wrap(note, width - 0.2, NOTE_PT)
    foot = NOTE_ROW * len(lines) + 0.06 if lines else 0.0
    heading = wrap(title, width - LEFT - RIGHT, TITLE_PT)
    top = TOP + TITLE_ROW * (len(heading) - 1)
    wide = width >= WIDE
    columns = [list(key)] if wide else _deal(key, width)
    tall = max((sum(g.height + GROUP_GAP for g in column) for column in columns), default=0.0)
    if wide:
        figure = new_figure(width, max(height, top + tall) + foot)
        beside = max((group.width for group in key), default=-KEY_GAP) + KEY_GAP
        axes = _axes(figure, panels, right=beside, bottom=foot, top=top)
        _draw_key(figure, key, x=width - beside + KEY_GAP - RIGHT, y=figure.get_figheight() - top)
    else:
        figure = new_figure(width, height + tall + foot)
        axes = _axes(figure, panels, right=0.0, bottom=tall + foot, top=top)
        x = 0.1
        for column in columns:
            _draw_key(figure, column, x=x, y=tall + foot)
            x += max(group.width for group in column) + KEY_GAP
    write_words(figure, heading, at=LEFT, note=lines, foot=foot)
    return figure, axes


def write_words(
    figure: Figure, heading: Sequence[str], *, at: float, note: Sequence[str], foot: float
) -> None:
    """Write the lines of the heading from `at` inches on, and those of the note from `foot` downwards."""
    put: dict[str, Any] = {"transform": figure.dpi_scale_trans, "va": "top"}
    figure.text(at, figure.get_figheight() - 0.08, "\n".join(heading), fontsize=TITLE_PT, **put)
    figure.text(min(at, 0.1), foot, "\n".join(note), fontsize=NOTE_PT, color=FAINT, **put)


def _axes(figure: Figure, panels: int, *, right: float, bottom: float, top: float) -> list[Axes]:
    width, height = figure.get_size_inches()
    room = width - LEFT - RIGHT - right - GAP * (panels - 1)
    each, tall = room / panels, height - top - BOTTOM - bottom
    corners = [LEFT + index * (each + GAP) for index in range(panels)]
    made = [
        figure.add_axes((x / width, (BOTTOM + bottom) / height, each / width, tall / height)) for x in corners
    ]
    for axes in made:
        axes.yaxis.set_major_locator(MaxNLocator(max(4, int(tall / 0.27)), steps=[1, 2, 5, 10]))
        # A fixed place: a label that makes way for its tick labels leaves the page.
        axes.yaxis.set_label_coords((0.19 - LEFT) / each, 0.5)
    return made


def _draw_key(figure: Figure, key: Sequence[KeyGroup], *, x: float, y: float) -> None:
    """Draw groups downwards from (x, y), inches from the figure's lower left corner."""
    put: dict[str, Any] = {"transform": figure.dpi_scale_trans, "fontsize": SMALL_PT, "va": "center"}
    for group in key:
        figure.text(x, y - HEADING / 2, group.heading, fontweight="bold", **put)
        y -= HEADING
        for entry in group.entries:
            if entry.style is not None:
                sample = Line2D(
                    [x, x + SAMPLE / 2, x + SAMPLE], [y - ROW / 2] * 3, **entry.style.line_kwargs()
                )
                sample.set(transform=figure.dpi_scale_trans, markevery=[1])
                figure.add_artist(sample)
            figure.text(x + SAMPLE + 0.06, y - ROW / 2, entry.text, **put)
            y -= ROW
        y -= GROUP_GAP


def _deal(key: Sequence[KeyGroup], width: float) -> list[list[KeyGroup]]:
    """Groups to as many columns as fit into `width`, the tallest first, each to the shortest column."""
    if not key:
        return []
    n = max(1, int((width - 0.1) // (max(group.width for group in key) + KEY_GAP)))
    columns: list[list[KeyGroup]] = [[] for _ in range(min(n, len(key)))]
    for group in sorted(key, key=lambda group: -group.height):
        min(columns, key=lambda column: sum(g.height + GROUP_GAP for g in column)).append(group)
    return [sorted(column, key=key.index) for column in columns]


def text_width(text: str, *, size: float, bold: bool = False) -> float:
    """Width of one line of text in inches."""
    figure = new_figure(1, 1)
    artist = figure.text(0, 0, text, fontsize=size, fontweight="bold" if bold else "normal")
    return artist.get_window_extent().width / figure.dpi


def wrap(text: str, width: float, size: float) -> list[str]:
    """The lines of a text of `size` points that is at most `width` inches wide."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size=size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def plain_log_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis from `low` to `high` with as many plain numbers as stand clear of each other."""
    decades = range(-6, 8)
    length = axes.get_window_extent().width / PNG_DPI
    for steps, fewest in (((1, 2, 5), 4), ((1, 1.5, 2, 3, 5, 7), 4), ((1, 3), 3), ((1,), 0)):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) >= fewest and _clear(ticks, length / math.log(high / low)):
            break
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(FixedLocator([s * 10.0**d for d in decades for s in range(1, 10)]))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _clear(ticks: Sequence[float], scale: float) -> bool:
    """Whether tick labels do not touch, at `scale` inches a factor of e."""
    widths = [text_width(f"{tick:g}", size=SMALL_PT) for tick in ticks]
    places = [scale * math.log(tick) for tick in ticks]
    pairs = zip(pairwise(places), pairwise(widths), strict=True)
    return all(right - left > (one + two) / 2 + 0.08 for (left, right), (one, two) in pairs)


def save(figure: Figure, outs: Sequence[Path | str]) -> None:
    """Write the figure in the formats that the suffixes name, each atomically, without a date.

    Raises:
        BenchError: a suffix other than .pdf, .png or .svg.
    """
    for out in map(Path, outs):
        if out.suffix not in _NO_DATES:
            raise BenchError(out, "not a format of figures", "end it with .pdf, .png or .svg")
        buffer = BytesIO()
        figure.savefig(buffer, format=out.suffix[1:], dpi=PNG_DPI, metadata=_NO_DATES[out.suffix])
        with atomic_file(out) as file:
            file.write(buffer.getvalue())


def save_note(text: str, *, title: str, width: float, outs: Sequence[Path | str]) -> None:
    """Write a page that says in words why there is nothing to draw."""
    figure = new_figure(width, 0.8)
    figure.text(LEFT / width, 0.9, title, va="top", fontsize=TITLE_PT)
    figure.text(LEFT / width, 0.35, text, va="center", color=FAINT)
    save(figure, outs)
