"""Configuration of the FFNeRV network, and its defaults in the stream format. No torch import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.inr.network.clip_check import check_whole
from bench.inr.network.decoder_config import DecoderConfig, check_choice

#: Height and width of the frame over those of the flow map. The last two strides must have this product.
FLOW_SCALE = 4
#: `conv`: one 3x3 convolution; `compact`: a grouped 3x3 and a pointwise convolution (section 3.3).
BLOCKS = ("conv", "compact")
#: Groups of a compact block's 3x3 convolution. Its channels must be a multiple.
COMPACT_GROUPS = 8
#: L of the positional encoding that can replace the grids: the published NeRV's.
FREQUENCIES = 40

#: Value of each field that a stream of format 1 leaves out. Never edit: streams would decode differently.
WIRE_DEFAULTS: Mapping[str, Any] = {
    "expansion": 1.0,
    "reduction": 2,
    "lower_width": 12,
    "activation": "gelu",
    "head": "tanh",
    "bias": True,
    "norm": "none",
    "hidden": 0,
    "offsets": (-2, -1, 1, 2),
    "block": "conv",
    "bits": 8,
    "exact_warp": False,
    "clamp_neighbours": False,
    "spread_grids": False,
    "key_interval": 1,
}


@dataclass(frozen=True, kw_only=True)
class FFNeRVConfig(DecoderConfig):
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        grid_lengths: temporal resolution T_l of each grid (section 3.2). The `channels` are divided evenly
            among the grids. Empty, with `hidden` above 0: a positional encoding and one hidden layer of
            this width replace the grids.
        offsets: relative positions of the aggregated neighbours; empty: the independent frame is the output.
        block: a name in `BLOCKS`.
        bits: code width of quantisation-aware training; None trains floats.
        exact_warp: whether warping samples the stated positions. The official code normalises coordinates
            for one convention and samples in another, which shifts positions by up to half a pixel towards
            the borders. Its weights depend on that, so it is the default.
        clamp_neighbours: whether neighbours outside the clip are its first or last frame. As published, they
            are black frames.
        spread_grids: whether a grid's entries are spread over the whole clip. As published, the last entry is
            held for N / T frames. These frames share one latent, which costs up to 8 dB where a grid is
            much shorter than the clip.
        key_interval: every n-th frame is fitted and aggregated from (frame interpolation).
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
            raise ValueError(
                f"strides: {list(self.strides)} must be three or more, the last two with product {FLOW_SCALE}"
            )
        check_whole("key_interval", self.key_interval)
        check_whole("hidden", self.hidden, least=0)
        if bool(self.grid_lengths) == bool(self.hidden):
            raise ValueError("grid_lengths: give either grid lengths or `hidden`, not both or neither")
        if self.grid_lengths:
            check_whole("grid_lengths", self.grid_lengths)
            if self.channels % len(self.grid_lengths):
                raise ValueError(
                    f"channels: {self.channels} must be a multiple of {len(self.grid_lengths)}, "
                    "the number of grids"
                )
        if any(type(offset) is not int for offset in self.offsets):
            raise ValueError(f"offsets: {list(self.offsets)} must be whole numbers")
        if self.bits is not None:
            check_whole("bits", self.bits, least=2)
        check_choice("block", self.block, BLOCKS)
        if self.block == "compact" and any(
            before % COMPACT_GROUPS for before, _, stride in self.stages if stride != 5
        ):
            raise ValueError(f"block: compact needs widths divisible by {COMPACT_GROUPS}")
