"""Checks of a network against the size of a clip. No torch import: the plan of a condition runs them."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Most layers or blocks that one setting may add. A module takes memory and time, however small it is.
MOST_LAYERS = 64


class UnsuitableClip(ValueError):
    """The settings are valid, but no network of these settings can code a clip of this size or length.

    `INRCodec.skip` returns the message as the reason for skipping the point. Settings that are wrong for
    every clip raise a plain ValueError instead.
    """


def padded_base(height: int, width: int, strides: Sequence[int]) -> tuple[int, int]:
    """Height and width (h0, w0) of the smallest latent that `strides` upsample to at least height x width.

    The network's output is cropped to the frame, so a side need not be a multiple of the product of the
    strides.

    Raises:
        ValueError: a stride is not a whole number from 1.
        UnsuitableClip: the product of the strides is larger than a side of the frame.
    """
    check_whole("strides", strides)
    scale = math.prod(strides)
    if scale > min(height, width):
        raise UnsuitableClip(
            f"strides: their product {scale} is larger than a side of the {width}x{height} frame, "
            "so no latent of one pixel or more remains"
        )
    return -(-height // scale), -(-width // scale)


def check_whole(name: str, value: object, *, least: int = 1, most: int | None = None) -> None:
    """Raise ValueError unless a setting, or each entry of its list, is a whole number of this range."""
    values = value if isinstance(value, tuple | list) else (value,)
    if not values or any(type(entry) is not int or entry < least for entry in values):
        raise ValueError(f"{name}: {value!r} must be a whole number from {least}, or a list of such numbers")
    if most is not None and max(values) > most:
        raise ValueError(f"{name}: {value!r} must be at most {most}")
