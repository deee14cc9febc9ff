"""The NeRV network: positional encoding, MLP stem, upsampling stages, RGB head (section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.layers import ACTIVATIONS, DecoderConfig, rgb_head


@dataclass(frozen=True, kw_only=True)
class NeRVConfig(DecoderConfig):
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        frequency_base, frequencies: b and L of the positional encoding (`1.25_40` in the paper's code).
        stem_width, stem_layers: the hidden layers of the MLP (`512_1`).
    """

    frequency_base: float = 1.25
    frequencies: int = 40
    stem_width: int = 512
    stem_layers: int = 1
    activation: str = "swish"


def positional_encoding(time: Tensor, base: float, count: int) -> Tensor:
    """[sin p_0, cos p_0, sin p_1, ...] with p_k = t * base^k * pi, (B,) to (B, 2 * count).

    base^k is taken in double and rounded when multiplied, as the official code does.
    """
    phases = torch.stack([time * base**k * math.pi for k in range(count)], dim=1)
    return torch.stack([phases.sin(), phases.cos()], dim=2).flatten(1)


class NeRV(nn.Module):
    """Maps times (B,), float32 in [0, 1), to frames (B, 3, H, W) in [0, 1]."""

    def __init__(self, config: NeRVConfig) -> None:
        super().__init__()
        self.config = config
        self.activation = ACTIVATIONS[config.activation]
        hidden = [2 * config.frequencies] + [config.stem_width] * config.stem_layers
        latent = config.base[0] * config.base[1] * config.channels
        self.stem = nn.ModuleList(
            nn.Linear(before, after) for before, after in zip(hidden, [*hidden[1:], latent], strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after * stride**2, 3, padding=1) for before, after, stride in config.stages
        )
        self.head = nn.Conv2d(config.widths[-1], 3, 1)

    def forward(self, time: Tensor) -> Tensor:
        config = self.config
        x = positional_encoding(time, config.frequency_base, config.frequencies)
        for layer in self.stem:
            x = self.activation(layer(x))
        x = x.view(-1, config.channels, *config.base).contiguous(memory_format=torch.channels_last)
        for conv, stride in zip(self.stages, config.strides, strict=True):
            x = self.activation(F.pixel_shuffle(conv(x), stride))
        return rgb_head(self.head(x), config.head)
