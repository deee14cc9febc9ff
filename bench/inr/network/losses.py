"""Training losses of the NeRV family, computed for several predictions against one target at once.

FFNeRV compares three images with one target in every step. The SSIM term dominates the cost of such a loss,
so it has its own implementation here: all planes pass one separable filter, and the gradient is analytic,
which costs a fraction of autograd's.

SSIM (Wang et al., 2004). Let G* be the 11-tap Gaussian filter, mu_x = G*x, var_x = G*x^2 - mu_x^2 and
cov = G*(xy) - mu_x mu_y. The map is

    ssim = (A1 / B1) (A2 / B2),    A1 = 2 mu_x mu_y + C1,      A2 = 2 cov + C2,
                                   B1 = mu_x^2 + mu_y^2 + C1,  B2 = var_x + var_y + C2,

with luminance l = A1 / B1 and structure s = A2 / B2.

Gradient of S = sum of the map with respect to x. The map depends on x through three filtered moments:
m = G*x, e = G*(x^2 + y^2) and q = 2 G*(xy). Since A2 = q - 2 mu_x mu_y + C2 and
B2 = e - mu_x^2 - mu_y^2 + C2, the partial derivatives of the map are

    d/dq =  l / B2
    d/de = -ssim / B2
    d/dm =  2 mu_y s / B1 - 2 mu_x ssim / B1  -  2 mu_y (d/dq)  -  2 mu_x (d/de)
            (through A1)    (through B1)         (through A2)      (through B2)

G is symmetric, so its transpose G^T is the same filter with zero padding ("full" convolution). The chain
rule then gives

    dS/dx = G^T(d/dm) + 2 x G^T(d/de) + 2 y G^T(d/dq).

Where an image is flat the terms through A2 and B2 must cancel the others. Adam amplifies any remainder, so
the two terms of d/dm are computed from the very numbers that are stored for d/dq and d/de.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.inr.network.loss_catalogue import CATALOGUE, SSIM_TAPS, ms_ssim_taps

_C1, _C2 = 0.01**2, 0.03**2
_SIGMA = 1.5
#: Pixels that the filter removes in each direction.
_MARGIN = SSIM_TAPS - 1
#: Outputs of a band matrix (`_band`): of a matrix product along columns, of a convolution along rows.
_ROWS, _COLUMNS = 16, 8
#: Numbers in an array of a strip of rows.
_STRIP = 1 << 18


@functools.lru_cache(maxsize=8)
def _gaussian(device: torch.device, dtype: torch.dtype) -> Tensor:
    """The filter's 11 taps of sigma 1.5, whose sum is 1.

    They are rounded to float32 for every type, as in pytorch-msssim.
    """
    offsets = torch.arange(SSIM_TAPS, dtype=torch.float32, device=device) - SSIM_TAPS // 2
    taps = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    return (taps / taps.sum()).to(dtype)


@functools.lru_cache(maxsize=8)
def _band(outputs: int, dtype: torch.dtype) -> Tensor:
    """Band matrix (outputs, outputs + 10) on the CPU. Row i has the filter's taps from column i on."""
    band = torch.zeros(outputs, outputs + _MARGIN, dtype=dtype)
    for row in range(outputs):
        band[row, row : row + SSIM_TAPS] = _gaussian(torch.device("cpu"), dtype)
    return band


