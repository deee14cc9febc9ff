"""Payload of a fitted network's stream: configuration, quantiser side information and coded weights.

Layout, all integers little-endian::

    bytes  field
        4  length c of the configuration
        4  length s of the side information
        c  zlib-compressed JSON {"network": {...}, "quantiser": {...}}
        s  side information of all parameters in order (`coded_weights`)
     rest  coded weights (`bench.inr.coding.weight_coder`), or raw float32

The network's configuration leaves out fields at their wire default (`config_values`). The quantiser's
description is stored as given; `bench.inr.coding.quantiser_description` has its defaults.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from bench.base.errors import BenchError, StreamError
from bench.base.strict_json import parse_json
from bench.inr.coding.quantisers import AnyQuantiser, Quantised, Quantiser, check_parts, options
from bench.inr.coding.weight_coder import decode_tensors, encode_tensors

_LENGTH_BYTES = 4
# Limits that a decoder checks before it allocates memory for a stream.
#: Bytes of the uncompressed configuration; real ones have a few hundred.
_LARGEST_CONFIG = 1 << 16
#: Bits per weight; pruned weights take about 0.1.
_FEWEST_BITS = 1 / 32
#: Entries and magnitude of a configuration's values.
_LONGEST_LIST = 16
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Payload:
    """Contents of a fitted network's stream.

    Attributes:
        network: the network's configuration, JSON values (`config_values`).
        quantiser: the quantiser's description.
        side: side information of all parameters in order, little-endian float16. A byte with the index of
            the quantiser precedes that of a parameter with several `options`.
        weights: coded integers, or raw little-endian float32.
    """

    network: Mapping[str, Any]
    quantiser: Mapping[str, Any]
    side: bytes
    weights: bytes

    def to_bytes(self) -> bytes:
        text = json.dumps({"network": self.network, "quantiser": self.quantiser}, separators=(",", ":"))
        config = zlib.compress(text.encode(), 9)
        lengths = b"".join(len(part).to_bytes(_LENGTH_BYTES, "little") for part in (config, self.side))
        return lengths + config + self.side + self.weights

    @classmethod
    def from_bytes(cls, data: memoryview) -> Payload:
        """Split a payload into its fields.

        Raises:
            StreamError: a length is wrong, or the configuration cannot be read.
        """
        if len(data) < 2 * _LENGTH_BYTES:
            raise StreamError("stream", "the network is cut short")
        config_end = 2 * _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        side_end = config_end + int.from_bytes(data[_LENGTH_BYTES : 2 * _LENGTH_BYTES], "little")
        if side_end > len(data):
            raise StreamError("stream", "the network is cut short")
        try:
            compressed = data[2 * _LENGTH_BYTES : config_end]
            described = parse_json(zlib.decompressobj().decompress(compressed, _LARGEST_CONFIG))
        except (zlib.error, ValueError) as error:
            raise StreamError("stream", "the network's configuration cannot be read") from error
        if not (
            isinstance(described, dict)
            and set(described) == {"network", "quantiser"}
            and all(isinstance(value, dict) for value in described.values())
        ):
            raise StreamError("stream", "its configuration must have the keys network and quantiser")
        side, weights = bytes(data[config_end:side_end]), bytes(data[side_end:])
        return cls(described["network"], described["quantiser"], side, weights)


def config_values(config: Any, wire_defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a network's configuration that a stream holds: all but those at their wire default.

    Args:
        wire_defaults: the value that a stream's configuration has for a field that it leaves out. It is a
            table of its own (`INRCodec.wire_defaults`), so that a new default of the dataclass changes the
            meaning of no stream.
    """
    values = asdict(config)
    return {
        name: value
        for name, value in values.items()
        if name not in wire_defaults or value != wire_defaults[name]
    }


def config_from_values(cls: type[Any], values: Mapping[str, Any], wire_defaults: Mapping[str, Any]) -> Any:
    """A configuration of type `cls` from a stream's JSON values; the type of every field is checked.

    Every field has its value from the stream or from `wire_defaults`, none from the dataclass.

    Raises:
        StreamError: a field is unknown, missing, of another type, or beyond the limits of any network.
    """
    names = {field.name for field in fields(cls)}
    if unknown := set(values) - names:
        raise StreamError("stream", f"the network has no setting {min(unknown)!r}")
    for name, value in values.items():
        entries = value if isinstance(value, list) else [value]
        if len(entries) > _LONGEST_LIST or any(
            isinstance(entry, int | float) and abs(entry) > _LARGEST for entry in entries
        ):
            raise StreamError("stream", f"the network's setting {name!r} is out of range")
    complete = {**wire_defaults, **values}
    if missing := names - set(complete):
        raise StreamError("stream", f"the network's setting {min(missing)!r} is missing")
    try:
        return TypeAdapter(cls).validate_json(json.dumps(complete), strict=True)
    except ValueError as error:  # includes pydantic's ValidationError
        reason = " ".join(str(error).split())[:120]
        raise StreamError("stream", f"the network's configuration is invalid ({reason})") from error


