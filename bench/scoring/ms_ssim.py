"""SSIM and MS-SSIM of 8-bit frames, computed by `pytorch_msssim`.

SSIM (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, Eq. 13) compares two images in a Gaussian window with
sigma 1.5 around every pixel, with means mu, variances sigma^2 and covariance sigma_xy:

    SSIM = l * cs,    l  = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1),
                      cs = (2 sigma_xy + C2) / (sigma_x^2 + sigma_y^2 + C2),
    C1 = (0.01 * 255)^2,    C2 = (0.03 * 255)^2,

and takes the mean over pixels. MS-SSIM (Wang, Simoncelli and Bovik, Asilomar 2003, Eq. 7) halves the image
four times and combines five scales with the weights w_i of that paper: the product of cs_i^w_i over the
scales 1 to 4 and of SSIM_5^w_5. Negative factors are clipped to 0, so the range is 0 to 1. The value of an
image is the mean over its channels, that of a clip the mean over its frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import frame_metric

# torch takes seconds to import, so it is imported where a frame is scored.
if TYPE_CHECKING:
    import torch

#: Exponents of the five scales, finest first.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(a: np.ndarray, b: np.ndarray, *, window: int = 11) -> float:
    """SSIM of two images (height, width) or (height, width, channels) with values 0 to 255; range -1 to 1.

    Images are not padded, so the map of local values is smaller than the image by window - 1.
    """
    import pytorch_msssim

    with _one_thread():
        return float(pytorch_msssim.ssim(_tensor(a), _tensor(b), data_range=255, win_size=window))


def ms_ssim(a: np.ndarray, b: np.ndarray, *, window: int = 11) -> float:
    """MS-SSIM of two images, shapes as in `ssim`; range 0 to 1.

    The shorter side must be greater than 16 * (window - 1).
    """
    import pytorch_msssim

    with _one_thread():
        value = pytorch_msssim.ms_ssim(
            _tensor(a), _tensor(b), data_range=255, win_size=window, weights=list(SCALE_WEIGHTS)
        )
    return float(value)


@frame_metric("ms_ssim_rgb")
def ms_ssim_rgb(pair: FramePair) -> float:
    """MS-SSIM of the RGB frame, the mean over its channels."""
    return ms_ssim(pair.reference_rgb, pair.decoded_rgb)


@frame_metric("ms_ssim_y")
def ms_ssim_y(pair: FramePair) -> float:
    """MS-SSIM of the luma plane."""
    return ms_ssim(pair.reference_planes[0], pair.decoded_planes[0])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: sums then have one order, whatever the number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _tensor(image: np.ndarray) -> torch.Tensor:
    """The image as float32, shape (1, channels, height, width), values 0 to 255."""
    import torch

    channels = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    return torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))[None]
