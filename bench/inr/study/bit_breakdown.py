"""Bits of a fitted network's stream, by tensor and by stage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from bench.codec.container import Stream
from bench.inr.codec import INRCodec
from bench.inr.coding.payload import Payload
from bench.inr.coding.weight_coder import decode_tensors, encode_tensors

#: Modules whose children are stages: `stages.0.conv.weight` belongs to the stage `stages.0`.
_CONTAINERS = ("stages", "grids.levels", "stem", "heads", "blocks")


@dataclass(frozen=True)
class TensorSize:
    """A coded tensor, or the sum of a stage: name, shape, and bits when coded separately."""

    name: str
    shape: tuple[int, ...]
    bits: int

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def stage(self) -> str:
        """The module that the tensor is counted under, such as `stages.0` or `image_head`."""
        parts = self.name.split(".")
        for length in (2, 1):
            if ".".join(parts[:length]) in _CONTAINERS and len(parts) > length:
                return ".".join(parts[: length + 1])
        return parts[0]


def shapes_of(codec: INRCodec, stream: Stream) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the tensors of a stream, in their order.

    Raises:
        StreamError: the stream cannot be decoded.
    """
    named = codec.restore(stream).network.named_parameters()
    return {name: tuple(parameter.shape) for name, parameter in named}


def codes_of(stream: Stream, shapes: Iterable[tuple[int, ...]]) -> list[np.ndarray]:
    """The integer codes of the tensors of a stream; empty if its weights are float32.

    Raises:
        StreamError: the stream cannot be decoded.
    """
    payload = Payload.from_bytes(stream.payload)
    if payload.quantiser.get("name") == "float32":
        return []
    return decode_tensors(payload.weights, list(shapes))


def tensor_sizes(codec: INRCodec, stream: Stream) -> list[TensorSize]:
    """The tensors of a stream in order, each coded separately, without quantiser ranges.

    The model starts anew with every tensor of a stream, too. A tensor that is coded separately ends on a
    whole word, so the sum exceeds the stream's bits by about 16 per tensor.

    Raises:
        StreamError: the stream cannot be decoded.
    """
    shapes = shapes_of(codec, stream)
    bits = [8 * len(encode_tensors([code])) for code in codes_of(stream, shapes.values())]
    bits = bits or [32 * math.prod(shape) for shape in shapes.values()]
    return [TensorSize(name, shapes[name], size) for name, size in zip(shapes, bits, strict=True)]


def by_stage(sizes: Iterable[TensorSize]) -> Iterator[TensorSize]:
    """Sums by stage, in the order of the stream."""
    for stage, group in groupby(sizes, key=lambda size: size.stage):
        members = list(group)
        yield TensorSize(stage, (sum(m.weights for m in members),), sum(m.bits for m in members))
