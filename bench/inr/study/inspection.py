"""Inspection of a fitted network's stream: bits of each tensor as table rows, parts of frames as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.base.errors import BenchError
from bench.codec.container import Stream, read_stream
from bench.codec.decode import check_memory, codec_of

if TYPE_CHECKING:
    from torch import Tensor

    from bench.inr.codec import INRCodec


def open_network(path: Path) -> tuple[INRCodec, Stream]:
    """The stream of a fitted network and the codec that decodes it.

    Raises:
        BenchError: the file is not a stream, its codec is not a fitted network, or its decoder needs too much
            memory.
    """
    stream = read_stream(path)
    codec: Any = codec_of(stream)
    if not hasattr(codec, "restore"):
        family = stream.header.family
        raise BenchError(
            path, f"must be of a fitted network, is of the family {family}", "use bench describe"
        )
    check_memory(stream, codec)
    return codec, stream


def parts_of_frames(
    codec: INRCodec, stream: Stream, frames: Iterable[int], *, device: str
) -> dict[int, dict[str, np.ndarray]]:
    """Frame number -> part -> array (`Representation.parts`); empty for a network without parts.

    Images of a network that was fitted in YUV 4:2:0 are converted to RGB.
    """
    from bench.inr.network import planes, runtime
    from bench.video.colour import to_rgb

    header = stream.header

    def array(part: Tensor) -> np.ndarray:
        if header.pixel_format == "rgb24" or part.shape[:-2] != (3,):
            return part.cpu().numpy()
        frame = planes.to_420(part)
        (rgb,) = to_rgb([frame], width=header.width, height=header.height, colour=header.matrix)
        return rgb.transpose(2, 0, 1) / np.float32(255)

    runtime.prepare(threads=1, device=device)
    representation = codec.restore(stream)
    runtime.move(representation.network, device)
    parts = {
        frame: {name: array(part) for name, part in representation.parts(frame).items()} for frame in frames
    }
    return parts if any(parts.values()) else {}


def bit_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The bits of a stream's weights, one row a stage and one a tensor.

    Keys: level ("stage" or "tensor"), name, shape, weights, bits, bits_per_weight, share (of all bits, 0 to
    1).
    """
    from bench.inr.study.bit_breakdown import by_stage, tensor_sizes

    sizes = tensor_sizes(*open_network(path))
    total = sum(size.bits for size in sizes)
    for level, members in (("stage", by_stage(sizes)), ("tensor", sizes)):
        for size in members:
            yield {
                "level": level,
                "name": size.name,
                "shape": "x".join(map(str, size.shape)),
                "weights": size.weights,
                "bits": size.bits,
                "bits_per_weight": size.bits / size.weights,
                "share": size.bits / total,
            }
