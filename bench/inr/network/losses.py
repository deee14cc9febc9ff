"""Training losses of the NeRV family, computed for several predictions against one target at once.

FFNeRV compares three images with one target in every step. The SSIM term dominates the cost of such a loss,
so it has its own implementation here: all planes pass one depthwise convolution in channels-last memory, and
its gradient is analytic, which costs a fraction of autograd's.

SSIM (Wang et al., 2004). Let G* be the 11-tap Gaussian filter, mu_x = G*x, var_x = G*x^2 - mu_x^2 and
cov = G*(xy) - mu_x mu_y. The map is

    ssim = (A1 / B1) (A2 / B2),    A1 = 2 mu_x mu_y + C1,      A2 = 2 cov + C2,
                                   B1 = mu_x^2 + mu_y^2 + C1,  B2 = var_x + var_y + C2,

with luminance l = A1 / B1 and structure s = A2 / B2.

Gradient of S = sum of the map with respect to x. The map depends on x through three filtered moments:
m = G*x, p = G*(x^2 + y^2) and q = 2 G*(xy). Since A2 = q - 2 mu_x mu_y + C2 and
B2 = p - mu_x^2 - mu_y^2 + C2, the partial derivatives of the map are

    d/dq =  l / B2
    d/dp = -ssim / B2
    d/dm =  2 mu_y s / B1 - 2 mu_x ssim / B1  -  2 mu_y (d/dq)  -  2 mu_x (d/dp)
            (through A1)    (through B1)         (through A2)      (through B2)

G is symmetric, so its transpose G^T is the same filter with zero padding ("full" convolution). The chain
rule then gives

    dS/dx = G^T(d/dm) + 2 x G^T(d/dp) + 2 y G^T(d/dq).

Where an image is flat the terms through A2 and B2 must cancel the others. Adam amplifies any remainder, so
the two terms of d/dm are computed from the very numbers that are stored for d/dq and d/dp.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.inr.network import planes
from bench.inr.network.loss_catalogue import CATALOGUE, SSIM_TAPS, ms_ssim_taps

_C1, _C2 = 0.01**2, 0.03**2
_SIGMA = 1.5


@functools.lru_cache(maxsize=8)
def _gaussian(device: torch.device, dtype: torch.dtype) -> Tensor:
    """The filter's 11 taps of sigma 1.5, whose sum is 1.

    They are rounded to float32 for every type, as in pytorch-msssim.
    """
    offsets = torch.arange(SSIM_TAPS, dtype=torch.float32, device=device) - SSIM_TAPS // 2
    taps = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    return (taps / taps.sum()).to(dtype)


def _filter(planes: Tensor, pad: int = 0) -> Tensor:
    """Separable Gaussian filter of (B, P, H, W), valid region after padding every side with `pad` zeros."""
    taps, count = _gaussian(planes.device, planes.dtype), planes.shape[1]
    down, across = taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)
    planes = F.conv2d(planes, down.expand(count, 1, -1, 1), padding=(pad, 0), groups=count)
    return F.conv2d(planes, across.expand(count, 1, 1, -1), padding=(0, pad), groups=count)


class _MeanSSIM(torch.autograd.Function):
    """Mean SSIM of each of M predictions against one target, with the gradient of the module's docstring.

    Predictions and target are concatenated to planes (B, M * C, H, W) in channels-last memory. The four
    inputs of the filter are stacked along the batch, so that each is contiguous. The target's mean is
    filtered once per prediction; copying three numbers per pixel M times takes longer.
    """

    @staticmethod
    def forward(ctx, target: Tensor, *predictions: Tensor) -> Tensor:
        count, channels, batch = len(predictions), target.shape[1], len(target)
        stack = torch.empty(
            (4 * batch, count * channels, *target.shape[2:]),
            dtype=target.dtype,
            device=target.device,
            memory_format=torch.channels_last,
        )
        x, squares, xy2, y = stack.chunk(4)
        torch.cat(predictions, dim=1, out=x)
        torch.cat([target] * count, dim=1, out=y)
        y2 = y * 2
        torch.mul(x, x, out=squares).addcmul_(y, y)
        torch.mul(x, y2, out=xy2)

        moments = _filter(stack)
        mu_x, b2, a2, mu_y = moments.chunk(4)
        mu_y2 = mu_y * 2
        mu_xy2 = mu_x * mu_y2
        a2.sub_(mu_xy2).add_(_C2)
        b1 = mu_y.square_().addcmul_(mu_x, mu_x)
        b2.sub_(b1).add_(_C2)
        b1.add_(_C1)
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
    """dS/dx of the module's docstring, in place.

    `moments` holds mu_x, B2 and A2. The derivatives d/dm, -d/dp and d/dq overwrite them.
    """
    by_m, by_p_negated, by_q = mu_x, b2, _ = moments.chunk(3)
    torch.div(luminance, b2, out=by_q)
    torch.div(ssim, b2, out=by_p_negated)
    mu_x2 = mu_x * 2
    torch.mul(mu_x2, by_p_negated, out=by_m)
    by_m.addcmul_(mu_y2, by_q, value=-1)
    by_m.addcmul_(mu_y2, structure.div_(b1)).addcmul_(mu_x2, ssim / b1, value=-1)
    # The transpose of a symmetric filter is the filter itself with full padding.
    transposed_m, transposed_p, transposed_q = _filter(moments, SSIM_TAPS - 1).chunk(3)
    return transposed_m.addcmul_(y2, transposed_q).addcmul_(x, transposed_p, value=-2)


def mean_ssim(predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean SSIM (Wang et al., 2004) of each of M predictions (B, C, H, W) in [0, 1] against `target`: (M,).

    11-tap Gaussian window of sigma 1.5, valid region, data range 1, per channel. A side shorter than the
    window is not filtered. Such images occur only at coarse heads. They use the package of the official
    codes, because there the gradient consists of rounding errors that no other implementation repeats.
    """
    if min(target.shape[2:]) >= SSIM_TAPS:
        return _MeanSSIM.apply(target, *predictions)
    import pytorch_msssim

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about sides that are not filtered
        return torch.stack([pytorch_msssim.ssim(p, target, data_range=1) for p in predictions])


