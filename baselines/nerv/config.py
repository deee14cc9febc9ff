"""Configuration of the NeRV network, and its defaults in the stream format. No torch import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.inr.network.clip_check import MOST_LAYERS, check_whole
from bench.inr.network.decoder_config import UPSAMPLINGS, DecoderConfig, check_choice, check_encoding

#: Value of each field that a stream of format 1 leaves out. Never edit: streams would decode differently.
WIRE_DEFAULTS: Mapping[str, Any] = {
    "expansion": 1.0,
    "reduction": 2,
    "lower_width": 12,
    "activation": "swish",
    "head": "tanh",
    "bias": True,
    "norm": "none",
    "frequency_base": 1.25,
    "frequencies": 40,
    "stem_width": 512,
    "stem_layers": 1,
    "upsampling": "conv",
    "multi_resolution": False,
}


@dataclass(frozen=True, kw_only=True)
class NeRVConfig(DecoderConfig):
    """Everything that a decoder needs to rebuild the network.

    Attributes:
        frequency_base, frequencies: b and L of the positional encoding (equation 1; `1.25_40` in the official
            code). With 0 frequencies the stem's input is the time itself.
        stem_width, stem_layers: width and number of the MLP's hidden layers (`512_1` in the official code).
        upsampling: a name in `decoder_config.UPSAMPLINGS`; `conv` is published.
        multi_resolution: a head on every stage, not only on the last (official: no `--single_res`).
    """

    frequency_base: float = 1.25
    frequencies: int = 40
    stem_width: int = 512
    stem_layers: int = 1
    activation: str = "swish"
    upsampling: str = "conv"
    multi_resolution: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("stem_width", self.stem_width)
        check_whole("stem_layers", self.stem_layers, least=0, most=MOST_LAYERS)
        check_choice("upsampling", self.upsampling, UPSAMPLINGS)
        check_encoding("frequencies", self.frequency_base, self.frequencies)
