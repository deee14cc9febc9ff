"""Settings of the family `nerv`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench.inr.settings import Activation, Count, DecoderSettings, Positive


class NeRVSettings(DecoderSettings):
    """A NeRV and its fit."""

    frequency_base: Positive = 1.25
    """Base of the positional encoding of time."""

    frequencies: Annotated[int, Field(ge=0)] = 40
    """Number of frequencies of the positional encoding; 0: the time itself."""

    stem_width: Count = 128
    """Width of the hidden layers of the MLP."""

    stem_layers: Annotated[int, Field(ge=0)] = 1
    """Number of hidden layers of the MLP."""

    activation: Activation = "swish"
    """Activation function of the stages."""
