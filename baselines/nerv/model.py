"""The NeRV network: positional encoding, MLP stem, upsampling stages, RGB heads (section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.layers import (
    ACTIVATIONS,
    NORMS,
    DecoderConfig,
    check_choice,
    check_encoding,
    positional_encoding,
    rgb_head,
)

UPSAMPLINGS = ("conv", "deconv", "bilinear")


@dataclass(frozen=True, kw_only=True)
class NeRVConfig(DecoderConfig):
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        frequency_base, frequencies: b and L of the positional encoding (`1.25_40` in the paper's code).
        stem_width, stem_layers: the hidden layers of the MLP (`512_1`).
        upsampling: `conv` (to s^2 times the channels, then pixel shuffle: all published results),
            `deconv` (transposed, kernel and stride s) or `bilinear` (then a 2s+1 convolution).
        norm: after the upsampling, `none` (published), `in` or `bn`.
        multi_resolution: a head on every stage, not only on the last (`--single_res` left out).
    """

    frequency_base: float = 1.25
    frequencies: int = 40
    stem_width: int = 512
    stem_layers: int = 1
    activation: str = "swish"
    upsampling: str = "conv"
    norm: str = "none"
    multi_resolution: bool = False

    def __post_init__(self) -> None:
        check_choice("upsampling", self.upsampling, UPSAMPLINGS)
        check_choice("norm", self.norm, NORMS)
        check_encoding("frequencies", self.frequency_base, self.frequencies)


class UpsampleBlock(nn.Module):
    """(B, C_in, h, w) to (B, C_out, s*h, s*w): upsampling, normalisation, activation (section 3.2)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, config: NeRVConfig) -> None:
        super().__init__()
        self.stride, self.upsampling = stride, config.upsampling
        self.activation = ACTIVATIONS[config.activation]
        self.norm = NORMS[config.norm](channels_out)
        self.conv: nn.Conv2d | nn.ConvTranspose2d
        if config.upsampling == "deconv":
            self.conv = nn.ConvTranspose2d(channels_in, channels_out, stride, stride)
        elif config.upsampling == "bilinear":
            self.conv = nn.Conv2d(channels_in, channels_out, 2 * stride + 1, padding=stride)
        else:
            self.conv = nn.Conv2d(channels_in, channels_out * stride**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if self.upsampling == "bilinear":
            x = F.interpolate(x, scale_factor=float(self.stride), mode="bilinear", align_corners=True)
        x = self.conv(x)
        if self.upsampling == "conv":
            x = F.pixel_shuffle(x, self.stride)
        return self.activation(self.norm(x))


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
        self.stages = nn.ModuleList(UpsampleBlock(*stage, config) for stage in config.stages)
        widths = config.widths if config.multi_resolution else config.widths[-1:]
        self.heads = nn.ModuleList(nn.Conv2d(width, 3, 1) for width in widths)

    def forward(self, time: Tensor) -> Tensor:
        """The frames at full resolution."""
        return self.pyramid(time, last_only=True)[-1]

    def pyramid(self, time: Tensor, *, last_only: bool = False) -> list[Tensor]:
        """What every head says, from coarse to fine: (B, 3, h_i, w_i) each."""
        config = self.config
        x = positional_encoding(time, config.frequency_base, config.frequencies)
        for layer in self.stem:
            x = self.activation(layer(x))
        x = x.view(-1, config.channels, *config.base).contiguous(memory_format=torch.channels_last)
        images = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            head = index - len(self.stages) + len(self.heads)
            if head >= 0 and (head == len(self.heads) - 1 or not last_only):
                images.append(rgb_head(self.heads[head](x), config.head))
        return images
