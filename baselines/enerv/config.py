"""Configuration of the E-NeRV network, and its defaults in the stream format. No torch import."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.inr.network.clip_check import UnsuitableClip, check_whole
from bench.inr.network.decoder_config import UPSAMPLINGS, DecoderConfig, check_choice, check_encoding

#: Attention heads before and after the tokens are multiplied by the vector of time.
SPATIAL_HEADS, TEMPORAL_HEADS = 1, 8
#: Most tokens that attention may have, whatever the frame size.
MOST_POSITIONS = 4096
#: Divisor of the latent's channels inside a first stage that widens.
BOTTLENECK = 4
ENCODINGS = ("time_encoding", "position_encoding", "modulation_encoding")
_WHOLE = ("lower_width", "stem_widths", "token_width", "mlp_width", "head_width", "modulation_width")

#: Value of each field that a stream of format 1 leaves out. Never edit: streams would decode differently.
WIRE_DEFAULTS: Mapping[str, Any] = {
    "expansion": 1.0,
    "reduction": 2,
    "lower_width": 12,
    "activation": "gelu",
    "head": "sigmoid",
    "bias": True,
    "norm": "none",
    "time_encoding": (1.25, 80),
    "position_encoding": (1.25, 80),
    "modulation_encoding": (1.25, 80),
    "stem_widths": (512,),
    "token_width": 256,
    "mlp_width": 128,
    "head_width": 64,
    "modulation_width": 128,
    "stage_heads": False,
    "upsampling": "conv",
}


@dataclass(frozen=True, kw_only=True)
class ENeRVConfig(DecoderConfig):
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        time_encoding, position_encoding, modulation_encoding: base and number of frequencies of the
            positional encodings: of time for the tokens, of a token's row and column, of time for the stages.
        stem_widths: hidden layers between time and the vector that the tokens are multiplied by.
        token_width, mlp_width: width of the transformers' tokens, and of the layer between them.
        head_width: width of one attention head.
        modulation_width: width of the two layers between time and the stages' gains and offsets.
        stage_heads: a head on every stage, not only on the last. Decoders output the last image.
        upsampling: a name in `decoder_config.UPSAMPLINGS`; `conv` is published.
    """

    time_encoding: tuple[float, int] = (1.25, 80)
    position_encoding: tuple[float, int] = (1.25, 80)
    modulation_encoding: tuple[float, int] = (1.25, 80)
    stem_widths: tuple[int, ...] = (512,)
    token_width: int = 256
    mlp_width: int = 128
    head_width: int = 64
    modulation_width: int = 128
    stage_heads: bool = False
    upsampling: str = "conv"
    head: str = "sigmoid"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("upsampling", self.upsampling, UPSAMPLINGS)
        for name in _WHOLE:
            check_whole(name, getattr(self, name))
        for name in ENCODINGS:
            check_encoding(name, *getattr(self, name))
        if self.channels < BOTTLENECK and self.widens:
            raise ValueError(f"channels: {self.channels} must be {BOTTLENECK} or more")
        # An instance norm of one token is zero. Attention takes memory by the square of the tokens.
        most = min(MOST_POSITIONS, (8 * math.prod(self.strides)) ** 2)
        if not 1 < self.positions <= most:
            raise UnsuitableClip(
                f"strides: {list(self.strides)} leave {self.positions} tokens, a latent of "
                f"{self.base[0]}x{self.base[1]}; attention needs 2 to {most}"
            )

    @property
    def widens(self) -> bool:
        """Whether the first stage's output has at least the latent's channels."""
        return self.channels <= self.widths[0]

    @property
    def positions(self) -> int:
        """P, the number of tokens: one per pixel of the latent."""
        return self.base[0] * self.base[1]
