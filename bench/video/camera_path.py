"""A clip with exactly known motion: a camera pans, zooms and rotates over a photograph.

The photograph has natural texture and was never compressed with loss. Pixel x = (column, row) of frame i
shows the photograph at the position

    p_i(x) = c_i + s_i R_i (x - m),        m = ((width - 1) / 2, (height - 1) / 2),

where the centre c_i, the scale s_i and the rotation R_i depend smoothly on i. The optical flow from frame i
to frame j is therefore known: F(x) = p_j^-1(p_i(x)) - x (`camera_flow`). Frame j at x + F(x) shows what frame
i shows at x.

Each sample is computed by additions, multiplications, divisions and floor in float64, in a fixed order, so
that the bytes are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.base.paths import ROOT

#: 2268x1512, 8-bit RGB (`config/clips/README.md`).
PHOTOGRAPH = ROOT / "config" / "clips" / "flower.png"
_WIDTH, _HEIGHT = 2268, 1512

#: The largest scale is this part of the one at which a frame without rotation just covers the photograph.
_WIDEST, _ZOOM = 0.74, 0.2
#: Largest distance of the centre from that of the photograph, as a part of its width and height.
_PAN = 0.09
#: Tangent of half the largest angle: about four degrees.
_HALF_ANGLE = 0.035
#: Luma weights of BT.709 for red and blue.
_RED, _BLUE = 0.2126, 0.0722


def camera_path(*, width: int, height: int, frames: int) -> Iterator[np.ndarray]:
    """Yield flat yuv420p frames (uint8), BT.709, limited range, left siting. Width and height are even.

    The photograph is first reduced by the mean of k x k pixels, with the largest k that leaves it at least
    1.25 times the frame's size, and is then sampled by Catmull-Rom interpolation.
    """
    photograph = _photograph(width, height)
    pixels = _pixels(width, height)
    for index in range(frames):
        yield _to_yuv(_sample(photograph, _to_photograph(pixels, index, width, height, frames)))


def camera_flow(first: int, second: int, *, width: int, height: int, frames: int) -> np.ndarray:
    """Optical flow (height, width, 2), x then y, in pixels: from frame `first` to frame `second`."""
    pixels = _pixels(width, height)
    positions = _to_photograph(pixels, first, width, height, frames)
    centre, (cosine, sine), scale = _camera(second, width, height, frames)
    x, y = (positions[axis] - centre[axis] for axis in (0, 1))
    back = ((cosine * x + sine * y) / scale, (cosine * y - sine * x) / scale)
    middle = ((width - 1) / 2, (height - 1) / 2)
    return np.stack([back[axis] + middle[axis] - pixels[axis] for axis in (0, 1)], axis=-1)


def _pixels(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    return columns, rows


def _reduction(width: int, height: int) -> int:
    """k: the side of the squares of the photograph whose mean is one pixel."""
    return max(1, min(4 * _WIDTH // (5 * width), 4 * _HEIGHT // (5 * height)))


def _photograph(width: int, height: int) -> np.ndarray:
    """The reduced photograph (h, w, 3), float64 from 0 to 255."""
    from PIL import Image

    with Image.open(PHOTOGRAPH) as image:
        rgb = np.asarray(image.convert("RGB"), dtype=np.int64)
    k = _reduction(width, height)
    rows, columns = _HEIGHT // k, _WIDTH // k
    squares = rgb[: rows * k, : columns * k].reshape(rows, k, columns, k, 3)
    return squares.sum((1, 3)) / (k * k)  # sums of integers have no rounding


def _camera(
    index: int, width: int, height: int, frames: int
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Centre c, cosine and sine of R, and scale s of a frame, in pixels of the reduced photograph."""
    k = _reduction(width, height)
    size = (_WIDTH // k, _HEIGHT // k)
    time = 2 * index / (frames - 1) - 1 if frames > 1 else 0.0  # from -1 to 1
    widest = _WIDEST * min(size[0] / width, size[1] / height)
    scale = widest * (1 - _ZOOM * (1 - time * time))
    tangent = _HALF_ANGLE * time * (1.5 - 0.5 * time * time)
    cosine, sine = (1 - tangent**2) / (1 + tangent**2), 2 * tangent / (1 + tangent**2)
    centre = (
        (size[0] - 1) / 2 + _PAN * size[0] * time,
        (size[1] - 1) / 2 + _PAN * size[1] * time * (2 * time * time - 1),
    )
    return centre, (cosine, sine), scale


def _to_photograph(
    pixels: tuple[np.ndarray, np.ndarray], index: int, width: int, height: int, frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """p_i of pixels (columns, rows)."""
    centre, (cosine, sine), scale = _camera(index, width, height, frames)
    x, y = pixels[0] - (width - 1) / 2, pixels[1] - (height - 1) / 2
    return centre[0] + scale * (cosine * x - sine * y), centre[1] + scale * (sine * x + cosine * y)


def _sample(image: np.ndarray, positions: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Catmull-Rom interpolation of an image (h, w, 3) at positions (x, y); the border is repeated."""
    (left, across), (top, down) = (_taps(position) for position in positions)
    total = np.zeros((*positions[0].shape, 3))
    for row in range(4):
        line = np.zeros_like(total)
        rows = (top + row - 1).clip(0, len(image) - 1)
        for column in range(4):
            columns = (left + column - 1).clip(0, image.shape[1] - 1)
            line += across[column][..., None] * image[rows, columns]
        total += down[row][..., None] * line
    return total.clip(0, 255)


def _taps(position: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The pixel before a position, and the weights of the pixels from one before that one to two after it."""
    before = np.floor(position)
    t = position - before
    weights = [
        ((2 - t) * t - 1) * t * 0.5,
        ((3 * t - 5) * t * t + 2) * 0.5,
        ((4 - 3 * t) * t + 1) * t * 0.5,
        (t - 1) * t * t * 0.5,
    ]
    return before.astype(np.int64), weights


def _to_yuv(rgb: np.ndarray) -> np.ndarray:
    """RGB (h, w, 3) from 0 to 255 as a flat frame: the formulas of `bench.video.colour`."""
    red, green, blue = (rgb[..., channel] / 255 for channel in range(3))
    luma = _RED * red + (1 - _RED - _BLUE) * green + _BLUE * blue
    planes = [
        16 + 219 * luma,
        _subsample(128 + 112 * (blue - luma) / (1 - _BLUE)),
        _subsample(128 + 112 * (red - luma) / (1 - _RED)),
    ]
    return np.concatenate([np.floor(plane + 0.5).astype(np.uint8).ravel() for plane in planes])


def _subsample(plane: np.ndarray) -> np.ndarray:
    """Chroma of half the size. A sample is in the middle of two rows, at the left one of two columns."""
    rows = (plane[::2] + plane[1::2]) / 2
    before = np.concatenate([rows[:, :1], rows[:, 1:-1:2]], axis=1)
    return (before + 2 * rows[:, ::2] + rows[:, 1::2]) / 4
