"""Fitting losses of the NeRV family, with the target's statistics shared among predictions.

FFNeRV scores three images a step against one target. SSIM needs the filtered moments of both sides;
here those of the target are filtered once, all planes go through one channels-last depthwise
convolution, and SSIM's gradient is written out, which costs a fraction of what autograd spends on it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_C1, _C2 = 0.01**2, 0.03**2

#: Loss name to weights of (L1, L2, 1 - SSIM, 1 - MS-SSIM): the official scripts' catalogue.
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
}


@functools.lru_cache(maxsize=8)
def _gaussian(device: torch.device, dtype: torch.dtype) -> Tensor:
    """11 taps, sigma 1.5, summing to 1."""
    offsets = torch.arange(11, dtype=dtype, device=device) - 5
    taps = torch.exp(-offsets.square() / (2 * 1.5**2))
    return taps / taps.sum()


def _filter(planes: Tensor, pad: tuple[int, int] = (0, 0)) -> Tensor:
    """Separable Gaussian on (B, P, H, W), valid region; a side shorter than the window is left alone."""
    taps, count = _gaussian(planes.device, planes.dtype), planes.shape[1]
    if planes.shape[2] + 2 * pad[0] >= 11:
        planes = F.conv2d(
            planes, taps.view(1, 1, 11, 1).expand(count, 1, 11, 1), padding=(pad[0], 0), groups=count
        )
    if planes.shape[3] + 2 * pad[1] >= 11:
        planes = F.conv2d(
            planes, taps.view(1, 1, 1, 11).expand(count, 1, 1, 11), padding=(0, pad[1]), groups=count
        )
    return planes


def _spread(planes: Tensor, height: int, width: int) -> Tensor:
    """The transpose of `_filter` onto height x width: the window is symmetric, so full padding does it."""
    return _filter(planes, (10 if planes.shape[2] != height else 0, 10 if planes.shape[3] != width else 0))


class _MeanSSIM(torch.autograd.Function):
    """Mean SSIM of each of M predictions against one target, with its gradient in closed form."""

    @staticmethod
    def forward(ctx, target: Tensor, *predictions: Tensor) -> Tensor:
        count = len(predictions)
        channels = target.shape[1]
        # Planes (B, M * C, H, W); the moments are stacked along the batch so that each is contiguous.
        x = torch.cat(predictions, dim=1).contiguous(memory_format=torch.channels_last)
        y = target.contiguous(memory_format=torch.channels_last)
        mu_y, yy = (moment.repeat(1, count, 1, 1) for moment in _filter(torch.cat([y, y * y])).chunk(2))
        y = y.repeat(1, count, 1, 1)
        mu_x, xx, xy = _filter(torch.cat([x, x * x, x * y])).chunk(3)
        # ssim = a1 * a2 / (b1 * b2), the spec's terms
        mu_xy, mu_xx, mu_yy = mu_x * mu_y, mu_x * mu_x, mu_y * mu_y
        b2 = xx.sub_(mu_xx).add_(yy.sub_(mu_yy)).add_(_C2)
        b1 = mu_xx.add_(mu_yy).add_(_C1)
        a2 = xy.sub_(mu_xy).mul_(2).add_(_C2)
        a1 = mu_xy.mul_(2).add_(_C1)
        inverse = (b1 * b2).reciprocal_()
        ssim = (a1 * a2).mul_(inverse)
        means = ssim.unflatten(1, (count, channels)).mean(dim=(0, 2, 3, 4))
        if any(ctx.needs_input_grad[1:]):
            gradient = _ssim_gradient(x, y, mu_x, mu_y, a1, a2, b1, b2, inverse, ssim)
            ctx.save_for_backward(gradient.mul_(count / ssim.numel()))
            ctx.count = count
        return means

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        parts = gradient.chunk(ctx.count, dim=1)
        return (None, *(part * scale for part, scale in zip(parts, grad, strict=True)))


def _ssim_gradient(
    x: Tensor, y: Tensor, mu_x: Tensor, mu_y: Tensor, a1: Tensor, a2: Tensor, b1: Tensor, b2: Tensor,
    inverse: Tensor, ssim: Tensor,
) -> Tensor:  # fmt: skip
    """d(sum of the SSIM map)/dx: the map's derivatives by its three moments, filtered back to the pixels."""
    by_xy = a1.mul(inverse).mul_(2)
    by_xx = ssim.div(b2).neg_()
    # What reaches mu through the (co)variances is taken from the rounded derivatives above: where the
    # image is flat it must cancel theirs, and Adam would blow up whatever does not.
    by_mu = a2.mul_(inverse).mul_(mu_y).mul_(2).addcmul_(mu_x, ssim / b1, value=-2)
    by_mu.addcmul_(mu_x, by_xx, value=-2).addcmul_(mu_y, by_xy, value=-1)
    g_mu, g_xx, g_xy = _spread(torch.cat([by_mu, by_xx, by_xy]), *x.shape[2:]).chunk(3)
    return torch.addcmul(g_mu, y, g_xy).addcmul_(x, g_xx, value=2)


def mean_ssim(predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean SSIM of each of M predictions (B, C, H, W) in [0, 1] against `target`: (M,).

    11-tap Gaussian window of sigma 1.5, valid region, per channel (spec, appendix A).
    """
    return _MeanSSIM.apply(target, *predictions)


def losses(name: str, predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Loss `name` of each of M predictions (B, 3, H, W) in [0, 1] against one target: (M,).

    Raises:
        KeyError: `name` is not in `CATALOGUE`.
    """
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

        values = [pytorch_msssim.ms_ssim(p, target, data_range=1) for p in predictions]
        total = total + ms_ssim * (1 - torch.stack(values))
    return total
