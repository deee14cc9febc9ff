"""Layers that the NeRV family shares: activations, the shrinking widths, the output head."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Callable[[Tensor], Tensor]

#: Names as the official command lines spell them; `gelu` is the exact erf form.
ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "leaky": F.leaky_relu,
    "leaky01": lambda x: F.leaky_relu(x, 0.1),
    "relu6": F.relu6,
    "gelu": F.gelu,
    "swish": F.silu,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
}


def stage_widths(
    channels: int, *, strides: Sequence[int], expansion: float, reduction: int, lower_width: int
) -> list[int]:
    """Output channels of every upsampling stage (NeRV section 3; the same rule in FFNeRV).

    The first stage multiplies by `expansion` (truncated); every later one divides by `reduction`
    unless its stride is 1. `lower_width` is a floor that can also raise the width.
    """
    widths = [int(channels * expansion)]
    for stride in strides[1:]:
        widths.append(max(widths[-1] // (1 if stride == 1 else reduction), lower_width))
    return widths


def rgb_head(raw: Tensor, kind: str) -> Tensor:
    """Map an unbounded (B, 3, H, W) to RGB in [0, 1]: `tanh` (the papers' default) or `sigmoid`."""
    return torch.sigmoid(raw) if kind == "sigmoid" else (torch.tanh(raw) + 1) / 2


def padded_base(height: int, width: int, strides: Sequence[int]) -> tuple[int, int]:
    """The smallest latent (h0, w0) whose upsampling by `strides` covers height x width."""
    scale = math.prod(strides)
    return -(-height // scale), -(-width // scale)


def peak_channels(widths: Sequence[int], strides: Sequence[int]) -> float:
    """Floats per output pixel in the largest stage's output: what bounds a decoder's memory."""
    return max(width / math.prod(strides[i + 1 :]) ** 2 for i, width in enumerate(widths))
