"""Latents of FFNeRV's decoder: multi-resolution temporal grids (FFNeRV section 3.2), or an MLP of the time.

Grid l has T_l entries of C/L channels. A frame at the time t = i / N reads it at the position p = t T_l by
linear interpolation of the entries floor(p) and floor(p) + 1; the latent is the concatenation over the L
grids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.network.layers import Activation, positional_encoding
from ffnerv.qat import quantise


class TemporalGrids(nn.Module):
    """L grids of shape (T_l, C/L, h, w), interpolated linearly in time.

    Args:
        lengths: temporal resolutions T_1, ..., T_L.
        channels: C, channels of the concatenated latent; a multiple of L.
        height, width: h and w of the latent.
        bits: quantise the entries that are read to this many bits; None: floats.
        spread: spread the entries over the whole clip instead of holding the last one (see `forward`).
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        channels: int,
        height: int,
        width: int,
        bits: int | None = None,
        spread: bool = False,
    ) -> None:
        super().__init__()
        if channels % len(lengths):
            raise ValueError(
                f"channels: {channels} must be a multiple of {len(lengths)}, the number of grids"
            )
        self.bits, self.spread = bits, spread
        self.levels = nn.ParameterList(
            nn.Parameter(torch.empty(length, channels // len(lengths), height, width)) for length in lengths
        )
        for level in self.levels:
            bound = math.sqrt(6 / ((level.shape[0] + level.shape[1]) * height * width))
            nn.init.uniform_(level, -bound, bound)  # Xavier-uniform on the 4-D tensor, as published

    def forward(self, time: Tensor) -> Tensor:
        """Latents (B, C, h, w) at times (B,), float32 in [0, 1).

        Frame i of N has the position i * T / N. All frames in the cell of the last entry share this entry's
        latent. With `spread` the position is i * (T - 1) / N, and no two frames share a latent. The order of
        operations is the official one, so that results agree to the last bit.
        """
        return torch.cat([self._read(level, time) for level in self.levels], dim=1)

    def _read(self, level: Tensor, time: Tensor) -> Tensor:
        last = level.shape[0] - 1
        position = time * (last if self.spread else level.shape[0])
        lower = torch.floor(position + 1e-6).clamp_(0, last)
        upper = (lower + 1).clamp_(max=last)
        # Quantise only the two entries per frame that are read, not the whole grid.
        before = quantise(level.index_select(0, lower.long()), self.bits)
        after = quantise(level.index_select(0, upper.long()), self.bits)
        column = (-1, 1, 1, 1)
        return (
            (upper - position).view(column) * before
            + (position - lower).view(column) * after
            - (upper - lower - 1).view(column) * before
        )


class PositionalLatent(nn.Module):
    """NeRV's input instead of grids, for comparison: positional encoding and one hidden layer.

    Args:
        hidden: width of the hidden layer; frequencies: L of the encoding, whose base is 1.25.
        channels, height, width: of the latent, as in `TemporalGrids`.
    """

    BASE = 1.25

    def __init__(
        self,
        *,
        hidden: int,
        frequencies: int,
        channels: int,
        height: int,
        width: int,
        activation: Activation,
        bits: int | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.frequencies = (channels, height, width), frequencies
        self.activation, self.bits = activation, bits
        self.layers = nn.ModuleList(
            [nn.Linear(2 * frequencies, hidden), nn.Linear(hidden, channels * height * width)]
        )

    def forward(self, time: Tensor) -> Tensor:
        """Latent of shape (B, C, h, w) at times (B,), float32 in [0, 1)."""
        x = positional_encoding(time, self.BASE, self.frequencies)
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            weight, bias = (quantise(parameter, self.bits) for parameter in (layer.weight, layer.bias))
            x = self.activation(F.linear(x, weight, bias))
        return x.unflatten(1, self.shape).contiguous(memory_format=torch.channels_last)
