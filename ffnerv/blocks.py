"""The upsampling blocks of the decoder: plain and compact (FFNeRV section 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.network.layers import ACTIVATIONS, NORMS
from ffnerv.config import COMPACT_GROUPS
from ffnerv.qat import quantise


class QuantConv2d(nn.Conv2d):
    """A same-padded convolution whose weight and bias are quantised in every forward pass."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        groups: int = 1,
        bias: bool = True,
        bits: int | None = None,
    ) -> None:
        super().__init__(channels_in, channels_out, kernel, padding=kernel // 2, groups=groups, bias=bias)
        self.bits = bits

    def quantised(self) -> tuple[Tensor, Tensor | None]:
        """The decoder's weight and bias; the bias is None if there is none."""
        bias = None if self.bias is None else quantise(self.bias, self.bits)
        return quantise(self.weight, self.bits), bias

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.quantised()
        return F.conv2d(x, weight, bias, padding=self.padding, groups=self.groups)


class QuantHead(QuantConv2d):
    """A pointwise convolution whose output channels are returned in two parts.

    In channels-last memory it is a matrix product, which one thread computes faster than a convolution. Both
    parts are contiguous.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, bias: bool = True, bits: int | None = None
    ) -> None:
        super().__init__(channels_in, channels_out, 1, bias=bias, bits=bits)

    def forward(self, x: Tensor, *, split: int) -> tuple[Tensor, Tensor]:
        """(B, C_in, h, w) to the output channels before `split` and from `split` on, each (B, C, h, w)."""
        weight, bias = self.quantised()
        weight, pixels = weight.flatten(1), x.permute(0, 2, 3, 1)
        parts = (slice(None, split), slice(split, None))
        first, second = (
            F.linear(pixels, weight[part], None if bias is None else bias[part]).permute(0, 3, 1, 2)
            for part in parts
        )
        return first, second


class UpsampleBlock(nn.Module):
    """Convolution to C_out * s^2 channels, pixel shuffle by s, normalisation, activation (section 3.3).

    `compact` replaces the 3x3 convolution by a grouped 3x3 and a pointwise convolution with nothing in
    between, unless the stride is 5. The official rule tests the stride, not the position of the stage.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        stride: int,
        compact: bool = False,
        activation: str = "gelu",
        norm: str = "none",
        bias: bool = True,
        bits: int | None = None,
    ) -> None:
        super().__init__()
        self.norm = NORMS[norm](channels_out)
        self.stride, self.activation = stride, ACTIVATIONS[activation]
        expanded = channels_out * stride**2
        grouped = compact and stride != 5
        groups = COMPACT_GROUPS if grouped else 1
        self.conv = QuantConv2d(channels_in, expanded, 3, groups=groups, bias=bias, bits=bits)
        self.pointwise = QuantConv2d(expanded, expanded, 1, bias=bias, bits=bits) if grouped else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, h, w) to (B, C_out, s*h, s*w)."""
        x = self.conv(x)
        if self.pointwise is not None:
            x = self.pointwise(x)
        return self.activation(self.norm(F.pixel_shuffle(x, self.stride)))
