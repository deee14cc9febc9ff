"""Synthetic clips for tests and examples: the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bench.video.camera_path import camera_path


def moving_discs(*, width: int, height: int, frames: int) -> Iterator[np.ndarray]:
    """Yield flat yuv420p frames (uint8) of three coloured discs that move across a drifting texture.

    The clip has motion, occlusion, edges, smooth gradients and colour, so that a broken codec scores visibly
    worse than a correct one. It is computed with integers only. Samples are in limited range (Y 16 to 235, U
    and V 16 to 240).
    """
    rows, columns = np.mgrid[0:height, 0:width]
    for index in range(frames):
        drift = columns + 2 * index
        texture = (drift * 5 + rows * 3) % 61 + ((drift // 8 + rows // 8) % 2) * 14
        luma = 50 + texture + rows * 50 // height
        blue = np.full((height, width), 128) + columns * 40 // width - 20
        red = np.full((height, width), 128) - rows * 30 // height + 15
        for disc in range(3):
            inside = _inside_disc(rows, columns, disc, index, width, height)
            luma = np.where(inside, (210, 60, 150)[disc], luma)
            blue = np.where(inside, (90, 200, 60)[disc], blue)
            red = np.where(inside, (200, 110, 60)[disc], red)
        planes = (luma, blue[::2, ::2], red[::2, ::2])
        yield np.concatenate([plane.astype(np.uint8).ravel() for plane in planes])


def _inside_disc(
    rows: np.ndarray, columns: np.ndarray, disc: int, index: int, width: int, height: int
) -> np.ndarray:
    radius = max(3, min(width, height) * (3 - disc // 2) // 16)
    x = (width * (1 + 2 * disc) // 6 + (2 + disc) * index * (1 - 2 * (disc % 2))) % width
    y = (height * (3 - disc) // 4 + (1 + disc) * index) % height
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


#: Generators by name: the allowed values of `location` for a sequence of kind `synthetic`.
GENERATORS: dict[str, Callable[..., Iterator[np.ndarray]]] = {
    "moving-discs": moving_discs,
    "camera-path": camera_path,
}
