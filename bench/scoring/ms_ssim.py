"""SSIM and MS-SSIM of 8-bit frames, exact against `pytorch_msssim` and some ten times as fast.

SSIM (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, Eq. 13) compares two images in a Gaussian window with
sigma 1.5 around every pixel, with means mu, variances sigma^2 and covariance sigma_xy:

    SSIM = l * cs,    l  = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1),
                      cs = (2 sigma_xy + C2) / (sigma_x^2 + sigma_y^2 + C2),
    C1 = (0.01 * 255)^2,    C2 = (0.03 * 255)^2,

and takes the mean over pixels. MS-SSIM (Wang, Simoncelli and Bovik, Asilomar 2003, Eq. 7) halves the image
four times and combines five scales with the weights w_i of that paper: the product of cs_i^w_i over the
scales 1 to 4 and of SSIM_5^w_5. Negative factors are clipped to 0, so the range is 0 to 1. The value of an
image is the mean over its channels (that of YUV weighs Y, U and V 6:1:1), that of a clip the mean over its
frames.

With the difference d = x - y, cs = 1 - sigma_d^2 / (sigma_x^2 + sigma_y^2 + C2). So four filtered images are
enough, those of x, d, d^2 and x^2 + y^2, and the rounding of variances, which are small differences of large
numbers, counts little where the images are alike. The speed comes from the layout (`_window_means`): a
convolution of one channel runs on a slow path of torch, one of 16 channels that lie next to each other in
memory fills the vector units of a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import frame_metric
from bench.video.psnr import YUV_WEIGHTS

# torch takes seconds to import, so it is imported where a frame is scored.
if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Exponents of the five scales, finest first.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SIGMA = 1.5
#: Channels of one convolution: as many float32 as the widest vector register holds.
_LANES = 16
#: Output rows of one convolution. Its arrays then fit into a core's own cache.
_STRIP_ROWS = 48


def ssim(a: np.ndarray, b: np.ndarray, *, window: int = 11, dtype: torch.dtype | None = None) -> float:
    """SSIM of two images (height, width) or (height, width, channels) with values 0 to 255; range -1 to 1.

    Images are not padded, so the map of local values is smaller than the image by window - 1.

    Args:
        dtype: of the computation; default: float32.
    """
    with _one_thread():
        return float(_window_means(_channels(a), _channels(b), window, dtype, luminance=True).mean())


def ms_ssim(a: np.ndarray, b: np.ndarray, *, window: int = 11, dtype: torch.dtype | None = None) -> float:
    """MS-SSIM of two images, shapes and `dtype` as in `ssim`; range 0 to 1.

    The shorter side must be greater than 16 * (window - 1).
    """
    return float(np.mean(ms_ssim_of_channels(_channels(a), _channels(b), window=window, dtype=dtype)))


@frame_metric("ms_ssim_rgb")
def ms_ssim_rgb(pair: FramePair) -> float:
    """MS-SSIM of the RGB frame, the mean over its channels."""
    return float(np.mean(_of_rgb_and_luma(pair)[:3]))


@frame_metric("ms_ssim_y")
def ms_ssim_y(pair: FramePair) -> float:
    """MS-SSIM of the luma plane."""
    return _of_rgb_and_luma(pair)[3]


@frame_metric("ms_ssim_u")
def ms_ssim_u(pair: FramePair) -> float:
    """MS-SSIM of the U plane."""
    return _of_chroma(pair)[0]


@frame_metric("ms_ssim_v")
def ms_ssim_v(pair: FramePair) -> float:
    """MS-SSIM of the V plane."""
    return _of_chroma(pair)[1]


@frame_metric("ms_ssim_yuv")
def ms_ssim_yuv(pair: FramePair) -> float:
    """The 6:1:1 weighted mean of the MS-SSIM of the planes."""
    return float(np.dot(YUV_WEIGHTS, [_of_rgb_and_luma(pair)[3], *_of_chroma(pair)]))


def _of_chroma(pair: FramePair) -> list[float]:
    """MS-SSIM of U and V, which are computed together."""
    if "ms_ssim_chroma" not in pair.shared:
        images = (np.stack(planes[1:]) for planes in (pair.reference_planes, pair.decoded_planes))
        pair.shared["ms_ssim_chroma"] = ms_ssim_of_channels(*map(_tensor, images))
    values: list[float] = pair.shared["ms_ssim_chroma"]
    return values


def _of_rgb_and_luma(pair: FramePair) -> list[float]:
    """MS-SSIM of R, G, B and Y. The four are computed together, which costs little more than one."""
    if "ms_ssim" not in pair.shared:
        pair.shared["ms_ssim"] = _compute(pair)
    values: list[float] = pair.shared["ms_ssim"]
    return values


def _compute(pair: FramePair) -> list[float]:
    import torch

    def stack(rgb: np.ndarray, luma: np.ndarray) -> Tensor:
        return torch.stack([*torch.from_numpy(rgb).unbind(2), torch.from_numpy(luma)])

    with _one_thread():
        reference = stack(pair.reference_rgb, pair.reference_planes[0])
        return ms_ssim_of_channels(reference, stack(pair.decoded_rgb, pair.decoded_planes[0]))


def ms_ssim_of_channels(
    x: Tensor, y: Tensor, *, window: int = 11, dtype: torch.dtype | None = None
) -> list[float]:
    """MS-SSIM of each channel of two images (channels, height, width); at most 16 channels."""
    import torch

    product = torch.ones(len(x), dtype=torch.float64)
    with _one_thread():
        for scale, weight in enumerate(SCALE_WEIGHTS, start=1):
            coarsest = scale == len(SCALE_WEIGHTS)
            means = _window_means(x, y, window, dtype, luminance=coarsest)
            product *= means.clamp_min(0) ** weight
            if not coarsest:
                x, y = (_halved(image.to(dtype or torch.float32)) for image in (x, y))
    return product.clamp_(max=1).tolist()  # rounding may end a hair above


def _halved(image: Tensor) -> Tensor:
    """Means of 2 x 2 pixels. An odd side gets zeros at its start, as in the official code."""
    from torch.nn.functional import pad

    height, width = image.shape[1:]
    if height % 2 or width % 2:
        image = pad(image, (width % 2, 0, height % 2, 0))
    rows = image[:, 0::2] + image[:, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]).mul_(0.25)


def _window_means(x: Tensor, y: Tensor, window: int, dtype: torch.dtype | None, *, luminance: bool) -> Tensor:
    """Mean over all windows of cs, or of l * cs with `luminance`: float64, one value a channel.

    Args:
        x, y: images (channels, height, width) of any type.
    """
    import torch
    from torch.nn.functional import conv2d

    channels, height, width = x.shape
    rows, columns = height - window + 1, width - window + 1
    # Side by side in memory lie the channels, and of each channel `tiles` parts of its width.
    tile = -(-columns // (_LANES // channels))
    tiles = -(-columns // tile)
    lanes = channels * tiles
    kernel = _gaussian(window, dtype or torch.float32)
    vertical = kernel.view(1, 1, window, 1).repeat(lanes, 1, 1, 1)
    horizontal = vertical.transpose(2, 3).contiguous()
    strip = min(_STRIP_ROWS, rows)
    images = torch.zeros(4, strip + window - 1, tile + window - 1, channels, tiles, dtype=kernel.dtype)
    sums = torch.zeros(tile, channels, tiles, dtype=torch.float64)
    for top in range(0, rows, strip):
        count = min(strip, rows - top)
        a, difference, difference_squared, squares = part = images[:, : count + window - 1]
        for image, target in ((x, a), (y, difference)):
            for index in range(tiles):
                source = image[:, top : top + len(target), index * tile : (index + 1) * tile + window - 1]
                target[:, : source.shape[2], :, index] = source.permute(1, 2, 0)
        torch.mul(a, a, out=squares).addcmul_(difference, difference)  # `difference` holds y up to here
        torch.sub(a, difference, out=difference)
        torch.mul(difference, difference, out=difference_squared)
        blurred = part.flatten(3).permute(0, 3, 1, 2)
        for weights in (vertical, horizontal):
            blurred = conv2d(blurred, weights, groups=lanes)
        mean_x, mean_d, mean_dd, mean_squares = blurred.permute(0, 2, 3, 1)
        mean_y = mean_x - mean_d
        energy = (mean_x * mean_x).addcmul_(mean_y, mean_y)
        variance_d = mean_dd.addcmul_(mean_d, mean_d, value=-1)
        similarity = variance_d.div_(mean_squares.sub_(energy).add_(_C2)).neg_().add_(1)
        if luminance:
            similarity.mul_((mean_x * mean_y).mul_(2).add_(_C1).div_(energy.add_(_C1)))
        sums += similarity.sum(0).view(tile, channels, tiles)
    sums[columns - tile * (tiles - 1) :, :, -1] = 0  # beyond the image's right edge
    return sums.sum((0, 2)) / (rows * columns)


def _gaussian(window: int, dtype: torch.dtype) -> Tensor:
    import torch

    weights = torch.exp(-((torch.arange(window, dtype=torch.float64) - window // 2) ** 2) / (2 * _SIGMA**2))
    return (weights / weights.sum()).to(dtype)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: sums then have one order, whatever the number of cores.

    Copies need it, too. Threads that start for each frame cost more than they copy, and wait for busy cores.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _channels(image: np.ndarray) -> Tensor:
    """The image as a tensor (channels, height, width)."""
    return _tensor(np.ascontiguousarray(image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)))


def _tensor(array: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(array)
