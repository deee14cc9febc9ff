"""Settings of the family `hinerv`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.base.strict_model import StrictModel
from bench.inr.settings import (
    DEFAULT_QUANTISER,
    Affine,
    Bits,
    Count,
    Counts,
    FitSettings,
    Float32,
    HNeRVQuantiser,
    Overrides,
    Uniform,
)

_Levels = Annotated[int, Field(ge=1, le=8)]


class Symmetric(StrictModel):
    """HiNeRV's quantiser: a scale and no offset."""

    name: Literal["symmetric"]
    """Name of the quantiser."""

    bits: Bits = 6
    """Bit width of the codes."""

    overrides: Overrides = {}
    """Part of the network -> what differs there."""


HiNeRVQuantiser = Annotated[
    Float32 | Affine | HNeRVQuantiser | Uniform | Symmetric, Field(discriminator="name")
]


class HiNeRVSettings(FitSettings):
    """A HiNeRV and its fit."""

    channels: Count
    """Width of the stem and of the first stage."""

    strides: Counts = [5, 2, 2, 2]
    """Upsampling factor of each stage."""

    depths: Annotated[list[Annotated[int, Field(ge=1, le=16)]], Field(min_length=1)] = [3, 3, 3, 1]
    """Blocks of each stage."""

    expansions: Annotated[list[Annotated[float, Field(gt=0, lt=1024)]], Field(min_length=1)] = [4, 4, 4, 1]
    """Inner width of each stage's blocks as a multiple of the outer width."""

    reduction: Annotated[float, Field(ge=1)] = 2.0
    """Every later stage divides the width by it."""

    lower_width: Count = 1
    """Least width of a stage."""

    base_length: Count | None = 40
    """Temporal length of the finest base grid; null: one entry for each frame."""

    base_channels: Count = 2
    """Channels of the finest base grid."""

    base_levels: _Levels = 2
    """Number of base grids; each has half the length and twice the channels of the one before."""

    local_channels: Count = 4
    """Channels of the finest local grid of the first stage."""

    local_levels: _Levels = 3
    """Number of local grids."""

    upsample_norm: bool = True
    """Whether the features are normalised before upsampling."""

    patch: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Height and width of the patches that a fit computes; null: whole frames."""

    quantiser: HiNeRVQuantiser = Field(DEFAULT_QUANTISER)  # type: ignore[assignment]
    """Quantiser of the coded weights."""
