"""Layers that the networks of the NeRV family share: activations, upsampling, encoding of time, RGB head."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]

#: Name -> activation function, for every name in `decoder_config.ACTIVATION_NAMES`. `gelu` is the exact
#: form x * Phi(x), not the tanh approximation. E-NeRV's code calls `sin30` "sin".
ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "leaky": F.leaky_relu,
    "leaky01": lambda x: F.leaky_relu(x, 0.1),
    "relu6": F.relu6,
    "gelu": F.gelu,
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
    return nn.Sequential(
        nn.Conv2d(before, after * stride**2, 3, padding=1, bias=bias), nn.PixelShuffle(stride)
    )


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
