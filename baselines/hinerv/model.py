"""The HiNeRV network: base grids, stem, stages, RGB head (sections 3.1 to 3.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from baselines.hinerv.blocks import Conv3x3, Stage
from baselines.hinerv.config import HiNeRVConfig
from baselines.hinerv.grids import BaseGrids
from baselines.hinerv.patches import Window


class HiNeRV(nn.Module):
    """Maps frame numbers (B,), int64, to frames or patches of them (B, 3, H, W), RGB in [0, 1].

    Args:
        frames: N, the frames of the clip; the positions in the grids are relative to it.
    """

    def __init__(self, config: HiNeRVConfig, *, frames: int) -> None:
        super().__init__()
        self.config, self.frames = config, frames
        self.base = BaseGrids(
            length=config.base_length,
            channels=config.base_channels,
            levels=config.base_levels,
            size=config.base,
            frames=frames,
        )
        self.stem = Conv3x3(self.base.channels, config.channels)
        shapes = config.stages
        self.stages = nn.ModuleList(
            Stage(shape, frames=frames, local_levels=config.local_levels, upsample_norm=config.upsample_norm)
            for shape in shapes
        )
        self.head = nn.Linear(shapes[-1].channels_out, 3)
        nn.init.zeros_(self.head.bias)

    def forward(self, frame: Tensor, patch: Tensor | None = None) -> Tensor:
        """Whole frames, or one patch of each frame.

        Args:
            frame: frame numbers (B,).
            patch: row and column (B, 2) of a patch of `config.patch` pixels; None: the whole frame.
        """
        if patch is None:
            x = self.stem(self.base(frame))
            for stage in self.stages:
                x = stage(x, frame)
        else:
            source, *windows = self.windows(patch)
            x = source.zero_outside(self.stem(source.cut(self.base(frame))))
            for stage, window in zip(self.stages, windows, strict=True):
                x = stage(x, frame, source, window)
                source = window
            x = source.centre(x)
        return torch.sigmoid(self.head(x)).permute(0, 3, 1, 2)

    def windows(self, patch: Tensor) -> list[Window]:
        """Windows of patches (B, 2) at the stem's input and at the output of each stage."""
        config = self.config
        assert config.patch is not None
        size, scale = config.base, math.prod(config.strides)
        shape = config.patch[0] // scale, config.patch[1] // scale
        windows = []
        for stride, margin in zip((1, *config.strides), config.margins, strict=True):
            size, shape = (size[0] * stride, size[1] * stride), (shape[0] * stride, shape[1] * stride)
            corners = torch.stack([patch[:, 0] * shape[0], patch[:, 1] * shape[1]], dim=1)
            windows.append(Window.around(corners, shape, margin=margin, size=size))
        return windows
