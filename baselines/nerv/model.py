"""The NeRV network: positional encoding, MLP stem, upsampling stages, RGB heads (section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nerv.config import NeRVConfig
from bench.inr.network.decoder_config import encoding_width
from bench.inr.network.layers import ACTIVATIONS, NORMS, positional_encoding, rgb_head, upsampling


class UpsampleBlock(nn.Module):
    """(B, C_in, h, w) to (B, C_out, s*h, s*w): upsampling, normalisation, activation (section 3.2)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, config: NeRVConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.norm = NORMS[config.norm](channels_out)
        self.conv = upsampling(channels_in, channels_out, stride, kind=config.upsampling, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class NeRV(nn.Module):
    """Maps times (B,), float32 in [0, 1), to frames (B, 3, H, W) in [0, 1]."""

    def __init__(self, config: NeRVConfig) -> None:
        super().__init__()
        self.config = config
        self.activation = ACTIVATIONS[config.activation]
        hidden = [encoding_width(config.frequencies)] + [config.stem_width] * config.stem_layers
        latent = config.base[0] * config.base[1] * config.channels
        self.stem = nn.ModuleList(
            nn.Linear(before, after) for before, after in zip(hidden, [*hidden[1:], latent], strict=True)
        )
        self.stages = nn.ModuleList(UpsampleBlock(*stage, config) for stage in config.stages)
        widths = config.widths if config.multi_resolution else config.widths[-1:]
        self.heads = nn.ModuleList(nn.Conv2d(width, 3, 1, bias=config.bias) for width in widths)

    def forward(self, time: Tensor) -> Tensor:
        """The frames at full resolution."""
        return self.images(time)[-1]

    def images(self, time: Tensor) -> list[Tensor]:
        """The images of all heads, each (B, 3, h, w), from the coarsest to the full frame."""
        config = self.config
        x = positional_encoding(time, config.frequency_base, config.frequencies)
        for layer in self.stem:
            x = self.activation(layer(x))
        x = x.view(-1, config.channels, *config.base).contiguous(memory_format=torch.channels_last)
        headless, images = len(self.stages) - len(self.heads), []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index >= headless:
                images.append(rgb_head(self.heads[index - headless](x), config.head))
        return images
