"""What a fitted network's stream is made of: bits by tensor and by stage, and pictures of its parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from bench.container import Stream
from bench.inr.codec import INRCodec
from bench.inr.payload import Payload
from bench.inr.weights import decode_tensors, encode_tensors

#: A name's first parts say its stage: `stages.0.conv.weight` belongs to `stages.0`.
_CONTAINERS = ("stages", "grids.levels", "stem", "heads", "blocks")


@dataclass(frozen=True)
class TensorSize:
    """One coded tensor: its name, shape, and the bits that it takes coded by itself."""

    name: str
    shape: tuple[int, ...]
    bits: int

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def stage(self) -> str:
        parts = self.name.split(".")
        for length in (2, 1):
            if ".".join(parts[:length]) in _CONTAINERS and len(parts) > length:
                return ".".join(parts[: length + 1])
        return parts[0]


def tensor_sizes(codec: INRCodec, stream: Stream) -> list[TensorSize]:
    """The tensors of a stream in their order, each coded by itself, without quantiser ranges.

    In the stream, too, every tensor starts with a model that knows nothing; by itself it ends on a
    whole word, so that the sum is some 16 bits a tensor above the stream's.

    Raises:
        StreamError: the stream cannot be decoded.
    """
    network = codec.restore(stream).network
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    payload = Payload.from_bytes(stream.payload)
    if payload.quantiser.get("name") == "float32":
        return [TensorSize(name, shape, 32 * math.prod(shape)) for name, shape in shapes.items()]
    codes = decode_tensors(payload.weights, list(shapes.values()))
    bits = [8 * len(encode_tensors([code])) for code in codes]
    return [TensorSize(name, shapes[name], size) for name, size in zip(shapes, bits, strict=True)]


def by_stage(sizes: Iterable[TensorSize]) -> Iterator[TensorSize]:
    """The same added up by stage, in their order."""
    for stage, group in groupby(sizes, key=lambda size: size.stage):
        members = list(group)
        yield TensorSize(stage, (sum(m.weights for m in members),), sum(m.bits for m in members))
