"""Quantisers from their descriptions, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from bench.inr.codec import INRCodec
from bench.inr.coding.quantiser_description import parse_description
from bench.inr.coding.quantisers import AnyQuantiser, build_quantiser


def make_quantiser(description: Any, codec: INRCodec | None = None) -> AnyQuantiser | None:
    """The quantiser of a description: one of the shared ones, or one of a family's."""
    if codec is None:
        return build_quantiser(parse_description(description))
    return build_quantiser(parse_description(description, codec.quantisers), codec.build_single)