def losses(name: str, predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Loss `name` of each of M predictions (B, 3, H, W) in [0, 1] against one target: (M,).

    A loss is a weighted sum of L1 = mean |p - t|, L2 = mean (p - t)^2, 1 - SSIM and 1 - MS-SSIM, with the
    weights of `loss_catalogue.CATALOGUE`. It is computed in the target's precision, whatever precision the
    network had. `yuv420:NAME` is the loss of the planes of 4:2:0, weighted 6:1:1
    (`bench.inr.network.planes`).

    Raises:
        KeyError: `name` is not in the catalogue.
    """
    space, _, name = name.rpartition(":")
    if space:
        luma, *both = planes.WEIGHTS
        predictions = [prediction.to(target.dtype) for prediction in predictions]
        halves = losses(name, [planes.chroma(p) for p in predictions], planes.chroma(target))
        return luma * losses(name, [p[:, :1] for p in predictions], target[:, :1]) + sum(both) * halves
    l1, l2, ssim, ms_ssim = CATALOGUE[name]
    device = target.device.type
    # Fit costs are counted on the meta device, which has no autocast.
    precision = (
        torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
    )
    with precision:
        predictions = [prediction.to(target.dtype) for prediction in predictions]
        total = target.new_zeros(len(predictions))
        if l1:
            total = total + l1 * torch.stack([F.l1_loss(p, target) for p in predictions])
        if l2:
            total = total + l2 * torch.stack([F.mse_loss(p, target) for p in predictions])
        if ssim:
            total = total + ssim * (1 - mean_ssim(predictions, target))
        if ms_ssim:
            import pytorch_msssim

            window = ms_ssim_taps(name)
            values = [pytorch_msssim.ms_ssim(p, target, data_range=1, win_size=window) for p in predictions]
            total = total + ms_ssim * (1 - torch.stack(values))
        return total
