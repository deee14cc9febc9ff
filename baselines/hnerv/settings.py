"""Settings of the family `hnerv`."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, Field

from bench.base.strict_model import Problem
from bench.inr.settings import Activation, Count, Counts, FitSettings, Positive


def _check_head(head: str) -> str:
    """Refuse what is neither tanh, sigmoid nor a number."""
    try:
        good = head in ("tanh", "sigmoid") or math.isfinite(float(head))
    except ValueError:
        good = False
    if not good:
        raise Problem(f"unknown value {head!r}", "use tanh, sigmoid or a number in quotes")
    return head


def _check_reduction(reduction: float) -> float:
    if not (reduction > 0 or reduction == -1):
        raise Problem(f"{reduction!r} must be above 0, or -1", "write a number above 0, or -1")
    return reduction


def _check_kernels(kernels: list[int]) -> list[int]:
    if any(kernel % 2 == 0 for kernel in kernels):
        raise Problem(f"{kernels} must be odd numbers", "write odd numbers")
    return kernels


class HNeRVSettings(FitSettings):
    """An HNeRV and its fit. Either `channels` or `model_size` must be given."""

    channels: Count | None = None
    """Channels of the first stage's input."""

    model_size: Positive | None = None
    """Millions of parameters, embeddings included, in place of `channels`."""

    strides: Counts = [5, 2, 2]
    """Upsampling factor of each stage of the decoder."""

    encoder_strides: Counts | None = None
    """Downsampling factor of each stage of the encoder; null: those of the decoder."""

    embed: Annotated[str, Field(pattern=r"^(pe_\d{1,4}(\.\d{1,9})?_\d{1,4})?$")] = ""
    """`pe_b_L`: a positional encoding of base b with L frequencies in place of the encoder; empty: none."""

    embedding_channels: Positive = 16
    """Channels of a frame's embedding; below 1: their share of `model_size`."""

    encoder_width: Count = 64
    """Channels of the encoder's inner stages."""

    encoder_blocks: Count = 1
    """Blocks in a stage of the encoder."""

    kernels: Annotated[list[Count], Field(min_length=2, max_length=2), AfterValidator(_check_kernels)] = [
        1,
        5,
    ]
    """Smallest and largest kernel of the decoder, odd numbers. The kernel grows by two per stage."""

    reduction: Annotated[float, AfterValidator(_check_reduction)] = 1.2
    """Every stage divides the channels by it, a number above 0; -1: by the root of its stride."""

    lower_width: Count = 12
    """Least number of channels of a stage."""

    decoder_blocks: Count = 1
    """Convolutions in a stage of the decoder."""

    activation: Activation = "gelu"
    """Activation function of the stages."""

    head: Annotated[str, AfterValidator(_check_head)] = "tanh"
    """What bounds the output: tanh, sigmoid, or a number that is added to it."""
