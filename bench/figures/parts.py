"""What frames of a fitted network are made of, side by side: a column a frame, a row a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bench.errors import BenchError
from bench.figures.flow import flow_colours
from bench.figures.page import DOUBLE_COLUMN, SMALL_PT, TITLE_PT, new_figure, print_style, save

_GAP, _LABEL, _TITLE = 0.06, 0.2, 0.3


def draw_parts(
    frames: Mapping[int, Mapping[str, np.ndarray]], *, title: str, outs: Sequence[Path | str]
) -> None:
    """Draw the parts of some frames.

    Args:
        frames: frame number -> part -> image (3, H, W) or map (H, W) in [0, 1], or flow (2, H, W) in
            pixels. All frames have the same number of parts in the same order.

    Raises:
        BenchError: there is nothing to draw.
    """
    if not frames or not any(frames.values()):
        raise BenchError(title, "has no parts to show", "give a stream of FFNeRV")
    with print_style():
        save(_plot(frames, title), outs)


def _plot(frames: Mapping[int, Mapping[str, np.ndarray]], title: str) -> Figure:
    columns = [list(parts.items()) for parts in frames.values()]
    rows = len(columns[0])
    height, width = columns[0][0][1].shape[-2:]
    tile_width = (DOUBLE_COLUMN - _GAP * (len(columns) + 1)) / len(columns)
    tile_height = tile_width * height / width
    total = _TITLE + rows * (tile_height + _LABEL) + _GAP
    figure = new_figure(DOUBLE_COLUMN, total)
    figure.text(_GAP / DOUBLE_COLUMN, 1 - 0.06 / total, title, fontsize=TITLE_PT, weight="bold", va="top")
    longest = _longest_flow(frames)
    for column, (number, parts) in enumerate(zip(frames, columns, strict=True)):
        left = (_GAP + column * (tile_width + _GAP)) / DOUBLE_COLUMN
        for row, (name, part) in enumerate(parts):
            top = _TITLE + row * (tile_height + _LABEL) + _LABEL
            place = (left, 1 - (top + tile_height) / total, tile_width / DOUBLE_COLUMN, tile_height / total)
            axes = figure.add_axes(place)
            axes.imshow(_picture(part, longest), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
            label = f"frame {number}: {name}" if row == 0 else name
            if len(part) == 2:
                label += f" (full colour: {longest:.1f} px)"
            figure.text(left, 1 - (top - 0.05) / total, label, fontsize=SMALL_PT, va="bottom")
    return figure


def _longest_flow(frames: Mapping[int, Mapping[str, np.ndarray]]) -> float:
    """A length that 99 % of all displacements keep within: one scale for all, and outliers do not set it."""
    flows = [part for parts in frames.values() for part in parts.values() if len(part) == 2]
    return float(np.percentile([np.hypot(*flow) for flow in flows], 99)) if flows else 0.0


def _picture(part: np.ndarray, longest: float) -> np.ndarray:
    if part.ndim == 2:
        return part
    return flow_colours(part, largest=longest) if len(part) == 2 else part.transpose(1, 2, 0)
