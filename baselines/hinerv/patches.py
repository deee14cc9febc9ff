"""Patches with margins: the output of a whole frame, computed for a patch only (section 3.4).

A network of convolutions computes a patch exactly if it also computes the margin that its pixels depend on
(`HiNeRVConfig.margins`). Where a margin lies outside the frame, a whole frame has the zero padding of the
convolutions and the repeated edge of the upsampling. A `Window` sets both explicitly.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """Coordinates of a batch of patches with their margins, in the frame at one resolution.

    Attributes:
        rows, columns: coordinates (B, h) and (B, w), int64; those outside [0, size) are outside the frame.
        size: height and width of the frame at this resolution.
        margin: pixels around each patch.
    """

    rows: Tensor
    columns: Tensor
    size: tuple[int, int]
    margin: int

    @classmethod
    def around(cls, corners: Tensor, patch: tuple[int, int], *, margin: int, size: tuple[int, int]) -> Window:
        """The window of patches that begin at `corners` (B, 2), y and x at this resolution."""
        reach = [torch.arange(-margin, side + margin, device=corners.device) for side in patch]
        return cls(corners[:, :1] + reach[0], corners[:, 1:] + reach[1], size, margin)

    @functools.cached_property
    def mask(self) -> Tensor:
        """(B, h, w, 1): true inside the frame."""
        rows = (self.rows >= 0) & (self.rows < self.size[0])
        columns = (self.columns >= 0) & (self.columns < self.size[1])
        return (rows[:, :, None] & columns[:, None, :])[..., None]

    def zero_outside(self, x: Tensor) -> Tensor:
        """`x` (B, h, w, C) with zeros outside the frame."""
        return x * self.mask

    def cut(self, frames: Tensor) -> Tensor:
        """The window (B, h, w, C) of whole frames (B, H, W, C), with zeros outside."""
        return self.zero_outside(self._gather(frames, origin=(0, 0)))

    def centre(self, x: Tensor) -> Tensor:
        """The patches (B, h, w, C) of `x` without their margins."""
        height, width = x.shape[1:3]
        return x[:, self.margin : height - self.margin, self.margin : width - self.margin]

    def crop_upsampled(self, x: Tensor, stride: int, source: Window) -> Tensor:
        """This window's part of `x`, the upsampled contents of `source`; zeros outside the frame."""
        first = stride * source.margin - self.margin
        rows, columns = self.rows.shape[1], self.columns.shape[1]
        return self.zero_outside(x[:, first : first + rows, first : first + columns])

    def repeat_edge(self, x: Tensor) -> Tensor:
        """`x` (B, h, w, C) with every pixel outside the frame replaced by the nearest one inside."""
        return self._gather(x, origin=(self.rows[:, :1], self.columns[:, :1]))

    def _gather(self, x: Tensor, *, origin: tuple[Tensor | int, Tensor | int]) -> Tensor:
        """Pixels of `x`, whose first one is at `origin`, at the window's coordinates clamped to the frame."""
        rows = self.rows.clamp(0, self.size[0] - 1) - origin[0]
        columns = self.columns.clamp(0, self.size[1] - 1) - origin[1]
        batch = torch.arange(len(x), device=x.device)
        return x[batch[:, None, None], rows[:, :, None], columns[:, None, :]]


def pick_patches(frames: Tensor, index: Tensor, positions: Tensor, patch: tuple[int, int]) -> Tensor:
    """Patches (B, C, h, w) from anywhere in frames (N, C, H, W).

    Args:
        index: the frame of each patch (B,); positions: its row and column (B, 2), counted in patches.
    """
    (height, width), (h, w) = frames.shape[2:], patch
    split = frames.unflatten(3, (width // w, w)).unflatten(2, (height // h, h))
    return split[index, :, positions[:, 0], :, positions[:, 1]]


@functools.lru_cache(maxsize=8)
def patch_positions(size: tuple[int, int], patch: tuple[int, int], device: torch.device) -> Tensor:
    """Row and column (n, 2), counted in patches, of every patch of a frame of `size`, row by row."""
    axes = [torch.arange(side // part, device=device) for side, part in zip(size, patch, strict=True)]
    return torch.cartesian_prod(*axes)
