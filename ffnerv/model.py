"""The FFNeRV network: temporal grids, decoder stages, flow head and image head (section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from bench.inr.network.layers import ACTIVATIONS, rgb_head
from ffnerv.blocks import QuantHead, UpsampleBlock
from ffnerv.config import FREQUENCIES, FFNeRVConfig
from ffnerv.grid import PositionalLatent, TemporalGrids


@dataclass(frozen=True)
class Heads:
    """Outputs of the network for B frames, from which `ffnerv.flow` computes the final frames.

    Attributes:
        independent: (B, 3, H, W), RGB in [0, 1].
        blend_logits: (B, 2, H, W), of the independent and of the aggregated frame.
        flows: (B, 2A, H/4, W/4), x and y of each neighbour's displacement in flow-map pixels; None if no
            neighbours are aggregated.
        neighbour_logits: (B, A, H/4, W/4), of the neighbours' weights; None likewise.
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
        options: dict[str, Any] = {"bias": config.bias, "bits": config.bits}
        self.flow_head = QuantHead(widths[-3], 3 * neighbours, **options) if neighbours else None
        self.image_head = QuantHead(widths[-1], 5 if neighbours else 3, **options)

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
        """The independent frames (B, 3, H, W), which fill the buffer of key frames."""
        return self(time).independent
