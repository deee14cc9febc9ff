"""The FFNeRV network: temporal grids, decoder stages, flow head and image head (section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from bench.inr.layers import rgb_head, stage_widths
from ffnerv.blocks import QuantHead, UpsampleBlock
from ffnerv.grid import TemporalGrids

#: The flow map is this much smaller than the frame: the last two strides must make it.
FLOW_SCALE = 4


@dataclass(frozen=True, kw_only=True)
class FFNeRVConfig:
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        base: (h0, w0) of the latent; times the product of `strides` it is the output size.
        channels: C0, channels of the latent (all grids together).
        grid_lengths: temporal resolution of each grid.
        offsets: relative positions of the aggregated neighbours.
        block: `conv` or `compact` (grouped 3x3 + pointwise, for compression).
        head: `tanh` or `sigmoid`.
        bits: bit width of quantisation-aware training; None trains floats.
        exact_warp: sample at the stated positions. The official code normalises coordinates for
            one convention and samples in another, which shifts by up to half a pixel towards the
            borders; its weights depend on it, so it is the default.
        clamp_neighbours: repeat the first or last frame beyond the ends rather than read black.
    """

    base: tuple[int, int]
    channels: int
    strides: tuple[int, ...]
    grid_lengths: tuple[int, ...]
    expansion: float = 1.0
    reduction: int = 2
    lower_width: int = 12
    offsets: tuple[int, ...] = (-2, -1, 1, 2)
    block: str = "conv"
    activation: str = "gelu"
    head: str = "tanh"
    bits: int | None = 8
    exact_warp: bool = False
    clamp_neighbours: bool = False

    def __post_init__(self) -> None:
        if len(self.strides) < 3 or self.strides[-1] * self.strides[-2] != FLOW_SCALE:
            raise ValueError("strides: three stages or more, the last two with product 4")
        if self.channels % len(self.grid_lengths):
            raise ValueError(f"channels: must be a multiple of {len(self.grid_lengths)}, the number of grids")
        inputs = [self.channels, *self.widths[:-1]]
        grouped = [w for w, s in zip(inputs, self.strides, strict=True) if s != 5]
        if self.block == "compact" and any(w % 8 for w in grouped):
            raise ValueError("block: compact needs widths divisible by 8")

    @property
    def widths(self) -> list[int]:
        """Output channels of each stage."""
        return stage_widths(
            self.channels,
            strides=self.strides,
            expansion=self.expansion,
            reduction=self.reduction,
            lower_width=self.lower_width,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the output (the padded frame)."""
        scale = math.prod(self.strides)
        return self.base[0] * scale, self.base[1] * scale


@dataclass(frozen=True)
class Heads:
    """What the network says of B frames; `ffnerv.flow` makes the final frames of it.

    Attributes:
        flows: (B, 2A, h, w), x and y of each neighbour's displacement in flow-map pixels.
        neighbour_logits: (B, A, h, w), where h = H/4 and w = W/4.
        independent: (B, 3, H, W), RGB in [0, 1].
        blend_logits: (B, 2, H, W), of the independent and of the aggregated frame.
    """

    flows: Tensor
    neighbour_logits: Tensor
    independent: Tensor
    blend_logits: Tensor


class FFNeRV(nn.Module):
    """Maps times to `Heads`."""

    def __init__(self, config: FFNeRVConfig) -> None:
        super().__init__()
        self.config = config
        widths, bits = config.widths, config.bits
        self.grids = TemporalGrids(
            config.grid_lengths,
            channels=config.channels,
            height=config.base[0],
            width=config.base[1],
            bits=bits,
        )
        self.stages = nn.ModuleList(
            UpsampleBlock(
                before,
                after,
                stride=stride,
                compact=config.block == "compact",
                activation=config.activation,
                bits=bits,
            )
            for before, after, stride in zip(
                [config.channels, *widths[:-1]], widths, config.strides, strict=True
            )
        )
        self.flow_head = QuantHead(widths[-3], 3 * len(config.offsets), bits=bits)
        self.image_head = QuantHead(widths[-1], 5, bits=bits)

    def forward(self, time: Tensor) -> Heads:
        """Heads at times (B,), float32 in [0, 1)."""
        x = self.grids(time)
        neighbours = 2 * len(self.config.offsets)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == len(self.stages) - 3:
                flows, logits = self.flow_head(x, split=neighbours)
        image, blend = self.image_head(x, split=3)
        return Heads(flows, logits, rgb_head(image, self.config.head), blend)

    def independent(self, time: Tensor) -> Tensor:
        """The independent frames (B, 3, H, W) alone: what fills the key-frame buffer."""
        return self(time).independent
