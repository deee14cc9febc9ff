"""Rebuild the network of a stream. Every length and shape is checked before memory is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.base.errors import StreamError
from bench.inr.coding.payload import Payload, check_network, config_from_values, load
from bench.inr.coding.quantiser_description import parse_description
from bench.inr.coding.quantisers import build_quantiser
from bench.inr.network.representation import Representation

if TYPE_CHECKING:
    from bench.codec.container import Stream
    from bench.inr.codec import INRCodec


def restore_network(codec: INRCodec, stream: Stream) -> Representation:
    """The representation of a stream, with its weights, on the CPU.

    Raises:
        StreamError: the payload does not hold a network of this family for the header's clip.
    """
    try:
        return _restore(codec, stream)
    except StreamError as error:
        raise StreamError(stream.path, error.problem, error.remedy) from error


def _restore(codec: INRCodec, stream: Stream) -> Representation:
    header = stream.header
    size = {"frames": header.frames, "height": header.height, "width": header.width}
    payload = Payload.from_bytes(stream.payload)
    config = config_from_values(codec.config_type, payload.network, codec.wire_defaults)
    try:
        quantiser = build_quantiser(
            parse_description(payload.quantiser, codec.quantisers), codec.build_single
        )
        with torch.device("meta"):  # shapes without memory
            representation = codec.receive(config, **size)
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, RuntimeError) as error:
        raise StreamError("stream", f"the network cannot be built ({error})") from error
    network = representation.network
    check_network(
        network,
        config,
        payload_bytes=len(stream.payload),
        height=header.height,
        width=header.width,
    )
    network.to_empty(device="cpu")
    load(network, quantiser, payload)
    return representation
