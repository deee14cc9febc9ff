"""The same crop from the source and from every codec, at about the same rate."""

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

from bench.analysis.curves import load_points, nearest_points, series_label, with_footnotes
from bench.base.errors import BenchError
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
    write_words,
)
from bench.figures.series import in_groups, looks, nearest_title, need_clip, point_dir, remarks

GAP, MARGIN, TITLE, CAPTION = 0.08, 0.06, 0.3, 0.46
#: Crops are enlarged by whole numbers to about this width, so that every pixel stays a sharp square.
PIXELS = 480


@dataclass(frozen=True)
class Tile:
    """One picture, shape (height, width, 3), and the lines below it (the first one bold)."""

    image: np.ndarray
    lines: tuple[str, ...]


def draw_strip(
    points_csv: Path | str,
    *,
    points_dir: Path | str,
    clip: str,
    rate_bpp: float,
    frame: int,
    outs: Sequence[Path | str],
    source_png: Path | str | None = None,
    footnotes: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw the crops of frame `frame`, one a series at its point whose rate is nearest to `rate_bpp`.

    Under each: codec, rate, and the PSNR-RGB of this frame (from frames.csv). Reads `crop.png`
    beside the records; a series without one is named in the figure's note.

    Args:
        source_png: the source's crop; default: that of the control `identity`, which is lossless.
        footnotes: codec -> what is said of it below, where it is shown.

    Raises:
        BenchError: no points, no such clip, no crop at all, or no crop of the source.
    """
    rows = load_points(points_csv)
    of_clip = need_clip(rows, clip)
    source = _source(of_clip, points_dir, source_png)
    chosen = nearest_points(of_clip, clip=clip, rate_bpp=rate_bpp)
    has_crop = [(point_dir(points_dir, row) / "crop.png").is_file() for _, row in chosen.iterrows()]
    if has_crop and not any(has_crop):
        raise BenchError(points_dir, f"no crop.png of clip {clip}", "measure its points first")
    look = looks(rows)
    drawn = in_groups([look[series] for series in chosen["series"][has_crop]])
    shown = chosen.loc[[one.series for one in drawn]]
    tiles = [Tile(source, ("source", f"frame {frame}"))]
    tiles += [_tile(row, points_dir, frame) for _, row in shown.iterrows()]
    note = with_footnotes(remarks(chosen, shown), shown, footnotes or {})
    with print_style():
        save(_plot(tiles, title or nearest_title(rows, clip, rate_bpp), width, note), outs)


def _source(of_clip: pd.DataFrame, points_dir: Path | str, source_png: Path | str | None) -> np.ndarray:
    if source_png is not None:
        return _image(Path(source_png))
    for _, row in of_clip[of_clip["codec"] == "identity"].iterrows():
        return _image(point_dir(points_dir, row) / "crop.png")
    raise BenchError(
        points_dir, "no crop of the source", "run the codec `identity` or give the source's crop"
    )


def _image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError):
        raise BenchError(path, "no readable picture", "measure the point again") from None


def _tile(row: pd.Series, points_dir: Path | str, frame: int) -> Tile:
    folder = point_dir(points_dir, row)
    psnr = _frame_psnr(folder / "frames.csv", frame)
    quality = "" if psnr is None else f", {psnr:.2f} dB"
    full = series_label(row["label"], kind=row["kind"], reference=row["reference"], epochs=_epochs(row))
    remark = full.removeprefix(row["label"]).removeprefix(", ")
    return Tile(_image(folder / "crop.png"), (row["label"], f"{row['rate_bpp']:.3f} bpp{quality}", remark))


def _epochs(row: pd.Series) -> int | None:
    return None if pd.isna(row["epochs"]) else int(row["epochs"])


def _frame_psnr(path: Path, frame: int) -> float | None:
    if not path.is_file():
        return None
    table = pd.read_csv(path)
    found = table.loc[table["frame"] == frame, "psnr_rgb_db"].dropna()
    return float(found.iloc[0]) if len(found) else None


def _plot(tiles: list[Tile], title: str, width: float, note: str) -> Figure:
    most = 5 if width >= WIDE else 3
    columns = ceil(len(tiles) / ceil(len(tiles) / most))
    each = (width - 2 * MARGIN - GAP * (columns - 1)) / columns
    tall = each * max(tile.image.shape[0] / tile.image.shape[1] for tile in tiles)
    lines = wrap(note, width - 2 * MARGIN, NOTE_PT)
    heading = wrap(title, width - 2 * MARGIN, TITLE_PT)
    foot, top = NOTE_ROW * len(lines), TITLE + TITLE_ROW * (len(heading) - 1)
    height = top + ceil(len(tiles) / columns) * (tall + CAPTION) + foot
    figure = new_figure(width, height)
    write_words(figure, heading, at=MARGIN, note=lines, foot=foot)
    for index, tile in enumerate(tiles):
        x = MARGIN + index % columns * (each + GAP)
        y = height - top - index // columns * (tall + CAPTION)
        _draw_tile(figure, tile, (x, y, each, tall))
    return figure


def _draw_tile(figure: Figure, tile: Tile, box: tuple[float, float, float, float]) -> None:
    """Draw a tile downwards from the corner (x, y) of `box` = (x, y, width, height), in inches."""
    x, y, each, tall = box
    width, height = figure.get_size_inches()
    axes = figure.add_axes((x / width, (y - tall) / height, each / width, tall / height))
    scale = max(1, round(PIXELS / tile.image.shape[1]))
    axes.imshow(tile.image.repeat(scale, axis=0).repeat(scale, axis=1), interpolation="antialiased")
    axes.set_axis_off()
    for place, line in enumerate(tile.lines):
        weight, colour = ("bold", INK) if place == 0 else ("normal", INK if place == 1 else FAINT)
        room = each - GAP / 2  # a name that fills its column would run into the next one
        size = min(SMALL_PT, SMALL_PT * room / text_width(line or " ", size=SMALL_PT, bold=place == 0))
        down = y - tall - 0.03 - 0.118 * place
        put: dict[str, Any] = {
            "transform": figure.dpi_scale_trans,
            "va": "top",
            "fontsize": size,
            "color": colour,
        }
        figure.text(x, down, line, fontweight=weight, **put)
