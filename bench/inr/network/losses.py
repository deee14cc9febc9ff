"""Fitting losses of the NeRV family, of several predictions against one target at once.

FFNeRV scores three images a step against one target. SSIM needs the filtered moments of both sides;
here all planes go through one channels-last depthwise convolution, and SSIM's gradient is written out,
which costs a fraction of what autograd spends on it.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

_C1, _C2 = 0.01**2, 0.03**2

#: Loss name to weights of (L1, L2, 1 - SSIM, 1 - MS-SSIM): the official scripts' catalogue, and HiNeRV's.
CATALOGUE: dict[str, tuple[float, float, float, float]] = {
    "L1": (1, 0, 0, 0),
    "L2": (0, 1, 0, 0),
    "SSIM": (0, 0, 1, 0),
    "Fusion1": (0, 0.3, 0.7, 0),
    "Fusion2": (0.3, 0, 0.7, 0),
    "Fusion3": (0, 0.5, 0.5, 0),
    "Fusion4": (0.5, 0, 0.5, 0),
    "Fusion5": (0, 0.7, 0.3, 0),
    "Fusion6": (0.7, 0, 0.3, 0),
    "Fusion7": (0.3, 0.7, 0, 0),
    "Fusion8": (0.5, 0.5, 0, 0),
    "Fusion9": (0.9, 0, 0.1, 0),
    "Fusion10": (0.7, 0, 0, 0.3),
    "Fusion11": (0.9, 0, 0, 0.1),
    "Fusion12": (0.8, 0, 0, 0.2),
    "Fusion10-win5": (0.7, 0, 0, 0.3),
}

#: Losses whose MS-SSIM has another window than 11 taps: HiNeRV's, for patches of a side above 64.
_WINDOWS = {"Fusion10-win5": 5}


def check_loss(name: str, height: int, width: int) -> None:
    """Raises ValueError where there is no such loss, or frames of this size cannot have it."""
    if name not in CATALOGUE:
        raise ValueError(f"loss: {name!r} is unknown; there are {', '.join(CATALOGUE)}")
    # Five scales, each half the one before, and the window must fit into the last.
    least = 16 * (_WINDOWS.get(name, 11) - 1)
    if CATALOGUE[name][3] and min(height, width) <= least:
        raise ValueError(f"loss: {name} has MS-SSIM, whose sides are above {least}; {width}x{height} is not")


@functools.lru_cache(maxsize=8)
def _gaussian(device: torch.device, dtype: torch.dtype) -> Tensor:
    """11 taps, sigma 1.5, summing to 1; rounded to float32 for every type, as pytorch-msssim has them."""
    offsets = torch.arange(11, dtype=torch.float32, device=device) - 5
    taps = torch.exp(-offsets.square() / (2 * 1.5**2))
    return (taps / taps.sum()).to(dtype)


def _filter(planes: Tensor, pad: int = 0) -> Tensor:
    """Separable Gaussian on (B, P, H, W), valid region of the planes with `pad` zeros on every side."""
    taps, count = _gaussian(planes.device, planes.dtype), planes.shape[1]
    down, across = taps.view(1, 1, 11, 1), taps.view(1, 1, 1, 11)
    planes = F.conv2d(planes, down.expand(count, 1, 11, 1), padding=(pad, 0), groups=count)
    return F.conv2d(planes, across.expand(count, 1, 1, 11), padding=(0, pad), groups=count)


def _spread(planes: Tensor) -> Tensor:
    """The transpose of `_filter`: the window is symmetric, so full padding does it."""
    return _filter(planes, 10)


def _empty(like: Tensor, batch: int, planes: int) -> Tensor:
    """An unfilled channels-last tensor with the height, width, type and device of another."""
    shape = (batch, planes, *like.shape[2:])
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


class _MeanSSIM(torch.autograd.Function):
    """Mean SSIM of each of M predictions against one target, with its gradient in closed form.

    Planes are (B, M * C, H, W), channels-last; what is filtered is stacked along the batch so that each
    part is contiguous. The target is filtered once for each prediction: that takes less time than to
    repeat what one filtering makes of it, three values a pixel. Names follow ssim = (a1 / b1) * (a2 / b2)
    with a1 = 2 mu_x mu_y + C1, a2 = 2 cov + C2, b1 = mu_x^2 + mu_y^2 + C1, b2 = var_x + var_y + C2.
    """

    @staticmethod
    def forward(ctx, target: Tensor, *predictions: Tensor) -> Tensor:
        count, channels, batch = len(predictions), target.shape[1], len(target)
        stack = _empty(target, 5 * batch, count * channels)
        x, xx, xy2, y, yy = stack.chunk(5)
        torch.cat(predictions, dim=1, out=x)
        torch.cat([target] * count, dim=1, out=y)
        y2 = y * 2
        torch.mul(x, x, out=xx)
        torch.mul(x, y2, out=xy2)
        torch.mul(y, y, out=yy)

        moments = _filter(stack)
        mu_x, b2, a2, mu_y, variance_y = moments.chunk(5)
        mu_y2, mu_yy = mu_y * 2, mu_y.square_()
        mu_xy2 = mu_x * mu_y2
        a2.sub_(mu_xy2).add_(_C2)
        b2.addcmul_(mu_x, mu_x, value=-1).add_(variance_y.sub_(mu_yy).add_(_C2))
        b1 = mu_yy.add_(_C1).addcmul_(mu_x, mu_x)
        luminance, structure = mu_xy2.add_(_C1).div_(b1), a2.div(b2)
        ssim = luminance * structure
        if any(ctx.needs_input_grad[1:]):
            gradient = _ssim_gradient(x, y2, moments[: 3 * batch], mu_y2, b1, luminance, structure, ssim)
            ctx.save_for_backward(gradient)
            ctx.scale = count / ssim.numel()
        return ssim.unflatten(1, (count, channels)).mean(dim=(0, 2, 3, 4))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        parts = gradient.chunk(len(grad), dim=1)
        return (None, *(part * scale for part, scale in zip(parts, grad * ctx.scale, strict=True)))


def _ssim_gradient(
    x: Tensor, y2: Tensor, moments: Tensor, mu_y2: Tensor, b1: Tensor,
    luminance: Tensor, structure: Tensor, ssim: Tensor,
) -> Tensor:  # fmt: skip
    """d(sum of the SSIM map)/dx: the map's derivatives by its moments, filtered back to the pixels.

    `moments` are mu_x, b2 and a2, and the derivatives by mu_x, E[x^2] and 2 E[xy] take their place. What
    reaches the mean through the (co)variances is taken from the very numbers that their own derivatives
    are: where an image is flat the two must cancel, and Adam blows up what does not.
    """
    by_mu, by_xx, by_xy2 = mu_x, b2, _ = moments.chunk(3)
    torch.div(luminance, b2, out=by_xy2)
    torch.div(ssim, b2, out=by_xx)  # with the sign turned
    mu_x2 = mu_x * 2
    torch.mul(mu_x2, by_xx, out=by_mu)
    by_mu.addcmul_(mu_y2, by_xy2, value=-1)
    by_mu.addcmul_(mu_y2, structure.div_(b1)).addcmul_(mu_x2, ssim / b1, value=-1)
    g_mu, g_xx, g_xy2 = _spread(moments).chunk(3)
    return g_mu.addcmul_(y2, g_xy2).addcmul_(x, g_xx, value=-2)


def mean_ssim(predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean SSIM of each of M predictions (B, C, H, W) in [0, 1] against `target`: (M,).

    11-tap Gaussian window of sigma 1.5, valid region, per channel (Wang et al. 2004). Along a side shorter
    than the window nothing is filtered; such images, which only coarse heads make, go to the package that
    the official codes use, since there its gradient is made of rounding errors that no other code repeats.
    """
    if min(target.shape[2:]) < 11:
        return torch.stack([_small_ssim(prediction, target) for prediction in predictions])
    return _MeanSSIM.apply(target, *predictions)


