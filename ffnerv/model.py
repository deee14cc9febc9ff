"""The FFNeRV network: temporal grids, decoder stages, flow head and image head (section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from bench.inr.network.layers import ACTIVATIONS, DecoderConfig, check_choice, rgb_head
from ffnerv.blocks import QuantHead, UpsampleBlock
from ffnerv.grid import PositionalLatent, TemporalGrids

#: The flow map is this much smaller than the frame: the last two strides must make it.
FLOW_SCALE = 4
BLOCKS = ("conv", "compact")
#: L of the positional encoding that may stand in for the grids: the published NeRV's.
FREQUENCIES = 40


@dataclass(frozen=True, kw_only=True)
class FFNeRVConfig(DecoderConfig):
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        grid_lengths: temporal resolution of each grid; together they have `channels` channels.
            None of them and `hidden` above 0: positional encoding and one hidden layer of that width.
        offsets: relative positions of the aggregated neighbours; none: the independent frame is all.
        block: `conv` or `compact` (grouped 3x3 + pointwise, for compression).
        bits: bit width of quantisation-aware training; None trains floats.
        exact_warp: sample at the stated positions. The official code normalises coordinates for
            one convention and samples in another, which shifts by up to half a pixel towards the
            borders; its weights depend on it, so it is the default.
        clamp_neighbours: repeat the first or last frame beyond the ends rather than read black.
        key_interval: only every n-th frame is fitted and aggregated from (frame interpolation).
        spread_grids: lay a grid's entries over the whole clip. As published, the last entry is held
            for N / T frames: nothing where a grid is as long as the clip, but frames that share one
            latent (and lose up to 8 dB) where it is much shorter.
    """

    grid_lengths: tuple[int, ...]
    hidden: int = 0
    offsets: tuple[int, ...] = (-2, -1, 1, 2)
    block: str = "conv"
    bits: int | None = 8
    exact_warp: bool = False
    clamp_neighbours: bool = False
    spread_grids: bool = False
    key_interval: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.strides) < 3 or self.strides[-1] * self.strides[-2] != FLOW_SCALE:
            raise ValueError("strides: three stages or more, the last two with product 4")
        if self.key_interval < 1:
            raise ValueError(f"key_interval: {self.key_interval} is less than 1")
        if bool(self.grid_lengths) == bool(self.hidden):
            raise ValueError("grid_lengths: give them, or none and `hidden`")
        if self.grid_lengths and self.channels % len(self.grid_lengths):
            raise ValueError(f"channels: must be a multiple of {len(self.grid_lengths)}, the number of grids")
        check_choice("block", self.block, BLOCKS)
        if self.block == "compact" and any(before % 8 for before, _, stride in self.stages if stride != 5):
            raise ValueError("block: compact needs widths divisible by 8")


@dataclass(frozen=True)
class Heads:
    """What the network says of B frames; `ffnerv.flow` makes the final frames of it.

    Attributes:
        independent: (B, 3, H, W), RGB in [0, 1].
        blend_logits: (B, 2, H, W), of the independent and of the aggregated frame.
        flows: (B, 2A, h, w), x and y of each neighbour's displacement in flow-map pixels; None
            (and no logits) where no neighbours are aggregated.
        neighbour_logits: (B, A, h, w), where h = H/4 and w = W/4.
    """

    independent: Tensor
    blend_logits: Tensor
    flows: Tensor | None
    neighbour_logits: Tensor | None


def _make_latent(config: FFNeRVConfig) -> nn.Module:
    height, width = config.base
    shape = {"channels": config.channels, "height": height, "width": width}
    if config.grid_lengths:
        return TemporalGrids(config.grid_lengths, **shape, bits=config.bits, spread=config.spread_grids)
    activation = ACTIVATIONS[config.activation]
    return PositionalLatent(
        hidden=config.hidden, frequencies=FREQUENCIES, **shape, activation=activation, bits=config.bits
    )


class FFNeRV(nn.Module):
    """Maps times to `Heads`."""

    def __init__(self, config: FFNeRVConfig) -> None:
        super().__init__()
        self.config = config
        widths, bits = config.widths, config.bits
        self.grids = _make_latent(config)
        self.stages = nn.ModuleList(
            UpsampleBlock(
                before,
                after,
                stride=stride,
                compact=config.block == "compact",
                activation=config.activation,
                norm=config.norm,
                bias=config.bias,
                bits=bits,
            )
            for before, after, stride in config.stages
        )
        neighbours = len(config.offsets)
        own: dict[str, Any] = {"bias": config.bias, "bits": config.bits}
        self.flow_head = QuantHead(widths[-3], 3 * neighbours, **own) if neighbours else None
        self.image_head = QuantHead(widths[-1], 5 if neighbours else 3, **own)

    def forward(self, time: Tensor) -> Heads:
        """Heads at times (B,), float32 in [0, 1)."""
        x = self.grids(time)
        flows = logits = None
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == len(self.stages) - 3 and self.flow_head is not None:
                flows, logits = self.flow_head(x, split=2 * len(self.config.offsets))
        image, blend = self.image_head(x, split=3)
        return Heads(rgb_head(image, self.config.head), blend, flows, logits)

    def independent(self, time: Tensor) -> Tensor:
        """The independent frames (B, 3, H, W) alone: what fills the key-frame buffer."""
        return self(time).independent
