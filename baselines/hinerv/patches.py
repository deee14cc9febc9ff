"""Patches with margins: the same function as on whole frames, computed where it is needed (section 3.4).

A network of convolutions gives a patch exactly if it also computes the pixels around it that reach
it. Where these lie beyond the frame, a whole frame has the convolutions' zero padding and the
upsampling's repeated edge; a window keeps both apart from what the arithmetic would put there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """What a batch of patches, each with its margin, has of the frame at one resolution.

    Attributes:
        rows, columns: coordinates (B, h) and (B, w), int64, some of them beyond the frame.
        size: height and width of the frame at this resolution.
        margin: pixels around each patch.
    """

    rows: Tensor
    columns: Tensor
    size: tuple[int, int]
    margin: int

    @classmethod
    def around(cls, corners: Tensor, patch: tuple[int, int], *, margin: int, size: tuple[int, int]) -> Window:
        """Patches that begin at `corners` (B, 2), y and x at this resolution, and `margin` around them."""
        reach = [torch.arange(-margin, side + margin, device=corners.device) for side in patch]
        return cls(corners[:, :1] + reach[0], corners[:, 1:] + reach[1], size, margin)

    @functools.cached_property
    def mask(self) -> Tensor:
        """(B, h, w, 1): true within the frame."""
        rows = (self.rows >= 0) & (self.rows < self.size[0])
        columns = (self.columns >= 0) & (self.columns < self.size[1])
        return (rows[:, :, None] & columns[:, None, :])[..., None]

    def inside(self, x: Tensor) -> Tensor:
        """`x` (B, h, w, C) with zeros beyond the frame."""
        return x * self.mask

    def cut(self, frames: Tensor) -> Tensor:
        """The window's part (B, h, w, C) of whole frames (B, H, W, C), zeros beyond them."""
        return self.inside(self._gather(frames, origin=(0, 0)))

    def centre(self, x: Tensor) -> Tensor:
        """The patches (B, h, w, C) without their margins."""
        height, width = x.shape[1:3]
        return x[:, self.margin : height - self.margin, self.margin : width - self.margin]

    def enlarged(self, x: Tensor, stride: int, source: Window) -> Tensor:
        """The window's part of what `source` has, after it was upsampled; zeros beyond the frame."""
        first = stride * source.margin - self.margin
        return self.inside(x[:, first : first + self.rows.shape[1], first : first + self.columns.shape[1]])

    def repeat_edge(self, x: Tensor) -> Tensor:
        """`x` (B, h, w, C) with what lies beyond the frame replaced by the frame's nearest pixel."""
        return self._gather(x, origin=(self.rows[:, :1], self.columns[:, :1]))

    def _gather(self, x: Tensor, *, origin: tuple[Tensor | int, Tensor | int]) -> Tensor:
        """Pixels of `x`, whose first one is at `origin`, at the window's coordinates held to the frame."""
        rows = self.rows.clamp(0, self.size[0] - 1) - origin[0]
        columns = self.columns.clamp(0, self.size[1] - 1) - origin[1]
        batch = torch.arange(len(x), device=x.device)
        return x[batch[:, None, None], rows[:, :, None], columns[:, None, :]]


def cut_patches(frames: Tensor, patch: tuple[int, int]) -> Tensor:
    """Frames (B, C, H, W) as their patches (B * n, C, h, w), row by row."""
    (height, width), (h, w) = frames.shape[2:], patch
    split = frames.unflatten(3, (width // w, w)).unflatten(2, (height // h, h))
    return split.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def pick_patches(frames: Tensor, index: Tensor, numbers: Tensor, patch: tuple[int, int]) -> Tensor:
    """Patches (B, C, h, w) from anywhere in frames (N, C, H, W).

    Args:
        index: the frame of each (B,); numbers: its row and column (B, 2).
    """
    (height, width), (h, w) = frames.shape[2:], patch
    split = frames.unflatten(3, (width // w, w)).unflatten(2, (height // h, h))
    return split[index, :, numbers[:, 0], :, numbers[:, 1]]


def join_patches(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """The frames (B, C, H, W) that `cut_patches` took apart."""
    count = [side // part for side, part in zip(size, patches.shape[2:], strict=True)]
    split = patches.unflatten(0, (-1, *count)).permute(0, 3, 1, 4, 2, 5)
    return split.flatten(4, 5).flatten(2, 3)


def patch_numbers(size: tuple[int, int], patch: tuple[int, int], device: torch.device) -> Tensor:
    """Row and column (n, 2) of every patch of a frame, in the order of `cut_patches`."""
    axes = [torch.arange(side // part, device=device) for side, part in zip(size, patch, strict=True)]
    return torch.cartesian_prod(*axes)
