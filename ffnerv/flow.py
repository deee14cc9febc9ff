"""Flow-guided frame aggregation (FFNeRV section 3.1) and its buffer of key frames."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ffnerv.config import FLOW_SCALE
from ffnerv.model import Heads


@dataclass(frozen=True)
class Aggregation:
    """The frames of one forward, each (B, 3, H, W), and what mixed them.

    Attributes:
        independent: the image head's frame.
        aggregated: the neighbours, warped and mixed by `neighbour_weights` (B, A, H/4, W/4).
        final: (1 - blend) * independent + blend * aggregated.
        flows: (B, A, 2, H, W) displacements in output pixels, x then y.
        blend: (B, 1, H, W) in [0, 1], the aggregated frame's share.
    """

    independent: Tensor
    aggregated: Tensor
    final: Tensor
    flows: Tensor
    neighbour_weights: Tensor
    blend: Tensor


@functools.lru_cache(maxsize=8)
def _on_device(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Copied to the device once: a copy in every step would make the host wait for it."""
    return torch.tensor(numbers, device=device)


def neighbour_slots(index: Tensor, offsets: Sequence[int], frames: int, *, clamp: bool = False) -> Tensor:
    """Buffer slots (B, A) of the neighbours of frames (B,); slot `frames` is the black frame.

    Neighbours beyond the ends are black and stay in the softmax (official) unless `clamp`.
    """
    slots = index[:, None] + _on_device(tuple(offsets), index.device)
    if clamp:
        return slots.clamp(0, frames - 1)
    return torch.where((slots < 0) | (slots >= frames), frames, slots)


@functools.lru_cache(maxsize=8)
def _pixels(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates (H, W, 2) of all pixels, x then y, and half the spans (W - 1, H - 1)."""
    x, y = (torch.arange(n, device=device, dtype=torch.float32) for n in (width, height))
    coordinates = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    return coordinates, torch.tensor([(width - 1) / 2, (height - 1) / 2], device=device)


def warp(frames: Tensor, flows: Tensor, *, exact: bool = False) -> Tensor:
    """Backward-warp (M, 3, H, W) by flows (M, 2, H, W) in output pixels, bilinear, border-padded.

    Output pixel (x, y) reads (x + u, y + v) if `exact`. Otherwise, as the official code has it, it
    reads (x + u) * W / (W - 1) - 1/2 (and likewise y): align-corners coordinates sampled with the
    half-pixel convention.
    """
    height, width = frames.shape[-2:]
    coordinates, half = _pixels(height, width, frames.device)
    # The official order of operations: a bilinear read has kinks at whole pixels, so that one
    # rounding more or less can change a gradient.
    positions = (flows.permute(0, 2, 3, 1) + coordinates).div_(half).sub_(1)
    return F.grid_sample(frames, positions, padding_mode="border", align_corners=exact)


def upsample_flows(flows: Tensor) -> Tensor:
    """(B, 2A, h, w) in flow-map pixels to (B * A, 2, H, W) in output pixels."""
    # Each neighbour's flow as an image of its own, as the official code has it: torch then rounds alike.
    flows = flows.unflatten(1, (-1, 2)).flatten(0, 1).contiguous()
    scaled = F.interpolate(flows, scale_factor=float(FLOW_SCALE), mode="bilinear", align_corners=False)
    return FLOW_SCALE * scaled


def aggregate(heads: Heads, neighbours: Tensor, *, exact: bool = False) -> Aggregation:
    """Mix the warped neighbours, then blend them with the independent frame.

    Args:
        heads: of the frames (B).
        neighbours: (B, A, 3, H, W) float32, the neighbours' independent frames (no gradient).
    """
    assert heads.flows is not None
    assert heads.neighbour_logits is not None
    flows = upsample_flows(heads.flows)
    warped = warp(neighbours.flatten(0, 1), flows, exact=exact).view_as(neighbours)
    # The logits are upsampled by nearest neighbour, so the softmax can be taken before.
    weights = torch.softmax(heads.neighbour_logits, dim=1)
    upsampled = F.interpolate(weights, scale_factor=float(FLOW_SCALE), mode="nearest")
    aggregated = (warped * upsampled[:, :, None]).sum(1)
    # A softmax over two logits.
    blend = torch.sigmoid(heads.blend_logits[:, 1:] - heads.blend_logits[:, :1])
    independent = heads.independent.to(aggregated.dtype)  # a network in bfloat16 is blended in float32
    final = torch.lerp(independent, aggregated, blend.to(aggregated.dtype))
    return Aggregation(
        independent,
        aggregated,
        final,
        flows.view(*neighbours.shape[:2], *flows.shape[1:]),
        weights,
        blend,
    )


class KeyFrames:
    """The buffer of independent frames that neighbours are read from: float16, black in the last slot."""

    def __init__(self, frames: int, height: int, width: int, *, device: torch.device | str) -> None:
        self.count = frames
        self.data = torch.zeros(frames + 1, 3, height, width, dtype=torch.float16, device=device)

    def write(self, slots: Tensor, frames: Tensor) -> None:
        """Store (B, 3, H, W) in slots (B,), detached."""
        self.data.index_copy_(0, slots, frames.detach().to(torch.float16))

    def read(self, slots: Tensor) -> Tensor:
        """(B, A, 3, H, W) float32 for slots (B, A)."""
        picked = self.data.index_select(0, slots.flatten())
        return picked.to(torch.float32).view(*slots.shape, *self.data.shape[1:])