class OutputShape(Protocol):
    """The part of a network's configuration that must agree with the header's frame size.

    Attributes:
        strides: the padded frame is a multiple of their product.
        padded_size: (height, width) of the network's output, before it is cropped to the frame.
    """

    @property
    def strides(self) -> tuple[int, ...]: ...

    @property
    def padded_size(self) -> tuple[int, int]: ...


def check_network(
    network: nn.Module, config: OutputShape, *, payload_bytes: int, height: int, width: int
) -> None:
    """Check that a stream of this length and frame size can hold a network, before memory is allocated.

    Args:
        network: on the meta device.
        payload_bytes: length of the stream's payload; height, width: the header's, in pixels.

    Raises:
        StreamError: it cannot.
    """
    sizes = [parameter.numel() for parameter in network.parameters()]
    if not all(sizes):
        raise StreamError("stream", "the network has an empty layer")
    parameters = sum(sizes)
    if parameters * _FEWEST_BITS > 8 * payload_bytes:
        raise StreamError("stream", f"{parameters} parameters in {payload_bytes} bytes")
    scale = math.prod(config.strides)
    fits = all(
        side <= padded < side + scale
        for side, padded in zip((height, width), config.padded_size, strict=True)
    )
    if not fits:
        padded = "x".join(map(str, config.padded_size))
        raise StreamError("stream", f"the network's output is {padded}, the header's frame {height}x{width}")


def coded_weights(
    network: nn.Module, quantiser: AnyQuantiser | None
) -> tuple[bytes, bytes, list[np.ndarray]]:
    """Quantise and code every parameter of a network, in the network's order.

    Returns:
        side information, coded weights, and the integer codes of each parameter (none for float32 weights).

    Raises:
        BenchError: a weight is not finite, or an override matches no parameter.
    """
    tensors = {name: p.detach().cpu().contiguous() for name, p in network.named_parameters()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise BenchError(name, "has weights that are not finite: the fit diverged", "lower learning_rate")
    if quantiser is None:
        return b"", b"".join(t.numpy().astype("<f4").tobytes() for t in tensors.values()), []
    check_parts(quantiser, tensors)
    side: list[bytes] = []
    codes: list[np.ndarray] = []
    for name, tensor in tensors.items():
        choices = options(quantiser, name, tuple(tensor.shape))
        results = [choice.quantise(tensor) for choice in choices]
        best = 0
        if len(choices) > 1:  # HNeRV's rule: the smallest mean absolute error
            errors = [
                float((choice.dequantise(result) - tensor).abs().mean())
                for choice, result in zip(choices, results, strict=True)
            ]
            best = errors.index(min(errors))
            side.append(bytes([best]))
        side.append(results[best].side.astype("<f2").tobytes())
        codes.append(results[best].codes)
    return b"".join(side), encode_tensors(codes), codes


def load(network: nn.Module, quantiser: AnyQuantiser | None, payload: Payload) -> None:
    """Fill `network` with the weights of a payload.

    Raises:
        StreamError: the payload does not hold the weights of this network.
    """
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    tensors: Iterable[Tensor]
    if quantiser is None:
        tensors = _read_float32(payload.weights, list(shapes.values()))
    else:
        tensors = _read_quantised(payload, shapes, quantiser)
    with torch.no_grad():
        for parameter, tensor in zip(network.parameters(), tensors, strict=True):
            if not torch.isfinite(tensor).all():
                raise StreamError("stream", "a weight is not finite")
            parameter.copy_(tensor)


def _read_float32(weights: bytes, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    sizes = [math.prod(shape) for shape in shapes]
    if len(weights) != 4 * sum(sizes):
        raise StreamError("stream", "the weights are cut short")
    values = np.frombuffer(weights, dtype="<f4").astype(np.float32)
    pieces = np.split(values, np.cumsum(sizes)[:-1])
    return [torch.from_numpy(piece.reshape(shape)) for shape, piece in zip(shapes, pieces, strict=True)]


def _read_quantised(
    payload: Payload, shapes: Mapping[str, tuple[int, ...]], quantiser: AnyQuantiser
) -> Iterator[Tensor]:
    """Read the side information of every parameter, then decode and dequantise one after the other."""
    data, position = payload.side, 0
    chosen: list[tuple[Quantiser, np.ndarray]] = []
    for name, shape in shapes.items():
        choices, index = options(quantiser, name, shape), 0
        if len(choices) > 1:
            index = data[position] if position < len(data) else 0  # the length is checked below
            position += 1
        if index >= len(choices):
            raise StreamError("stream", f"{name} has no quantiser {index}")
        side_shape = choices[index].side_shape(shape)
        count = math.prod(side_shape)
        if position + 2 * count > len(data):
            raise StreamError("stream", "the quantiser's side information is cut short")
        side = np.frombuffer(data, dtype="<f2", count=count, offset=position) if count else np.zeros(0, "<f2")
        chosen.append((choices[index], side.reshape(side_shape)))
        position += 2 * count
    if position != len(data):
        raise StreamError("stream", "the quantiser's side information is too long")
    codes = decode_tensors(payload.weights, list(shapes.values()))
    for code, (single, side) in zip(codes, chosen, strict=True):
        yield single.dequantise(Quantised(code, side))
