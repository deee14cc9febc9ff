"""Figure of the parts of frames of fitted networks: a panel for each network, a column for each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.figures.optical_flow import flow_colours
from bench.figures.page import (
    DOUBLE_COLUMN,
    NOTE_PT,
    NOTE_ROW,
    SMALL_PT,
    TITLE_PT,
    TITLE_ROW,
    new_figure,
    print_style,
    save,
    save_note,
    text_width,
    wrap,
    write_texts,
)

GAP, BETWEEN, MARGIN, TITLE, LABEL = 0.05, 0.16, 0.06, 0.3, 0.15
#: Number of panels side by side.
PANEL_COLUMNS = 2


@dataclass(frozen=True)
class Panel:
    """The parts of some frames of one network.

    Attributes:
        title: text above them.
        frames: frame number -> part -> image (3, H, W) or map (H, W) in [0, 1], or flow (2, H, W) in
            pixels, x then y. All frames have the same number of parts in the same order.
    """

    title: str
    frames: Mapping[int, Mapping[str, np.ndarray]]

    @property
    def rows(self) -> int:
        return max(len(parts) for parts in self.frames.values())

    @property
    def images(self) -> list[np.ndarray]:
        return [part for parts in self.frames.values() for part in parts.values()]


def draw_parts(
    panels: Sequence[Panel], *, title: str, outputs: Sequence[Path | str], width: float = DOUBLE_COLUMN
) -> None:
    """Draw all panels on one page of `width` inches. Without panels, the page has a text only."""
    with print_style():
        if panels:
            save(_plot(panels, title, width), outputs)
        else:
            text = "No network composes its frames of parts."
            save_note(text, title=title, width=width, outputs=outputs)


def _plot(panels: Sequence[Panel], title: str, width: float) -> Figure:
    bands = [panels[at : at + PANEL_COLUMNS] for at in range(0, len(panels), PANEL_COLUMNS)]
    panel_columns, columns = len(bands[0]), max(len(panel.frames) for panel in panels)
    available = (width - 2 * MARGIN - BETWEEN * (panel_columns - 1)) / panel_columns
    tile_width = (available - GAP * (columns - 1)) / columns
    tile_height = tile_width * max(
        image.shape[-2] / image.shape[-1] for panel in panels for image in panel.images
    )
    heights = [TITLE + max(panel.rows for panel in band) * (tile_height + LABEL) for band in bands]
    longest = _longest_flow(panels)
    note = wrap(_flow_note(longest) if longest else "", width - 0.2, NOTE_PT)
    heading = wrap(title, width - 2 * MARGIN, TITLE_PT)
    top, foot = 0.12 + TITLE_ROW * len(heading), NOTE_ROW * len(note) + 0.12
    figure = new_figure(width, top + sum(heights) + foot)
    write_texts(figure, heading, at=MARGIN, note=note, foot=foot - 0.06)
    y = figure.get_figheight() - top
    for band, height in zip(bands, heights, strict=True):
        for index, panel in enumerate(band):
            corner = (MARGIN + index * (available + BETWEEN), y)
            _draw_panel(figure, panel, corner, tile=(tile_width, tile_height), longest=longest)
        y -= height
    return figure


def _draw_panel(
    figure: Figure,
    panel: Panel,
    corner: tuple[float, float],
    *,
    tile: tuple[float, float],
    longest: float,
) -> None:
    """Draw a panel downwards from its upper left corner, in inches from the lower left of the figure."""
    width, height = figure.get_size_inches()
    (left, y), (tile_width, tile_height) = corner, tile
    text_options: dict[str, Any] = {"transform": figure.dpi_scale_trans, "va": "bottom"}
    available = len(panel.frames) * (tile_width + GAP) - GAP
    size = _font_size(panel.title, available, bold=True)
    figure.text(left, y - 0.15, panel.title, fontsize=size, weight="bold", **text_options)
    for column, (number, parts) in enumerate(panel.frames.items()):
        x = left + column * (tile_width + GAP)
        figure.text(x, y - TITLE + 0.02, f"frame {number}", fontsize=SMALL_PT, **text_options)
        for row, (name, part) in enumerate(parts.items()):
            bottom = y - TITLE - (row + 1) * (tile_height + LABEL)
            figure.text(
                x, bottom + tile_height + 0.025, name, fontsize=_font_size(name, tile_width), **text_options
            )
            axes = figure.add_axes((x / width, bottom / height, tile_width / width, tile_height / height))
            axes.imshow(_picture(part, longest), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()


def _font_size(text: str, available: float, *, bold: bool = False) -> float:
    """Font size at which a text is at most `available` inches wide."""
    width = text_width(text, size=SMALL_PT, bold=bold) if text else 0.0
    return SMALL_PT * min(1.0, available / width) if width else SMALL_PT


def _longest_flow(panels: Sequence[Panel]) -> float:
    """99th percentile of the lengths of all displacements in pixels: the common scale, robust to outliers."""
    lengths = [np.hypot(*part).ravel() for panel in panels for part in panel.images if _is_flow(part)]
    return float(np.percentile(np.concatenate(lengths), 99)) if lengths else 0.0


def _flow_note(longest: float) -> str:
    return (
        "Flows: red is to the right, yellow downwards, cyan to the left, blue upwards; saturation is length, "
        f"full at {longest:.1f} pixels. Shares and weights: black is 0, white is 1."
    )


def _is_flow(part: np.ndarray) -> bool:
    return part.ndim == 3 and len(part) == 2


def _picture(part: np.ndarray, longest: float) -> np.ndarray:
    """Image for `imshow`. Colours have 8 bits, because many images are in memory at once."""
    if part.ndim == 2:
        return part
    colours = flow_colours(part, largest=longest) if _is_flow(part) else part.transpose(1, 2, 0)
    return np.round(255 * colours.clip(0, 1)).astype(np.uint8)
