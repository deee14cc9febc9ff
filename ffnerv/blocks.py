"""The upsampling blocks of the decoder: plain and compact (FFNeRV section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.network.layers import ACTIVATIONS, NORMS, shuffled_convolution
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


class _SplitLinear(torch.autograd.Function):
    """Two linear layers of the same pixels (B, h, w, C_in), whose gradients are those of one layer."""

    @staticmethod
    def forward(
        ctx, pixels: Tensor, weight: Tensor, bias: Tensor | None, split: int
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(pixels, weight)
        ctx.biased = bias is not None
        parts = (slice(None, split), slice(split, None))
        first, second = (
            F.linear(pixels, weight[part], None if bias is None else bias[part]) for part in parts
        )
        return first, second

    @staticmethod
    def backward(ctx, by_first: Tensor, by_second: Tensor) -> tuple[Tensor | None, ...]:
        pixels, weight = ctx.saved_tensors
        # The forward pass may have computed in bfloat16.
        grad = torch.cat([by_first, by_second], dim=-1).flatten(0, -2).to(weight.dtype)
        by_weight = grad.t() @ pixels.flatten(0, -2).to(weight.dtype)
        by_pixels = (grad @ weight).view_as(pixels).to(pixels.dtype)
        return by_pixels, by_weight, grad.sum(0) if ctx.biased else None, None


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
        first, second = _SplitLinear.apply(x.permute(0, 2, 3, 1), weight.flatten(1), bias, split)
        return first.permute(0, 3, 1, 2), second.permute(0, 3, 1, 2)


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
        if self.pointwise is None:
            x = shuffled_convolution(x, *self.conv.quantised(), padding=1, stride=self.stride)
        else:
            x = F.pixel_shuffle(self.pointwise(self.conv(x)), self.stride)
        return self.activation(self.norm(x))
