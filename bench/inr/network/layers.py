"""Layers that the networks of the NeRV family share: activations, upsampling, encoding of time, RGB head."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


def _gelu(x: Tensor) -> Tensor:
    """x * Phi(x), the exact form of GELU.

    On a CPU, torch has a kernel for contiguous memory that is several times as fast as the one for
    channels-last memory, and rounds otherwise. Fits use it. Decoders do not: streams of earlier versions keep
    decoding to the same frames.
    """
    if torch.is_grad_enabled() and x.is_contiguous(memory_format=torch.channels_last):
        return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return F.gelu(x)


#: Name -> activation function, for every name in `decoder_config.ACTIVATION_NAMES`. E-NeRV's code calls
#: `sin30` "sin".
ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "leaky": F.leaky_relu,
    "leaky01": lambda x: F.leaky_relu(x, 0.1),
    "relu6": F.relu6,
    "gelu": _gelu,
    "swish": F.silu,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "sin": torch.sin,
    "sin30": lambda x: torch.sin(30 * x),
    "none": lambda x: x,
}

#: Name -> normalisation layer after a pixel shuffle, for every name in `decoder_config.NORM_NAMES`.
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "in": nn.InstanceNorm2d,
    "bn": nn.BatchNorm2d,
}


class _ShuffledConvolution(torch.autograd.Function):
    """A convolution and a pixel shuffle, with a backward pass that copies runs of memory.

    The channels of a pixel shuffle by s are ordered (channel, row, column). In channels-last memory, its
    backward pass would gather single numbers from s * s pixels. In the order (row, column, channel) s * C
    numbers are contiguous. So the gradient is computed for weights in that order.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.stride, ctx.biased = padding, stride, bias is not None
        return F.pixel_shuffle(F.conv2d(x, weight, bias, padding=padding), stride)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        area, channels = ctx.stride**2, grad.shape[1]
        blocks = grad.permute(0, 2, 3, 1).unflatten(2, (-1, ctx.stride)).unflatten(1, (-1, ctx.stride))
        ordered = blocks.transpose(2, 3).flatten(3).permute(0, 3, 1, 2)
        reordered = weight.unflatten(0, (channels, area)).transpose(0, 1).flatten(0, 1)
        padding, needed = [ctx.padding] * 2, [*ctx.needs_input_grad[:2], ctx.biased]
        by_x, by_weight, by_bias = torch.ops.aten.convolution_backward(
            ordered, x, reordered, [len(weight)], [1, 1], padding, [1, 1], False, [0, 0], 1, needed
        )
        return by_x, *(_in_shuffle_order(by, area) for by in (by_weight, by_bias)), None, None


def _in_shuffle_order(gradient: Tensor | None, area: int) -> Tensor | None:
    return None if gradient is None else gradient.unflatten(0, (area, -1)).transpose(0, 1).flatten(0, 1)


#: Weights above this number are so many that their reordering takes longer than a pixel shuffle.
_REORDERED_WEIGHTS = 1 << 18


def shuffled_convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, padding: int, stride: int
) -> Tensor:
    """Convolution of (B, C_in, h, w) to C * s^2 channels and pixel shuffle by s: (B, C, s*h, s*w)."""
    if (
        x.is_cpu
        and stride > 1
        and weight.numel() < _REORDERED_WEIGHTS
        and not torch.is_autocast_enabled("cpu")
    ):
        return _ShuffledConvolution.apply(x, weight, bias, padding, stride)
    return F.pixel_shuffle(F.conv2d(x, weight, bias, padding=padding), stride)


class ShuffledConvolution(nn.Sequential):
    """A same-padded `nn.Conv2d` and `nn.PixelShuffle`, computed by `shuffled_convolution`."""

    def __init__(self, before: int, after: int, stride: int, *, bias: bool) -> None:
        conv = nn.Conv2d(before, after * stride**2, 3, padding=1, bias=bias)
        super().__init__(conv, nn.PixelShuffle(stride))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        conv = self[0]
        assert isinstance(conv, nn.Conv2d)
        return shuffled_convolution(x, conv.weight, conv.bias, padding=1, stride=self.stride)


def upsampling(
    before: int, after: int, stride: int, *, kind: str = "conv", bias: bool = True
) -> nn.Sequential:
    """A layer that maps (B, before, h, w) to (B, after, s*h, s*w).

    Args:
        kind: a name in `decoder_config.UPSAMPLINGS`. `deconv` always has a bias, as in the official codes.
    """
    if kind == "deconv":
        return nn.Sequential(nn.ConvTranspose2d(before, after, stride, stride))
    if kind == "bilinear":
        larger = nn.Upsample(scale_factor=float(stride), mode="bilinear", align_corners=True)
        return nn.Sequential(larger, nn.Conv2d(before, after, 2 * stride + 1, padding=stride, bias=bias))
    return ShuffledConvolution(before, after, stride, bias=bias)


def positional_encoding(time: Tensor, base: float, count: int) -> Tensor:
    """Positional encoding of times (NeRV section 3.1, equation 1), (B,) to (B, 2 * count).

        Gamma(t) = (sin(b^0 pi t), cos(b^0 pi t), ..., sin(b^(L-1) pi t), cos(b^(L-1) pi t))

    With `count` 0 the result is the time itself, (B, 1). b^k is computed in double precision and rounded to
    float32 before the multiplication, as in the official codes of NeRV and E-NeRV.
    """
    if not count:
        return time[:, None]
    phases = time[:, None] * _powers(base, count, time.dtype, time.device) * math.pi
    return torch.stack([phases.sin(), phases.cos()], dim=2).flatten(1)


@functools.lru_cache(maxsize=16)
def _powers(base: float, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """base^k for k < count. Cached, because a copy to the device in every step would block the host."""
    return torch.tensor([base**k for k in range(count)], dtype=dtype, device=device)


def rgb_head(raw: Tensor, kind: str) -> Tensor:
    """Map an unbounded (B, 3, H, W) to RGB in [0, 1] by a function of `decoder_config.HEADS`."""
    return torch.sigmoid(raw) if kind == "sigmoid" else (torch.tanh(raw) + 1) / 2
