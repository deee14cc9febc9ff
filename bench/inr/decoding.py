"""Rebuild the network of a stream. Every length and shape is checked before memory is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.base.errors import StreamError
from bench.inr.coding.payload import Payload, check_network, config_from_values, load
from bench.inr.coding.quantiser_description import parse_description
from bench.inr.coding.quantisers import AnyQuantiser, build_quantiser
from bench.inr.network.live_memory import LiveMemory
from bench.inr.network.representation import Representation

if TYPE_CHECKING:
    from bench.codec.container import Stream
    from bench.inr.codec import INRCodec

#: Bytes of memory a weight: its float32 value and code, and a copy of one of them.
_BYTES_PER_WEIGHT = 12
#: Bytes of memory an entry of the tensor that is being decoded: its model's state. Measured: 13 to 34.
_BYTES_PER_CODED_WEIGHT = 40
#: Memory of `render` over that of its tensors, for workspaces of convolutions. Measured: 1.4 to 1.7.
_WORKSPACE = 2


def restore_network(codec: INRCodec, stream: Stream) -> Representation:
    """The representation of a stream, with its weights, on the CPU.

    Raises:
        StreamError: the payload does not hold a network of this family for the header's clip.
    """
    try:
        representation, quantiser, payload = _empty_network(codec, stream)
        representation.network.to_empty(device="cpu")
        load(representation.network, quantiser, payload)
    except StreamError as error:
        raise StreamError(stream.path, error.problem, error.remedy) from error
    return representation


def decoder_memory(codec: INRCodec, stream: Stream) -> int:
    """Upper estimate of the bytes that decoding needs: of the weights, and of rendering the middle frame.

    The frame is rendered on the meta device, so no memory is allocated.

    Raises:
        StreamError: as `restore_network`, except for the weights, which are not decoded.
    """
    representation, _, _ = _empty_network(codec, stream)
    sizes = [parameter.numel() for parameter in representation.network.parameters()]
    middle = stream.header.frames // 2
    with LiveMemory(representation.network.parameters()) as memory:
        try:
            next(representation.render(middle, middle + 1))
        except RuntimeError as error:  # shapes that do not fit together, or overflow
            raise StreamError(stream.path, f"the network cannot be run ({error})") from error
    rendering = _WORKSPACE * memory.peak + representation.window_bytes()
    return _BYTES_PER_WEIGHT * sum(sizes) + max(_BYTES_PER_CODED_WEIGHT * max(sizes), rendering)


def _empty_network(codec: INRCodec, stream: Stream) -> tuple[Representation, AnyQuantiser | None, Payload]:
    """The representation of a stream on the meta device, and the quantiser and the payload of its weights."""
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
    check_network(
        representation.network,
        config,
        payload_bytes=len(stream.payload),
        height=header.height,
        width=header.width,
    )
    return representation, quantiser, payload
