"""Rebuild the network of a stream. Every length and shape is checked before memory is allocated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from bench.base.errors import StreamError
from bench.inr.coding.payload import OutputShape, Payload, check_network, config_from_values, load
from bench.inr.coding.quantiser_description import parse_description
from bench.inr.coding.quantisers import AnyQuantiser, build_quantiser
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
#: A bound without rendering: this number of tensors as large as the output, each with as many channels as the
#: largest side of a weight, and the bytes of E-NeRV's attention with the most tokens.
_TENSORS, _ATTENTION_BYTES = 8, 2 << 30


def restore_network(codec: INRCodec, stream: Stream) -> Representation:
    """The representation of a stream, with its weights, on the CPU.

    Raises:
        StreamError: the payload does not hold a network of this family for the header's clip.
    """
    try:
        representation, _, quantiser, payload = _empty_network(codec, stream)
        representation.network.to_empty(device="cpu")
        load(representation.network, quantiser, payload)
    except StreamError as error:
        raise StreamError(stream.path, error.problem, error.remedy) from error
    return representation


def decoder_memory(codec: INRCodec, stream: Stream, *, enough: int) -> int:
    """Upper estimate of the bytes that decoding needs: of the weights, and of rendering the middle frame.

    The frame is rendered on the meta device, so no memory is allocated. That takes 0.6 s, most of it for
    imports of torch, and is left out if a loose bound is at most `enough`.

    Raises:
        StreamError: as `restore_network`, except for the weights, which are not decoded.
    """
    representation, config, _, _ = _empty_network(codec, stream)
    parameters = list(representation.network.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    weights = _BYTES_PER_WEIGHT * sum(sizes) + _BYTES_PER_CODED_WEIGHT * max(sizes)
    weights += representation.window_bytes()
    widest = max(max(parameter.shape, default=1) for parameter in parameters)
    output = 4 * widest * math.prod(config.padded_size)
    if (loose := weights + _TENSORS * output + _ATTENTION_BYTES) <= enough:
        return loose
    from bench.inr.network.live_memory import LiveMemory

    middle = stream.header.frames // 2
    with LiveMemory(parameters) as memory:
        try:
            next(representation.render(middle, middle + 1))
        except RuntimeError as error:  # shapes that do not fit together, or overflow
            raise StreamError(stream.path, f"the network cannot be run ({error})") from error
    return weights + _WORKSPACE * memory.peak


def _empty_network(
    codec: INRCodec, stream: Stream
) -> tuple[Representation, OutputShape, AnyQuantiser | None, Payload]:
    """The representation of a stream on the meta device, its configuration, and quantiser and payload."""
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
    return representation, config, quantiser, payload
