"""Settings of the family `ffnerv`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.base.strict_model import StrictModel
from bench.inr.settings import (
    DEFAULT_QUANTISER,
    Affine,
    Bits,
    Count,
    DecoderSettings,
    Float32,
    HNeRVQuantiser,
    Overrides,
    Uniform,
)


class Tanh(StrictModel):
    """The quantiser of FFNeRV's quantisation-aware training."""

    name: Literal["tanh"]
    """Name of the quantiser."""

    bits: Bits = 8
    """Bit width of the codes: that of the setting `bits`."""

    overrides: Overrides = {}
    """Part of the network -> what differs there."""


FFNeRVQuantiser = Annotated[Float32 | Affine | HNeRVQuantiser | Uniform | Tanh, Field(discriminator="name")]


class FFNeRVSettings(DecoderSettings):
    """An FFNeRV and its fit."""

    grid_lengths: list[Count] = [33, 66]
    """Temporal resolution of each grid of latents; empty: positional encoding (`hidden`)."""

    hidden: Annotated[int, Field(ge=0)] = 0
    """Width of the layer after the positional encoding; 0 with grids."""

    offsets: list[int] = [-2, -1, 1, 2]
    """Neighbouring frames that are aggregated, relative to the frame; empty: the independent frame alone."""

    block: Literal["conv", "compact"] = "conv"
    """Block of a stage; `compact` is a grouped 3x3 and a pointwise convolution."""

    bits: Bits | None = 8
    """Bit width of quantisation-aware training, with the quantiser `tanh`; null: trained in float32."""

    exact_warp: bool = False
    """Sample at the positions of the flow; the authors' code is off by up to half a pixel."""

    clamp_neighbours: bool = False
    """Repeat the first and last frame beyond the clip's ends; the authors' code has black frames there."""

    spread_grids: bool = False
    """Spread the entries of a grid over the whole clip; as published, the last entry is held to the end."""

    quantiser: FFNeRVQuantiser = Field(DEFAULT_QUANTISER)  # type: ignore[assignment]
    """Quantiser of the coded weights."""
