"""HNeRV's encoder: ConvNeXt stages that compute a frame's embedding (section 3.1). Only fits use it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.hnerv.config import HNeRVConfig

_EPSILON = 1e-6
#: Initial value of a block's channel scale.
_FIRST_SCALE = 1e-6


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """x + scale * MLP(norm(depthwise 7x7(x))), channels kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.widen = nn.Linear(channels, 4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), _FIRST_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(F.gelu(self.widen(y)))
        return x + y.permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """Maps frames (B, 3, H, W) in [0, 1] to embeddings (B, C, h, w); the strides divide the frame."""

    def __init__(self, config: HNeRVConfig) -> None:
        super().__init__()
        inner = [config.encoder_width] * (len(config.encoder_strides) - 1)
        widths = [3, *inner, config.embedding_channels]
        self.downsamplers = nn.ModuleList()
        self.stages = nn.ModuleList()
        for i, stride in enumerate(config.encoder_strides):
            before, after = widths[i : i + 2]
            conv = nn.Conv2d(before, after, stride, stride=stride)
            # RGB is not normalised: the first stage normalises after its convolution, the others before.
            parts = (ChannelNorm(before), conv) if i else (conv, ChannelNorm(after))
            self.downsamplers.append(nn.Sequential(*parts))
            self.stages.append(nn.Sequential(*(ConvNeXtBlock(after) for _ in range(config.encoder_blocks))))
        self.apply(_initialise)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.contiguous(memory_format=torch.channels_last)
        for downsample, stage in zip(self.downsamplers, self.stages, strict=True):
            x = stage(downsample(x))
        return x


def _initialise(module: nn.Module) -> None:
    """Truncated normal weights, no bias."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
