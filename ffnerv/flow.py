"""Flow-guided frame aggregation (FFNeRV section 3.1) and its buffer of key frames.

The network outputs, for frame t, an independent frame I_t, and for each neighbour at the offset d a flow F_d
and a weight map w_d, with sum_d w_d = 1 at every pixel (softmax). The neighbours' independent frames are
warped to frame t and averaged, and the result is blended with the independent frame by a map b in [0, 1]:

    A_t = sum_d w_d * warp(I_{t+d}, F_d),        final_t = (1 - b) * I_t + b * A_t.

Flows and weights have a quarter of the frame's resolution in each direction. Neighbours are read from a
float16 buffer of the independent frames of all frames (`KeyFrames`), through which no gradient flows.
"""

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
    """The frames of one forward pass, each (B, 3, H, W) in [0, 1], and their flows and weights.

    Attributes:
        independent: I_t, the image head's frame.
        aggregated: A_t, the weighted mean of the warped neighbours.
        final: (1 - blend) * independent + blend * aggregated.
        flows: (B, A, 2, H, W), displacements in output pixels, x then y.
        neighbour_weights: w_d (B, A, H/4, W/4), whose sum over the neighbours is 1.
        blend: b (B, 1, H, W) in [0, 1], the weight of the aggregated frame.
    """

    independent: Tensor
    aggregated: Tensor
    final: Tensor
    flows: Tensor
    neighbour_weights: Tensor
    blend: Tensor


@functools.lru_cache(maxsize=8)
def _on_device(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers as a tensor. Cached, because a copy to the device in every step would block the host."""
    return torch.tensor(numbers, device=device)


def neighbour_slots(index: Tensor, offsets: Sequence[int], frames: int, *, clamp: bool = False) -> Tensor:
    """Buffer slots (B, A) of the neighbours of frames (B,); slot `frames` is a black frame.

    A neighbour outside the clip is the black frame, and its weight stays in the softmax (official), or the
    first or last frame with `clamp`.
    """
    slots = index[:, None] + _on_device(tuple(offsets), index.device)
    if clamp:
        return slots.clamp(0, frames - 1)
    return torch.where((slots < 0) | (slots >= frames), frames, slots)


@functools.lru_cache(maxsize=8)
def _pixels(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates (H, W, 2) of all pixels, x then y, and ((W - 1) / 2, (H - 1) / 2)."""
    x, y = (torch.arange(n, device=device, dtype=torch.float32) for n in (width, height))
    coordinates = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    return coordinates, torch.tensor([(width - 1) / 2, (height - 1) / 2], device=device)


def warp(frames: Tensor, flows: Tensor, *, exact: bool = False) -> Tensor:
    """Backward-warp frames (M, 3, H, W) by flows (M, 2, H, W) in output pixels: bilinear, border padding.

    With `exact`, output pixel (x, y) samples (x + u, y + v). Otherwise it samples (x + u) * W / (W - 1) - 1/2
    (and likewise in y), as in the official code, which computes coordinates for `align_corners=True` and
    samples with `align_corners=False`.
    """
    height, width = frames.shape[-2:]
    coordinates, half = _pixels(height, width, frames.device)
    # The official order of operations: bilinear interpolation has kinks at whole pixels, where one rounding
    # error can change a gradient.
    positions = (flows.permute(0, 2, 3, 1) + coordinates).div_(half).sub_(1)
    return F.grid_sample(frames, positions, padding_mode="border", align_corners=exact)


def upsample_flows(flows: Tensor) -> Tensor:
    """(B, 2A, h, w) in flow-map pixels to (B * A, 2, H, W) in output pixels."""
    # Each neighbour's flow is an image of its own, as in the official code, so that torch rounds the same.
    flows = flows.unflatten(1, (-1, 2)).flatten(0, 1).contiguous()
    scaled = F.interpolate(flows, scale_factor=float(FLOW_SCALE), mode="bilinear", align_corners=False)
    return FLOW_SCALE * scaled


def aggregate(heads: Heads, neighbours: Tensor, *, exact: bool = False) -> Aggregation:
    """Aggregate the warped neighbours of frames (B,), and blend them with the independent frames.

    Args:
        heads: outputs of the network for these frames.
        neighbours: (B, A, 3, H, W) float32, independent frames of the neighbours, without gradient.
    """
    assert heads.flows is not None
    assert heads.neighbour_logits is not None
    flows = upsample_flows(heads.flows)
    warped = warp(neighbours.flatten(0, 1), flows, exact=exact).view_as(neighbours)
    # Nearest-neighbour upsampling commutes with the softmax, which is cheaper at the low resolution.
    weights = torch.softmax(heads.neighbour_logits, dim=1)
    upsampled = F.interpolate(weights, scale_factor=float(FLOW_SCALE), mode="nearest")
    aggregated = (warped * upsampled[:, :, None]).sum(1)
    # The softmax over two logits is a sigmoid of their difference.
    blend = torch.sigmoid(heads.blend_logits[:, 1:] - heads.blend_logits[:, :1])
    independent = heads.independent.to(aggregated.dtype)  # float32 even if the network ran in bfloat16
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
    """Buffer of independent frames (N + 1, 3, H, W), float16; the last slot stays black."""

    def __init__(self, frames: int, height: int, width: int, *, device: torch.device | str) -> None:
        self.count = frames
        self.data = torch.zeros(frames + 1, 3, height, width, dtype=torch.float16, device=device)

    def write(self, slots: Tensor, frames: Tensor) -> None:
        """Store frames (B, 3, H, W), detached, in slots (B,)."""
        self.data.index_copy_(0, slots, frames.detach().to(torch.float16))

    def read(self, slots: Tensor) -> Tensor:
        """Frames (B, A, 3, H, W), float32, of slots (B, A)."""
        picked = self.data.index_select(0, slots.flatten())
        return picked.to(torch.float32).view(*slots.shape, *self.data.shape[1:])
