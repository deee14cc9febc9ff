"""Optical flow as colours: the wheel that the field has used since Baker et al. (IJCV 2011)."""

from __future__ import annotations

import numpy as np

#: Steps between the wheel's corners: red, yellow, green, cyan, blue, magenta, and back to red.
_STEPS = (15, 6, 4, 11, 13, 6)
_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1))


def colour_wheel() -> np.ndarray:
    """The hues (55, 3) in [0, 1] around the wheel, red first."""
    corners = np.array([*_CORNERS, _CORNERS[0]], dtype=float)
    arcs = [
        start + (end - start) * np.arange(steps)[:, None] / steps
        for start, end, steps in zip(corners, corners[1:], _STEPS, strict=False)
    ]
    return np.concatenate(arcs)


def flow_colours(flow: np.ndarray, *, largest: float) -> np.ndarray:
    """RGB (H, W, 3) in [0, 1] of a flow (2, H, W), x then y: hue is direction, saturation is length.

    Args:
        largest: the length (pixels) that has full saturation; longer ones are darkened.
    """
    x, y = flow / max(largest, 1e-9)
    length = np.hypot(x, y)
    wheel = colour_wheel()
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    lower = place.astype(int)
    share = (place - lower)[..., None]
    hue = (1 - share) * wheel[lower] + share * wheel[(lower + 1) % len(wheel)]
    inside = 1 - length[..., None] * (1 - hue)
    return np.where(length[..., None] <= 1, inside, 0.75 * hue)
