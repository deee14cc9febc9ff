"""Quality frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.curves import load_points, nearest_points, with_footnotes
from bench.base.errors import BenchError
from bench.figures.page import DOUBLE_COLUMN, page, print_style, save, save_note
from bench.figures.series import key_groups, looks, nearest_title, need_clip, point_dir, remarks
from bench.scoring.metrics import describe

#: Markers tell the lines apart in greyscale; on every frame they would hide them.
MARKERS = 9


def draw_frames(
    points_csv: Path | str,
    *,
    points_dir: Path | str,
    clip: str,
    rate_bpp: float,
    outs: Sequence[Path | str],
    metric: str = "psnr_rgb_db",
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw a metric over frames, a line a series at its point whose rate is nearest to `rate_bpp`.

    Reads `frames.csv` of those points, in `points_dir`/condition/clip/codec/point/run. A series
    without one is named in the figure's note.

    A page says so where no point has the metric frame by frame.

    Args:
        footnotes: codec -> what is said of it below, where it is drawn.

    Raises:
        BenchError: no points, no such clip, or no frames.csv at all.
    """
    rows = load_points(points_csv)
    chosen = nearest_points(need_clip(rows, clip), clip=clip, rate_bpp=rate_bpp)
    files = {row["series"]: point_dir(points_dir, row) / "frames.csv" for _, row in chosen.iterrows()}
    if files and not any(file.is_file() for file in files.values()):
        raise BenchError(points_dir, f"no frames.csv of clip {clip}", "measure its points first")
    values = {series: table for series, file in files.items() if len(table := _read(file, metric))}
    title = title or nearest_title(rows, clip, rate_bpp)
    with print_style():
        if not values:
            note = f"No codec's point has {describe(metric).label} frame by frame."
            save_note(note, title=title, width=width, outs=outs)
            return
        # The key lists the lines from top to bottom, as the eye meets them.
        order = sorted(values, key=lambda series: -values[series]["value"].mean())
        shown = chosen.loc[order]
        note = with_footnotes(remarks(chosen, shown), shown, footnotes or {})
        save(_plot(rows, shown, values, metric, title, width, note), outs)


def _read(path: Path, metric: str) -> pd.DataFrame:
    """Columns frame and value, both numbers; no rows where the file or the metric is missing."""
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    if "frame" not in table or metric not in table:
        return pd.DataFrame({"frame": [], "value": []})
    return pd.DataFrame({"frame": table["frame"], "value": table[metric]}).dropna()


def _plot(rows, shown, values, metric, title, width, note):
    look = looks(rows)
    texts = {row["series"]: f"{row['label']}, {row['rate_bpp']:.3f} bpp" for _, row in shown.iterrows()}
    key = key_groups([look[series] for series in shown["series"]], texts=texts)
    figure, (axes,) = page(title=title, key=key, width=width, height=2.9, note=note)
    for place, (series, row) in enumerate(shown.iterrows()):
        table, style = values[series], look[series].style.line_kwargs()
        every = max(1, len(table) // MARKERS)
        start = (place * every) // max(1, len(shown))
        order = 3 if row["kind"] == "fitted" else 2
        axes.plot(
            "frame", "value", data=table, zorder=order, markevery=(start, every), **style | {"linewidth": 1.0}
        )
    axes.margins(x=0.015)
    axes.set_xlabel("Frame")
    axes.set_ylabel(describe(metric).axis)
    return figure
