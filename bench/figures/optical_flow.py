"""Colour coding of optical flow by the colour wheel of Baker et al. (IJCV 2011)."""

from __future__ import annotations

import numpy as np

#: Steps between the corners of the wheel: red, yellow, green, cyan, blue, magenta, and back to red.
_STEPS = (15, 6, 4, 11, 13, 6)
_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1))


def colour_wheel() -> np.ndarray:
    """The 55 hues around the wheel, red first; shape (55, 3), values 0 to 1."""
    corners = np.array([*_CORNERS, _CORNERS[0]], dtype=float)
    arcs = [
        start + (end - start) * np.arange(steps)[:, None] / steps
        for start, end, steps in zip(corners, corners[1:], _STEPS, strict=False)
    ]
    return np.concatenate(arcs)


def flow_colours(flow: np.ndarray, *, largest: float) -> np.ndarray:
    """RGB image of a flow: hue is direction, saturation is length.

    Args:
        flow: displacements in pixels, shape (2, H, W), x then y.
        largest: length in pixels with full saturation; longer displacements are darker.

    Returns:
        Shape (H, W, 3), values 0 to 1.
    """
    x, y = flow / max(largest, 1e-9)
    length = np.hypot(x, y)
    wheel = colour_wheel()
    position = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    lower = position.astype(int)
    share = (position - lower)[..., None]
    hue = (1 - share) * wheel[lower] + share * wheel[(lower + 1) % len(wheel)]
    inside = 1 - length[..., None] * (1 - hue)
    return np.where(length[..., None] <= 1, inside, 0.75 * hue)
