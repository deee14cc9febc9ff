"""Frames as their patches and back, for the tests of this folder."""

from __future__ import annotations

from torch import Tensor


def cut_patches(frames: Tensor, patch: tuple[int, int]) -> Tensor:
    """Frames (B, C, H, W) as their patches (B * n, C, h, w), row by row."""
    (height, width), (h, w) = frames.shape[2:], patch
    split = frames.unflatten(3, (width // w, w)).unflatten(2, (height // h, h))
    return split.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def join_patches(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """The frames (B, C, H, W) that `cut_patches` took apart."""
    count = [side // part for side, part in zip(size, patches.shape[2:], strict=True)]
    split = patches.unflatten(0, (-1, *count)).permute(0, 3, 1, 4, 2, 5)
    return split.flatten(4, 5).flatten(2, 3)
