"""Figure of the same crop from the source and from every codec, at about equal rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from bench.analysis.labels import nearest_title, series_label, with_footnotes
from bench.analysis.point_files import frame_values, point_file
from bench.analysis.rd_points import load_points, nearest_points, rows_of_clip
from bench.base.errors import BenchError
from bench.base.result_files import RESULTS
from bench.figures.page import (
    DOUBLE_COLUMN,
    FAINT,
    INK,
    NOTE_PT,
    NOTE_ROW,
    SMALL_PT,
    TITLE_PT,
    TITLE_ROW,
    WIDE,
    new_figure,
    print_style,
    save,
    text_width,
    wrap,
    write_texts,
)
from bench.figures.series import drawn_series, equal_rate_note, sort_by_group

GAP, MARGIN, TITLE, CAPTION = 0.08, 0.06, 0.3, 0.46
#: Crops are enlarged by an integer factor to about this width, so that every pixel is a square.
PIXELS = 480


@dataclass(frozen=True)
class Tile:
    """One image, shape (height, width, 3), and the lines of text below it (the first one bold)."""

    image: np.ndarray
    lines: tuple[str, ...]


def draw_strip(
    points_csv: Path | str,
    *,
    clip: str,
    rate_bpp: float,
    frame: int,
    outputs: Sequence[Path | str],
    results: Path | str = RESULTS,
    source_png: Path | str | None = None,
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw the crops of frame `frame`, one for each series at its point whose rate is nearest to `rate_bpp`.

    A clip without this frame has crops of its middle frame (`bench.scoring.measure`).

    Below each crop are codec, rate, and the PSNR-RGB of the whole frame (from frames.csv). Crops are read
    from crop.png in the folder `results` (`bench.base.result_files`). The note names series without that
    file.

    Args:
        source_png: crop of the source; default: that of the control `identity`, which is lossless.
        footnotes: codec id -> text below the figure, where the codec is shown.

    Raises:
        BenchError: no points, no such clip, not one crop, or no crop of the source.
    """
    rows = load_points(points_csv)
    of_clip = rows_of_clip(rows, clip)
    source = _source(of_clip, results, source_png)
    chosen = nearest_points(of_clip, clip=clip, rate_bpp=rate_bpp)
    has_crop = [point_file(row, "crop.png", results).is_file() for _, row in chosen.iterrows()]
    if has_crop and not any(has_crop):
        raise BenchError(results, f"no crop.png of clip {clip}", "measure its points first")
    frames = of_clip["frames"].min()
    frame = frame if frame < frames else int(frames) // 2
    drawn = drawn_series(rows)
    in_order = sort_by_group([drawn[series] for series in chosen["series"][has_crop]])
    shown = chosen.loc[[one.series for one in in_order]]
    tiles = [Tile(source, ("source", f"frame {frame}"))]
    tiles += [_tile(row, results, frame) for _, row in shown.iterrows()]
    note = with_footnotes(equal_rate_note(chosen, shown), shown, footnotes or {})
    with print_style():
        save(_plot(tiles, title or nearest_title(rows, clip, rate_bpp), width, note), outputs)


def _source(of_clip: pd.DataFrame, results: Path | str, source_png: Path | str | None) -> np.ndarray:
    if source_png is not None:
        return _image(Path(source_png))
    for _, row in of_clip[of_clip["codec"] == "identity"].iterrows():
        return _image(point_file(row, "crop.png", results))
    raise BenchError(
        results, "no crop of the source", "run the codec `identity`, or give the crop of the source"
    )


def _image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError):
        raise BenchError(path, "is not a readable image", "measure the point again") from None


def _tile(row: pd.Series, results: Path | str, frame: int) -> Tile:
    values = frame_values(point_file(row, "frames.csv", results), "psnr_rgb_db")
    of_frame = values.loc[values["frame"] == frame, "value"]
    quality = f", {of_frame.iloc[0]:.2f} dB" if len(of_frame) else ""
    epochs = None if pd.isna(row["epochs"]) else int(row["epochs"])
    full = series_label(row["label"], kind=row["kind"], reference=row["reference"], epochs=epochs)
    fit = full.removeprefix(row["label"]).removeprefix(", ")
    image = _image(point_file(row, "crop.png", results))
    return Tile(image, (row["label"], f"{row['rate_bpp']:.3f} bpp{quality}", fit))


def _plot(tiles: list[Tile], title: str, width: float, note: str) -> Figure:
    most = 5 if width >= WIDE else 3
    columns = ceil(len(tiles) / ceil(len(tiles) / most))
    tile_width = (width - 2 * MARGIN - GAP * (columns - 1)) / columns
    tile_height = tile_width * max(tile.image.shape[0] / tile.image.shape[1] for tile in tiles)
    lines = wrap(note, width - 2 * MARGIN, NOTE_PT)
    heading = wrap(title, width - 2 * MARGIN, TITLE_PT)
    foot, top = NOTE_ROW * len(lines), TITLE + TITLE_ROW * (len(heading) - 1)
    height = top + ceil(len(tiles) / columns) * (tile_height + CAPTION) + foot
    figure = new_figure(width, height)
    write_texts(figure, heading, at=MARGIN, note=lines, foot=foot)
    for index, tile in enumerate(tiles):
        x = MARGIN + index % columns * (tile_width + GAP)
        y = height - top - index // columns * (tile_height + CAPTION)
        _draw_tile(figure, tile, (x, y, tile_width, tile_height))
    return figure


def _draw_tile(figure: Figure, tile: Tile, box: tuple[float, float, float, float]) -> None:
    """Draw a tile downwards from the upper left corner (x, y) of `box` = (x, y, width, height), in inches."""
    x, y, tile_width, tile_height = box
    width, height = figure.get_size_inches()
    axes = figure.add_axes((x / width, (y - tile_height) / height, tile_width / width, tile_height / height))
    scale = max(1, round(PIXELS / tile.image.shape[1]))
    axes.imshow(tile.image.repeat(scale, axis=0).repeat(scale, axis=1), interpolation="antialiased")
    axes.set_axis_off()
    for index, line in enumerate(tile.lines):
        weight, colour = ("bold", INK) if index == 0 else ("normal", INK if index == 1 else FAINT)
        available = tile_width - GAP / 2  # keeps a distance from the text of the next column
        size = min(SMALL_PT, SMALL_PT * available / text_width(line or " ", size=SMALL_PT, bold=index == 0))
        down = y - tile_height - 0.03 - 0.118 * index
        text_options: dict[str, Any] = {
            "transform": figure.dpi_scale_trans,
            "va": "top",
            "fontsize": size,
            "color": colour,
        }
        figure.text(x, down, line, fontweight=weight, **text_options)
