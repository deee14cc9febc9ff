"""Grids interpolated in time: the base encoding and the local encodings of every stage (section 3.2).

A grid of T entries represents N frames. Frame t is at the centre of its interval, so its position in the
grid is

    p = (t + 1/2) T / N - 1/2,

limited to [0, T - 1], and it is read by linear interpolation: (1 - a) g[k] + a g[k + 1], k = floor(p), a = p
- k. Level j of J has T_j = floor(T_0 / 2^j) entries of C_j = 2^j C_0 channels; levels are concatenated.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.hinerv.config import level_shapes
from baselines.hinerv.patches import Window

_INITIAL = 1e-3


def base_position(frame: Tensor, frames: int, length: int) -> Tensor:
    """Positions of frames (B,) in a base grid of `length` entries: (t + 1/2) * length / frames - 1/2.

    Computed in float32 and in the official order of operations, as for local grids: in long clips the
    rounding error of a position is a considerable part of the distance between entries.
    """
    return (frame.float() + 0.5) * (length / frames) - 0.5


def local_position(frame: Tensor, frames: int, length: int) -> Tensor:
    """The same positions for local grids, computed from coordinates in [-1, 1] as in the official code."""
    step = 2 / frames
    return ((-1 + step / 2 + frame.float() * step + 1) * length - 1) / 2


def read_in_time(grid: Tensor, position: Tensor) -> Tensor:
    """Grid (T, ...) at positions (B,): (B, ...), by linear interpolation; constant beyond both ends."""
    position = position.clamp(0, grid.shape[0] - 1)
    lower = position.floor()
    entries = torch.cat([lower, (lower + 1).clamp_(max=grid.shape[0] - 1)]).long()
    # One read for both entries, because the backward pass of each read fills a gradient of the whole grid.
    before, after = grid.index_select(0, entries).chunk(2)
    weight = (position - lower).to(grid.dtype).view(-1, *[1] * (grid.ndim - 1))
    return torch.lerp(before, after, weight)


def _grid(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.uniform_(torch.empty(shape), -_INITIAL, _INITIAL))


class BaseGrids(nn.Module):
    """Input of the network: J levels (T_j, h0 * w0, C_j), from which every frame gets one feature map.

    Args:
        length: T_0; None: one entry per frame.
        size: (h0, w0).
    """

    def __init__(
        self, *, length: int | None, channels: int, levels: int, size: tuple[int, int], frames: int
    ) -> None:
        super().__init__()
        self.size, self.frames = size, frames
        shapes = level_shapes(length or frames, channels, levels)
        self.levels = nn.ParameterList(_grid(time, size[0] * size[1], width) for time, width in shapes)
        self.channels = sum(width for _, width in shapes)

    def forward(self, frame: Tensor) -> Tensor:
        """(B,) to (B, h0, w0, C)."""
        read = [read_in_time(level, base_position(frame, self.frames, len(level))) for level in self.levels]
        return torch.cat(read, dim=2).unflatten(1, self.size)


class LocalEncoding(nn.Module):
    """Adds a feature to every pixel that depends on the frame and on the position within the coarser pixel.

    After an upsampling by s, a coarser pixel covers s x s pixels. J levels (T_j, s * s * c_j) hold a feature
    for each of these positions, row by row, and one linear layer maps all levels to the feature map's
    channels.
    """

    def __init__(self, channels_out: int, *, stride: int, channels: int, levels: int, frames: int) -> None:
        super().__init__()
        self.stride, self.frames = stride, frames
        shapes = level_shapes(frames, channels, levels)
        self.levels = nn.ParameterList(_grid(time, stride**2 * width) for time, width in shapes)
        self.linear = nn.Linear(sum(width for _, width in shapes), channels_out)
        nn.init.zeros_(self.linear.bias)

    def read(self, frame: Tensor) -> Tensor:
        """The features (B, s, s, channels_out) of frames (B,)."""
        shape = (self.stride, self.stride, -1)
        read = [
            read_in_time(level, local_position(frame, self.frames, len(level))).unflatten(1, shape)
            for level in self.levels
        ]
        return self.linear(torch.cat(read, dim=3))

    def forward(self, x: Tensor, frame: Tensor, window: Window | None = None) -> Tensor:
        """Add the features to (B, H, W, channels_out): whole frames, or a window of them."""
        features, stride = self.read(frame), self.stride
        if window is None:
            blocks = x.unflatten(2, (-1, stride)).unflatten(1, (-1, stride))
            return (blocks + features[:, None, :, None]).flatten(3, 4).flatten(1, 2)
        # All patches begin at a whole number of coarser pixels, so they have the same positions.
        rows, columns = window.rows[0] % stride, window.columns[0] % stride
        return window.zero_outside(x + features[:, rows][:, :, columns])
