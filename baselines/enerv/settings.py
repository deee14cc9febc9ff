"""Settings of the family `enerv`."""

from __future__ import annotations

from typing import Literal

from bench.inr.settings import Count, Counts, DecoderSettings, Encoding, Positive


class ENeRVSettings(DecoderSettings):
    """An E-NeRV and its fit."""

    expansion: Positive = 1.5
    """The first stage multiplies the channels by it."""

    time_encoding: Encoding = [1.25, 40]
    """Base and number of frequencies of the positional encoding of time for the tokens."""

    position_encoding: Encoding = [1.25, 40]
    """The same of a token's row and column."""

    modulation_encoding: Encoding = [1.25, 40]
    """The same of time for the stages."""

    stem_widths: Counts = [64]
    """Widths of the layers between time and the vector that multiplies the tokens."""

    token_width: Count = 32
    """Width of the transformers' tokens."""

    mlp_width: Count = 32
    """Width of the layer between them."""

    head_width: Count = 64
    """Width of one attention head."""

    modulation_width: Count = 128
    """Width of the layers between time and the stages' gains and offsets."""

    head: Literal["tanh", "sigmoid"] = "sigmoid"
    """What bounds the output to [0, 1]."""
