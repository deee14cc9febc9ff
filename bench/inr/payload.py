"""A fitted network as bytes: its configuration, the quantiser's side information, the coded weights."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from bench.errors import StreamError
from bench.inr.layers import DecoderConfig
from bench.inr.quantise import Quantised, Quantiser
from bench.inr.weights import decode_tensors, encode_tensors

_LENGTH_BYTES = 4
#: A network's configuration is a few hundred bytes; more is no stream of ours.
_LARGEST_CONFIG = 1 << 16
#: Fewest bits that a weight of an honest stream takes (a pruned one some 0.1).
_FEWEST_BITS = 1 / 32
_LONGEST_LIST = 16
_LARGEST = 1 << 16
#: Floats per output pixel of a stage's output; the widest published networks have some 100.
_MOST_CHANNELS = 512


@dataclass(frozen=True)
class Payload:
    """What stands in a stream of a fitted network.

    Attributes:
        network: the configuration that rebuilds it, JSON values.
        quantiser: name and parameters of the quantiser.
        side: side information of all tensors, bytes of little-endian float16.
        weights: the coded integers (`bench.inr.weights`), or raw float32.
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
        """Raises StreamError where the parts do not add up."""
        if len(data) < 2 * _LENGTH_BYTES:
            raise StreamError("stream", "the network is cut short")
        config_end = 2 * _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        side_end = config_end + int.from_bytes(data[_LENGTH_BYTES : 2 * _LENGTH_BYTES], "little")
        if side_end > len(data):
            raise StreamError("stream", "the network is cut short")
        unpack = zlib.decompressobj()
        try:
            text = unpack.decompress(data[2 * _LENGTH_BYTES : config_end], _LARGEST_CONFIG)
            described = json.loads(text)
        except (zlib.error, ValueError, RecursionError) as error:
            raise StreamError("stream", "the network's configuration cannot be read") from error
        if not (
            isinstance(described, dict)
            and set(described) == {"network", "quantiser"}
            and all(isinstance(value, dict) for value in described.values())
        ):
            raise StreamError("stream", "the network's configuration has other parts than expected")
        side, weights = bytes(data[config_end:side_end]), bytes(data[side_end:])
        return cls(described["network"], described["quantiser"], side, weights)


def config_values(config: Any) -> dict[str, Any]:
    """The fields of a network's configuration that differ from their defaults."""
    defaults = {f.name: f.default for f in fields(config)}
    return {name: value for name, value in asdict(config).items() if value != defaults[name]}


def config_from_values(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """A configuration of type `cls` from a stream's JSON values, every field's type checked.

    Raises:
        StreamError: a field is unknown, missing, of another type, or beyond any sane network.
    """
    if unknown := set(values) - {f.name for f in fields(cls)}:
        raise StreamError("stream", f"the network has no setting {min(unknown)!r}")
    for name, value in values.items():
        items = value if isinstance(value, list) else [value]
        if len(items) > _LONGEST_LIST or any(isinstance(x, int | float) and abs(x) > _LARGEST for x in items):
            raise StreamError("stream", f"the network's setting {name!r} is out of range")
    try:
        return TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
    except ValueError as error:  # pydantic's ValidationError is one
        raise StreamError(
            "stream", f"the network's configuration is invalid ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def check_network(
    network: nn.Module, config: DecoderConfig, *, payload_bytes: int, height: int, width: int
) -> None:
    """Refuse, before memory is taken, a network that no stream of this length and size can hold."""
    sizes = [parameter.numel() for parameter in network.parameters()]
    if not all(sizes):
        raise StreamError("stream", "the network has an empty layer")
    parameters = sum(sizes)
    if parameters * _FEWEST_BITS > 8 * payload_bytes:
        raise StreamError("stream", f"{parameters} parameters in {payload_bytes} bytes")
    scale = math.prod(config.strides)
    fits = all(
        visible <= made < visible + scale for visible, made in zip((height, width), config.size, strict=True)
    )
    if not fits:
        raise StreamError("stream", f"the network makes {config.size}, the header says {(height, width)}")
    if config.peak_channels > _MOST_CHANNELS:
        raise StreamError("stream", "the network's stages are wider than any decoder should hold")


def coded_weights(network: nn.Module, quantiser: Quantiser | None) -> tuple[bytes, bytes, list[np.ndarray]]:
    """Side information, coded weights and the integer codes of every parameter, in order."""
    tensors = [parameter.detach().cpu().contiguous() for parameter in network.parameters()]
    if quantiser is None:
        return b"", b"".join(t.numpy().astype("<f4").tobytes() for t in tensors), []
    quantised = [quantiser.quantise(tensor) for tensor in tensors]
    codes = [q.codes for q in quantised]
    side = b"".join(q.side.astype("<f2").tobytes() for q in quantised)
    return side, encode_tensors(codes), codes


def load(network: nn.Module, quantiser: Quantiser | None, payload: Payload) -> None:
    """Fill `network` with the weights of a payload.

    Raises:
        StreamError: the payload holds other weights than `network` has parameters.
    """
    parameters = list(network.parameters())
    shapes = [tuple(p.shape) for p in parameters]
    tensors = _raw(payload, shapes) if quantiser is None else _dequantised(payload, shapes, quantiser)
    with torch.no_grad():
        for parameter, tensor in zip(parameters, tensors, strict=True):
            if not torch.isfinite(tensor).all():
                raise StreamError("stream", "a weight is not a number")
            parameter.copy_(tensor)


def _raw(payload: Payload, shapes: list[tuple[int, ...]]) -> Iterator[Tensor]:
    sizes = [math.prod(shape) for shape in shapes]
    if len(payload.weights) != 4 * sum(sizes):
        raise StreamError("stream", "the weights are cut short")
    values = np.frombuffer(payload.weights, dtype="<f4").astype(np.float32)
    for shape, part in zip(shapes, np.split(values, np.cumsum(sizes)[:-1]), strict=True):
        yield torch.from_numpy(part.reshape(shape))


def _dequantised(payload: Payload, shapes: list[tuple[int, ...]], quantiser: Quantiser) -> Iterator[Tensor]:
    side_shapes = [quantiser.side_shape(shape) for shape in shapes]
    sizes = [math.prod(shape) for shape in side_shapes]
    if len(payload.side) != 2 * sum(sizes):
        raise StreamError("stream", "the quantiser's side information is cut short")
    side = np.split(np.frombuffer(payload.side, dtype="<f2"), np.cumsum(sizes)[:-1])
    codes = decode_tensors(payload.weights, shapes)
    for code, values, shape in zip(codes, side, side_shapes, strict=True):
        yield quantiser.dequantise(Quantised(code, values.reshape(shape)))
