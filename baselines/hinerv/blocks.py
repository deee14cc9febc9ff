"""The decoder's layers, on channels-last feature maps (B, H, W, C) (section 3.3)."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from baselines.hinerv.config import KERNEL, StageShape
from baselines.hinerv.grids import LocalEncoding
from baselines.hinerv.patches import Window


def normalise(x: Tensor) -> Tensor:
    """Layer norm over the channels, without learned parameters."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


class Conv3x3(nn.Conv2d):
    """A same-padded convolution of channels-last maps."""

    def __init__(self, channels_in: int, channels_out: int, *, groups: int = 1, bias: bool = True) -> None:
        super().__init__(channels_in, channels_out, KERNEL, padding=KERNEL // 2, groups=groups, bias=bias)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        # Both permutations are views in channels-last memory.
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Upsample(nn.Module):
    """Bilinear upsampling by a whole factor in the half-pixel convention, with a repeated edge (section 3.2).

    Args:
        norm: whether to normalise before upsampling.
    """

    def __init__(self, stride: int, *, norm: bool) -> None:
        super().__init__()
        self.stride, self.norm = stride, norm

    def forward(self, x: Tensor, source: Window | None = None, window: Window | None = None) -> Tensor:
        """(B, h, w, C) to (B, s * h, s * w, C); for patches, from the window `source` to `window`."""
        if self.norm:
            x = normalise(x)
        if source is not None:
            x = source.repeat_edge(x)
        factor = float(self.stride)
        x = F.interpolate(x.permute(0, 3, 1, 2), scale_factor=factor, mode="bilinear").permute(0, 2, 3, 1)
        return x if source is None or window is None else window.crop_upsampled(x, self.stride, source)


class ConvNeXtBlock(nn.Module):
    """Depthwise 3x3 convolution, normalisation, two pointwise layers; residual if the width is unchanged."""

    def __init__(self, channels_in: int, hidden: int, channels_out: int) -> None:
        super().__init__()
        self.residual = channels_in == channels_out
        self.spatial = Conv3x3(channels_in, channels_in, groups=channels_in, bias=False)
        self.widen = nn.Linear(channels_in, hidden, bias=False)
        self.narrow = nn.Linear(hidden, channels_out, bias=False)

    def forward(self, x: Tensor, window: Window | None = None) -> Tensor:
        """(B, H, W, C_in) to (B, H, W, C_out)."""
        y = self.narrow(F.gelu(self.widen(normalise(self.spatial(x)))))
        if window is not None:
            y = window.zero_outside(y)
        return x + y if self.residual else y


class Stage(nn.Module):
    """Upsampling, local encoding, blocks."""

    def __init__(self, shape: StageShape, *, frames: int, local_levels: int, upsample_norm: bool) -> None:
        super().__init__()
        self.upsample = Upsample(shape.stride, norm=upsample_norm)
        self.encoding = LocalEncoding(
            shape.channels_in,
            stride=shape.stride,
            channels=shape.local_channels,
            levels=local_levels,
            frames=frames,
        )
        widths = [shape.channels_in, *[shape.channels_out] * shape.blocks]
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(before, shape.hidden, after) for before, after in pairwise(widths)
        )

    def forward(
        self, x: Tensor, frame: Tensor, source: Window | None = None, window: Window | None = None
    ) -> Tensor:
        """(B, h, w, C_in) to (B, s * h, s * w, C_out) for frames (B,); windows for patches."""
        x = self.encoding(self.upsample(x, source, window), frame, window)
        for block in self.blocks:
            x = block(x, window)
        return x
