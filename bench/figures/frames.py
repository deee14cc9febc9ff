"""Figure of the quality of each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.labels import nearest_title, with_footnotes
from bench.analysis.point_files import frame_values, point_file
from bench.analysis.rd_points import load_points, nearest_points, rows_of_clip
from bench.base.errors import BenchError
from bench.base.result_files import RESULTS
from bench.figures.page import DOUBLE_COLUMN, page, print_style, save, save_note
from bench.figures.series import drawn_series, equal_rate_note, legend_groups
from bench.scoring.metrics import describe

#: Number of markers on a line. Markers distinguish lines in greyscale, but on every frame they would hide
#: them.
MARKERS = 9


def draw_frames(
    points_csv: Path | str,
    *,
    clip: str,
    rate_bpp: float,
    outputs: Sequence[Path | str],
    results: Path | str = RESULTS,
    metric: str = "psnr_rgb_db",
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw a metric over frames, one line for each series at its point whose rate is nearest to `rate_bpp`.

    Values are read from frames.csv in the folder `results` (`bench.base.result_files`). The note names series
    without that file. If no point has the metric for single frames, the page has a text only.

    Args:
        footnotes: codec id -> text below the figure, where the codec is drawn.

    Raises:
        BenchError: no points, no such clip, or not one frames.csv.
    """
    rows = load_points(points_csv)
    chosen = nearest_points(rows_of_clip(rows, clip), clip=clip, rate_bpp=rate_bpp)
    files = {row["series"]: point_file(row, "frames.csv", results) for _, row in chosen.iterrows()}
    if files and not any(file.is_file() for file in files.values()):
        raise BenchError(results, f"no frames.csv of clip {clip}", "measure its points first")
    values = {series: table for series, file in files.items() if len(table := frame_values(file, metric))}
    title = title or nearest_title(rows, clip, rate_bpp)
    with print_style():
        if not values:
            note = f"No point has {describe(metric).label} of single frames."
            save_note(note, title=title, width=width, outputs=outputs)
            return
        # The legend has the order of the lines from top to bottom.
        order = sorted(values, key=lambda series: -values[series]["value"].mean())
        shown = chosen.loc[order]
        note = with_footnotes(equal_rate_note(chosen, shown), shown, footnotes or {})
        save(_plot(rows, shown, values, metric, title, width, note), outputs)


def _plot(
    rows: pd.DataFrame,
    shown: pd.DataFrame,
    values: Mapping[str, pd.DataFrame],
    metric: str,
    title: str,
    width: float,
    note: str,
) -> Figure:
    drawn = drawn_series(rows)
    texts = {row["series"]: f"{row['label']}, {row['rate_bpp']:.3f} bpp" for _, row in shown.iterrows()}
    legend = legend_groups([drawn[series] for series in shown["series"]], texts=texts)
    figure, (axes,) = page(title=title, legend=legend, width=width, height=2.9, note=note)
    for index, (series, row) in enumerate(shown.iterrows()):
        table, style = values[series], drawn[series].style.line_kwargs()
        every = max(1, len(table) // MARKERS)
        start = (index * every) // max(1, len(shown))
        order = 3 if row["kind"] == "fitted" else 2
        axes.plot(
            "frame", "value", data=table, zorder=order, markevery=(start, every), **style | {"linewidth": 1.0}
        )
    axes.margins(x=0.015)
    axes.set_xlabel("Frame")
    axes.set_ylabel(describe(metric).axis)
    return figure
