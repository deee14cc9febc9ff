"""Spatial and temporal information of a clip (SI, TI), as ITU-T P.910 defines them.

Let Y_n be the luma of frame n, and std the standard deviation over the pixels of a frame:

    SI_n = std(|Sobel(Y_n)|),    SI = max over n of SI_n,
    TI_n = std(Y_n - Y_(n-1)),   TI = max over n of TI_n.

Sobel is the magnitude of the two 3x3 gradients, without the outermost pixels, which have no full
neighbourhood. Luma is used as it is stored, from 16 to 235 in limited range, as in P.910 (04/2008); the
edition of 2022 also has a variant of expanded range. Values of clips of different range do not compare.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SpatialTemporal:
    """SI and TI of a clip: maxima over frames as in P.910, and means. TI of a single frame is 0."""

    si: float
    ti: float
    si_mean: float
    ti_mean: float


def spatial_temporal(luma: Iterable[np.ndarray]) -> SpatialTemporal:
    """SI and TI of frames.

    Args:
        luma: planes of shape (height, width), 0 to 255, at least 3 pixels on a side; at least one frame.
    """
    spatial, temporal, previous = [], [], None
    for plane in luma:
        y = plane.astype(np.float32)
        spatial.append(float(np.std(sobel(y), dtype=np.float64)))
        if previous is not None:
            temporal.append(float(np.std(y - previous, dtype=np.float64)))
        previous = y
    temporal = temporal or [0.0]
    return SpatialTemporal(max(spatial), max(temporal), float(np.mean(spatial)), float(np.mean(temporal)))


def sobel(y: np.ndarray) -> np.ndarray:
    """Magnitude of the gradients of shape (height - 2, width - 2)."""
    smooth = y[:, :-2] + 2 * y[:, 1:-1] + y[:, 2:]
    vertical = smooth[2:] - smooth[:-2]
    smooth = y[:-2] + 2 * y[1:-1] + y[2:]
    horizontal = smooth[:, 2:] - smooth[:, :-2]
    return np.hypot(vertical, horizontal)