def _small_ssim(prediction: Tensor, target: Tensor) -> Tensor:
    import pytorch_msssim

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sides that are not filtered
        return pytorch_msssim.ssim(prediction, target, data_range=1)


def losses(name: str, predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Loss `name` of each of M predictions (B, 3, H, W) in [0, 1] against one target: (M,).

    Raises:
        KeyError: `name` is not in `CATALOGUE`.
    """
    device = target.device.type
    known = torch.amp.is_autocast_available(device)  # not of the meta device, on which fits are counted
    with torch.autocast(device, enabled=False) if known else nullcontext():  # whatever the network has
        return _losses(name, [prediction.to(target.dtype) for prediction in predictions], target)


def _losses(name: str, predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    l1, l2, ssim, ms_ssim = CATALOGUE[name]
    total = target.new_zeros(len(predictions))
    if l1:
        total = total + l1 * torch.stack([F.l1_loss(p, target) for p in predictions])
    if l2:
        total = total + l2 * torch.stack([F.mse_loss(p, target) for p in predictions])
    if ssim:
        total = total + ssim * (1 - mean_ssim(predictions, target))
    if ms_ssim:
        import pytorch_msssim

        window = _WINDOWS.get(name, 11)
        values = [pytorch_msssim.ms_ssim(p, target, data_range=1, win_size=window) for p in predictions]
        total = total + ms_ssim * (1 - torch.stack(values))
    return total
