"""A fitted network as bytes: its configuration, the quantiser's side information, the coded weights."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from bench.base.errors import BenchError, StreamError
from bench.inr.coding.quantisers import AnyQuantiser, Quantised, Quantiser, check_parts, options
from bench.inr.coding.weight_coder import decode_tensors, encode_tensors

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
        side: side information of all tensors in order, little-endian float16; where a tensor may have
            been coded by one of several quantisers, a byte before it says by which.
        weights: the coded integers (`bench.inr.coding.weight_coder`), or raw float32.
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


class OutputShape(Protocol):
    """What a network's configuration says of its output.

    Attributes:
        strides: frames are padded to a multiple of their product.
        size: (height, width) of the padded frame.
        peak_channels: floats per output pixel in the largest feature map.
    """

    @property
    def strides(self) -> tuple[int, ...]: ...

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def peak_channels(self) -> float: ...


def check_network(
    network: nn.Module, config: OutputShape, *, payload_bytes: int, height: int, width: int
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


def coded_weights(
    network: nn.Module, quantiser: AnyQuantiser | None
) -> tuple[bytes, bytes, list[np.ndarray]]:
    """Side information, coded weights and the integer codes of every parameter, in order.

    Raises:
        BenchError: a weight is not finite, or the quantiser names a part that the network has not.
    """
    tensors = {name: p.detach().cpu().contiguous() for name, p in network.named_parameters()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise BenchError(name, "has weights that are no numbers: the fit diverged", "lower learning_rate")
    if quantiser is None:
        return b"", b"".join(t.numpy().astype("<f4").tobytes() for t in tensors.values()), []
    check_parts(quantiser, tensors)
    side: list[bytes] = []
    codes: list[np.ndarray] = []
    for name, tensor in tensors.items():
        possible = options(quantiser, name, tuple(tensor.shape))
        choice, quantised = _closest(tensor, possible)
        side += [bytes([choice])] if len(possible) > 1 else []
        side += [quantised.side.astype("<f2").tobytes()]
        codes += [quantised.codes]
    return b"".join(side), encode_tensors(codes), codes


def _closest(tensor: Tensor, possible: Sequence[Quantiser]) -> tuple[int, Quantised]:
    """The option that is off least on average, and what it makes of the tensor."""
    tried = [quantiser.quantise(tensor) for quantiser in possible]
    if len(tried) == 1:
        return 0, tried[0]
    errors = [
        float((quantiser.dequantise(quantised) - tensor).abs().mean())
        for quantiser, quantised in zip(possible, tried, strict=True)
    ]
    best = errors.index(min(errors))
    return best, tried[best]


def load(network: nn.Module, quantiser: AnyQuantiser | None, payload: Payload) -> None:
    """Fill `network` with the weights of a payload.

    Raises:
        StreamError: the payload holds other weights than `network` has parameters.
    """
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    tensors = _raw(payload, shapes) if quantiser is None else _dequantised(payload, shapes, quantiser)
    with torch.no_grad():
        for parameter, tensor in zip(network.parameters(), tensors, strict=True):
            if not torch.isfinite(tensor).all():
                raise StreamError("stream", "a weight is not a number")
            parameter.copy_(tensor)


def _raw(payload: Payload, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Tensor]:
    sizes = [math.prod(shape) for shape in shapes.values()]
    if len(payload.weights) != 4 * sum(sizes):
        raise StreamError("stream", "the weights are cut short")
    values = np.frombuffer(payload.weights, dtype="<f4").astype(np.float32)
    for shape, part in zip(shapes.values(), np.split(values, np.cumsum(sizes)[:-1]), strict=True):
        yield torch.from_numpy(part.reshape(shape))


def _dequantised(
    payload: Payload, shapes: Mapping[str, tuple[int, ...]], quantiser: AnyQuantiser
) -> Iterator[Tensor]:
    sides = _read_side(payload.side, shapes, quantiser)
    codes = decode_tensors(payload.weights, list(shapes.values()))
    for code, (chosen, side) in zip(codes, sides, strict=True):
        yield chosen.dequantise(Quantised(code, side))


def _read_side(
    data: bytes, shapes: Mapping[str, tuple[int, ...]], quantiser: AnyQuantiser
) -> list[tuple[Quantiser, np.ndarray]]:
    """Every parameter's quantiser and its side information.

    Raises:
        StreamError: these bytes are not what the parameters need.
    """
    sides, at = [], 0
    for name, shape in shapes.items():
        possible, choice = options(quantiser, name, shape), 0
        if len(possible) > 1:
            choice = data[at] if at < len(data) else 0  # where it is cut short the ranges are too
            at += 1
        if choice >= len(possible):
            raise StreamError("stream", f"{name} has no quantiser {choice}")
        side_shape = possible[choice].side_shape(shape)
        count = math.prod(side_shape)
        if at + 2 * count > len(data):
            raise StreamError("stream", "the quantiser's side information is cut short")
        side = np.frombuffer(data, dtype="<f2", count=count, offset=at) if count else np.zeros(0, "<f2")
        sides.append((possible[choice], side.reshape(side_shape)))
        at += 2 * count
    if at != len(data):
        raise StreamError("stream", "the quantiser's side information is too long")
    return sides