def _filter(parts: Sequence[Tensor], pad: int = 0) -> Tensor:
    """Separable Gaussian filter of the rows of several planes.

    A depthwise convolution of torch computes few outputs at a time on a CPU. Band matrices multiply by zeros
    too, but compute many outputs at once at a core's full speed.

    Args:
        parts: each (H, P_i, W). The valid region of their concatenation is filtered.
        pad: zeros on the left, and at least as many on the right.

    Returns:
        (H - 10, P, W'), with W' = W - 10 without padding, and at least W + 10 with 10 zeros. W' must be a
        multiple of 8.
    """
    height, _, width = parts[0].shape
    rows, count = height - _MARGIN, sum(part.shape[1] for part in parts)
    example = parts[0]
    if not example.is_cpu:
        taps = _gaussian(example.device, example.dtype)
        down, across = taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)
        planes = torch.cat(list(parts), dim=1).transpose(0, 1)[None]
        planes = F.conv2d(
            F.pad(planes, (pad, pad and pad + _COLUMNS)), down.expand(count, 1, -1, 1), groups=count
        )
        planes = F.conv2d(planes, across.expand(count, 1, 1, -1), groups=count)[0].transpose(0, 1)
        return planes[..., : planes.shape[2] // _COLUMNS * _COLUMNS]
    filtered = example.new_empty(rows, count * width)
    first = 0
    for part in parts:
        last = first + part.shape[1] * width
        for top in range(0, rows, _ROWS):
            size = min(_ROWS, rows - top)
            source = part[top : top + size + _MARGIN].flatten(1)
            band = _band(_ROWS, example.dtype)[:size, : size + _MARGIN]
            torch.mm(band, source, out=filtered[top : top + size, first:last])
        first = last
    # One image of one channel. In channels-last memory the outputs of a row's convolution are contiguous.
    image = filtered.view(1, rows * count, width, 1).permute(0, 3, 1, 2)
    band = _band(_COLUMNS, example.dtype)[:, None, None].contiguous(memory_format=torch.channels_last)
    filtered = F.conv2d(image, band, stride=(1, _COLUMNS), padding=(0, pad))
    return filtered.permute(0, 2, 3, 1).reshape(rows, count, -1)


class _PixelLosses(torch.autograd.Function):
    """l1 * L1 + l2 * L2 - ssim * SSIM of each of M predictions (B, C, H, W) against one target: (M,).

    The gradient of the module's docstring is computed in the forward pass. In memory, a row of all images is
    contiguous: (H, M, B * C, W). Rows are processed in strips, so that their arrays stay in a core's cache.
    """

    @staticmethod
    def forward(ctx, l1: float, l2: float, ssim: float, target: Tensor, *predictions: Tensor) -> Tensor:
        batch, channels, height, width = target.shape
        count, each = len(predictions), batch * channels
        total, pixels = count * each, target.numel()
        valid = each * (height - _MARGIN) * (width - _MARGIN)
        differentiable = any(ctx.needs_input_grad[4:])
        # Rows end in zeros: the filter's outputs are then a multiple of 8, and two or more of them zero.
        full = width + 2 + (_MARGIN - width - 2) % _COLUMNS
        stack = target.new_empty(height, total + each, full)
        stack[..., width:].zero_()
        for index, image in enumerate((*predictions, target)):
            planes = stack[:, index * each : (index + 1) * each, :width].permute(1, 0, 2)
            planes.unflatten(0, (batch, channels)).copy_(image)

        strip = max(_STRIP // (total * width) // _ROWS, 1) * _ROWS if not target.is_cuda else height
        if ssim:
            products = target.new_empty(strip + _MARGIN, 2 * total, full)
            # Those of a strip's map, after the last ones of the strip before.
            derivatives = target.new_zeros(strip + _MARGIN, 3 * total, full - _MARGIN)
        gradient = target.new_empty(count, each, height, width)
        losses = target.new_zeros(count)
        for top in range(0, height, strip):
            rows = stack[top : top + strip, :, :width]
            x, y = rows[:, :total].unflatten(1, (count, each)), rows[:, total:].unsqueeze(1)
            out = gradient[:, :, top : top + strip].permute(2, 0, 1, 3)
            if ssim:
                images = stack[top : top + strip + _MARGIN]
                size = len(images) - _MARGIN
                derivatives[:_MARGIN] = derivatives[-_MARGIN:]
                derivatives[_MARGIN + max(size, 0) :].zero_()
                if size > 0:
                    into = derivatives[_MARGIN : _MARGIN + size]
                    map_rows = _ssim_map(images, products[: len(images)], into, count)
                    losses -= map_rows[..., : width - _MARGIN].sum(dim=(0, 2, 3)).mul_(ssim / valid)
                    into[..., width - _MARGIN :].zero_()
            if differentiable and ssim:
                # The transpose of a symmetric filter is the filter itself with full padding.
                filtered = _filter([derivatives[: len(rows) + _MARGIN]], _MARGIN)[..., :width]
                by_m, by_e, by_q = filtered.unflatten(1, (3, count, each)).unbind(1)
                torch.mul(by_m.addcmul_(x, by_e, value=-2).addcmul_(y, by_q, value=2), -ssim / valid, out=out)
            else:
                out.zero_()
            if l1 or l2:
                difference = x - y
                if l2:
                    out.add_(difference, alpha=2 * l2 / pixels)
                    losses += difference.square().sum(dim=(0, 2, 3)).mul_(l2 / pixels)
                if l1:
                    out.add_(difference.sign(), alpha=l1 / pixels)
                    losses += difference.abs_().sum(dim=(0, 2, 3)).mul_(l1 / pixels)
        if differentiable:
            ctx.save_for_backward(gradient.unflatten(1, (batch, channels)))
        return losses

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (None, None, None, None, *(part * scale for part, scale in zip(gradient, grad, strict=True)))


def _ssim_map(images: Tensor, products: Tensor, derivatives: Tensor, count: int) -> Tensor:
    """Rows of the SSIM maps of M = `count` predictions: (H - 10, M, P / M, W - 10).

    Args:
        images: (H, P + P / M, W), rows of the P planes of the predictions and of those of the target.
        products: (H, 2 P, W), overwritten.
        derivatives: (H - 10, 3 P, W - 10). Set to d/dm, -d/de and d/dq of the module's docstring.
    """
    each = images.shape[1] // (count + 1)
    total = count * each
    x, y = images[:, :total].unflatten(1, (count, each)), images[:, total:].unsqueeze(1)
    e, q = products.unflatten(1, (2, count, each)).unbind(1)
    torch.mul(x, x, out=e).add_(y * y)
    torch.mul(x, y * 2, out=q)

    moments = _filter([images, products]).split([total, each, total, total], dim=1)
    mu_x, mu_y, b2, a2 = (part.unflatten(1, (-1, each)) for part in moments)
    mu_x2, mu_y2 = mu_x * 2, mu_y * 2
    mu_xy2 = mu_x * mu_y2
    b1 = mu_x.square_().add_(mu_y.square_())
    a2.sub_(mu_xy2).add_(_C2)
    b2.sub_(b1).add_(_C2)
    b1.add_(_C1)
    luminance, structure = mu_xy2.add_(_C1).div_(b1), a2.div_(b2)
    ssim = luminance * structure

    by_m, by_e_negated, by_q = derivatives.unflatten(1, (3, count, each)).unbind(1)
    torch.div(luminance, b2, out=by_q)
    torch.div(ssim, b2, out=by_e_negated)
    torch.mul(mu_x2, by_e_negated, out=by_m).addcmul_(mu_y2, by_q, value=-1)
    by_m.addcmul_(mu_y2, structure.div_(b1)).addcmul_(mu_x2, luminance.copy_(ssim).div_(b1), value=-1)
    return ssim


def mean_ssim(predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean SSIM (Wang et al., 2004) of each of M predictions (B, C, H, W) in [0, 1] against `target`: (M,).

    11-tap Gaussian window of sigma 1.5, valid region, data range 1, per channel. A side shorter than the
    window is not filtered. Such images occur only at coarse heads. They use the package of the official
    codes, because there the gradient consists of rounding errors that no other implementation repeats.
    """
    if min(target.shape[2:]) >= SSIM_TAPS:
        return -_PixelLosses.apply(0.0, 0.0, 1.0, target, *predictions)
    import pytorch_msssim

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about sides that are not filtered
        return torch.stack([pytorch_msssim.ssim(p, target, data_range=1) for p in predictions])


def losses(name: str, predictions: Sequence[Tensor], target: Tensor) -> Tensor:
    """Loss `name` of each of M predictions (B, 3, H, W) in [0, 1] against one target: (M,).

    A loss is a weighted sum of L1 = mean |p - t|, L2 = mean (p - t)^2, 1 - SSIM and 1 - MS-SSIM, with the
    weights of `loss_catalogue.CATALOGUE`. It is computed in the target's precision, whatever precision the
    network had.

    Raises:
        KeyError: `name` is not in the catalogue.
    """
    l1, l2, ssim, ms_ssim = CATALOGUE[name]
    device = target.device.type
    # Fit costs are counted on the meta device, which has no autocast.
    precision = (
        torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
    )
    with precision:
        predictions = [prediction.to(target.dtype) for prediction in predictions]
        filtered = ssim if min(target.shape[2:]) >= SSIM_TAPS else 0.0
        total = ssim + ms_ssim + _PixelLosses.apply(l1, l2, filtered, target, *predictions)
        if ssim and not filtered:
            total = total - ssim * mean_ssim(predictions, target)
        if ms_ssim:
            import pytorch_msssim

            window = ms_ssim_taps(name)
            values = [pytorch_msssim.ms_ssim(p, target, data_range=1, win_size=window) for p in predictions]
            total = total - ms_ssim * torch.stack(values)
        return total
