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
    """Coordinates (2, H, W) of all pixels, x then y, and ((W - 1) / 2, (H - 1) / 2) as (2, 1, 1)."""
    x, y = (torch.arange(n, device=device, dtype=torch.float32) for n in (width, height))
    coordinates = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    return coordinates, torch.tensor([(width - 1) / 2, (height - 1) / 2], device=device)[:, None, None]


def warp(frames: Tensor, flows: Tensor, *, exact: bool = False) -> Tensor:
    """Backward-warp frames (M, 3, H, W) by flows (M, 2, H, W) in output pixels: bilinear, border padding.

    With `exact`, output pixel (x, y) samples (x + u, y + v). Otherwise it samples (x + u) * W / (W - 1) - 1/2
    (and likewise in y), as in the official code, which computes coordinates for `align_corners=True` and
    samples with `align_corners=False`.
    """
    return _sample(frames, _positions(flows), exact)


def _positions(flows: Tensor) -> Tensor:
    """Positions (M, H, W, 2) in [-1, 1] that displacements (M, 2, H, W) lead to."""
    coordinates, half = _pixels(*flows.shape[-2:], flows.device)
    # The official order of operations: bilinear interpolation has kinks at whole pixels, where one rounding
    # error can change a gradient.
    return (flows + coordinates).div_(half).sub_(1).permute(0, 2, 3, 1)


def _sample(frames: Tensor, positions: Tensor, exact: bool) -> Tensor:
    return F.grid_sample(frames, positions, padding_mode="border", align_corners=exact)


def upsample_flows(flows: Tensor) -> Tensor:
    """(B, 2A, h, w) in flow-map pixels to (B * A, 2, H, W) in output pixels."""
    # Each neighbour's flow is an image of its own, as in the official code, so that torch rounds the same. To
    # multiply by a power of two is exact, so it may come first, where there are fewer pixels.
    flows = (FLOW_SCALE * flows).unflatten(1, (-1, 2)).flatten(0, 1).contiguous()
    return F.interpolate(flows, scale_factor=float(FLOW_SCALE), mode="bilinear", align_corners=False)


def _transposed_upsampling(grad: Tensor, dim: int) -> Tensor:
    """Transpose of bilinear upsampling by 4 along one dimension, which torch computes slowly on a CPU.

    Outputs 4i to 4i + 3 are at the positions i - 3/8, i - 1/8, i + 1/8 and i + 3/8 between the inputs.
    Positions beyond the first and the last input are moved to it.
    """
    first, second, third, fourth = grad.unflatten(dim, (-1, FLOW_SCALE)).unbind(dim + 1)
    own = ((first + fourth) * 0.625).add_(second + third, alpha=0.875)
    before = (first * 0.375).add_(second, alpha=0.125)
    after = (fourth * 0.375).add_(third, alpha=0.125)
    last = own.shape[dim] - 1
    own.narrow(dim, 0, last).add_(before.narrow(dim, 1, last))
    own.narrow(dim, 1, last).add_(after.narrow(dim, 0, last))
    own.select(dim, 0).add_(before.select(dim, 0))
    own.select(dim, last).add_(after.select(dim, last))
    return own


class _Aggregate(torch.autograd.Function):
    """The module's equations, with their gradient. Fewer passes over full frames than autograd needs."""

    @staticmethod
    def forward(
        ctx, flows: Tensor, neighbour_logits: Tensor, blend_logits: Tensor, independent: Tensor,
        neighbours: Tensor, exact: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        upsampled_flows = upsample_flows(flows)
        positions = _positions(upsampled_flows)
        warped = _sample(neighbours.flatten(0, 1), positions, exact).view_as(neighbours)
        # Nearest-neighbour upsampling commutes with the softmax, which is cheaper at the low resolution.
        weights = torch.softmax(neighbour_logits, dim=1)
        upsampled = F.interpolate(weights, scale_factor=float(FLOW_SCALE), mode="nearest")
        aggregated = (warped * upsampled[:, :, None]).sum(1)
        # The softmax over two logits is a sigmoid of their difference.
        blend = torch.sigmoid(blend_logits[:, 1:] - blend_logits[:, :1])
        independent = independent.to(aggregated.dtype)  # float32 even if the network ran in bfloat16
        final = torch.lerp(independent, aggregated, blend.to(aggregated.dtype))
        ctx.save_for_backward(
            neighbours, positions, warped, weights, upsampled, aggregated, blend, independent
        )
        ctx.exact, ctx.dtypes = exact, (flows.dtype, neighbour_logits.dtype, blend_logits.dtype)
        ctx.mark_non_differentiable(upsampled_flows, weights, blend)
        return aggregated, independent, final, upsampled_flows, weights, blend

    @staticmethod
    def backward(
        ctx, by_aggregated: Tensor, by_independent: Tensor, by_final: Tensor, *_: Tensor
    ) -> tuple[Tensor | None, ...]:
        neighbours, positions, warped, weights, upsampled, aggregated, blend, independent = ctx.saved_tensors
        blended = by_final * blend
        by_blend = (by_final * (aggregated - independent)).sum(1, keepdim=True) * (blend * (1 - blend))
        by_independent = (by_independent + by_final).sub_(blended)
        by_aggregated = blended.add_(by_aggregated)[:, None]

        by_upsampled = (by_aggregated * warped).sum(2)
        by_weights = F.avg_pool2d(by_upsampled, FLOW_SCALE).mul_(FLOW_SCALE**2 * weights)
        by_logits = by_weights - weights * by_weights.sum(1, keepdim=True)

        by_warped = (by_aggregated * upsampled[:, :, None]).flatten(0, 1)
        _, by_positions = torch.ops.aten.grid_sampler_2d_backward(
            by_warped, neighbours.flatten(0, 1), positions, 0, 1, ctx.exact, [False, True]
        )
        height, width = neighbours.shape[-2:]
        low = _transposed_upsampling(_transposed_upsampling(by_positions, 1), 2)
        by_flows = FLOW_SCALE * low.permute(0, 3, 1, 2) / _pixels(height, width, low.device)[1]
        return (
            by_flows.reshape(len(weights), -1, *low.shape[1:3]).to(ctx.dtypes[0]),
            by_logits.to(ctx.dtypes[1]),
            torch.cat([-by_blend, by_blend], dim=1).to(ctx.dtypes[2]),
            by_independent,
            None,
            None,
        )


def aggregate(heads: Heads, neighbours: Tensor, *, exact: bool = False) -> Aggregation:
    """Aggregate the warped neighbours of frames (B,), and blend them with the independent frames.

    Args:
        heads: outputs of the network for these frames.
        neighbours: (B, A, 3, H, W) float32, independent frames of the neighbours, without gradient.
    """
    assert heads.flows is not None
    assert heads.neighbour_logits is not None
    aggregated, independent, final, flows, weights, blend = _Aggregate.apply(
        heads.flows, heads.neighbour_logits, heads.blend_logits, heads.independent, neighbours, exact
    )
    flows = flows.view(*neighbours.shape[:2], *flows.shape[1:])
    return Aggregation(independent, aggregated, final, flows, weights, blend)


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
