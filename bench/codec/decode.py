"""Decoding: a stream file in, 8-bit frames or a description out.

A decoder opens the stream alone: no clip, no configuration, no state.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.base import process
from bench.base.errors import StreamError
from bench.base.progress_bar import format_megabytes
from bench.base.sizes import check_disk_space, parse_bytes
from bench.base.stage_clock import StageClock, cpu_seconds
from bench.codec import registry
from bench.codec.container import Header, Stream
from bench.codec.contract import Codec
from bench.codec.device import gpu_uuid, resolve_device, synchronizer

#: Variable with the largest memory of a decoder, such as 24G. Decoders that a measurement starts inherit it.
MEMORY_VARIABLE = "NVB_MAX_MEMORY"
#: Default of this limit: the largest published network, HiNeRV-L, needs 9 GB at 1080p and 35 GB at 2160p.
DEFAULT_MAX_MEMORY = 40 << 30
#: Bytes of an output file besides a frame's samples: a frame's line, or the headers of a picture.
_FRAME_OVERHEAD = 256


def codec_of(stream: Stream) -> Codec:
    """The codec family that a stream names in its header.

    Raises:
        StreamError: the family is not installed.
    """
    family = stream.header.family
    if family not in registry.families():
        known = ", ".join(registry.families())
        raise StreamError(stream.path, f"is of the codec family {family!r}, not one of {known}", "install it")
    return registry.load_family(family)


def check_memory(stream: Stream, codec: Codec, max_memory: int | None = None) -> None:
    """Check that decoding a stream needs at most `max_memory` bytes, by the codec's estimate.

    Args:
        max_memory: None: the value of the variable NVB_MAX_MEMORY. If it is not set: 40 GiB, or three
            quarters of the machine's memory if that is less.

    Raises:
        StreamError: it needs more, or the payload is damaged.
        BenchError: NVB_MAX_MEMORY is not a number of bytes.
    """
    if max_memory is None:
        text = os.environ.get(MEMORY_VARIABLE)
        max_memory = parse_bytes(text, where=MEMORY_VARIABLE) if text else DEFAULT_MAX_MEMORY
        if not text:
            installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            max_memory = min(max_memory, installed * 3 // 4)
    with _errors_name(stream):
        needed = codec.decoder_memory(stream, enough=max_memory)
    if needed > max_memory:
        limit = format_megabytes(max_memory)
        problem = f"needs {format_megabytes(needed)} of memory to decode, the limit is {limit}"
        raise StreamError(stream.path, problem, f"if you trust it, raise --max-memory (or {MEMORY_VARIABLE})")


def decode(
    stream: Stream,
    codec: Codec,
    *,
    device: str,
    clock: StageClock,
    first: int = 0,
    stop: int | None = None,
    max_memory: int | None = None,
) -> Iterator[np.ndarray]:
    """Frames `first` to `stop` - 1 in display order, each checked against the header.

    Shapes and formats are those of `bench.codec.contract.Codec.decode`.

    Raises:
        StreamError: the payload is damaged, the frames differ from the header in number, shape or type, or
            decoding needs more memory than the limit (`check_memory`).
    """
    check_memory(stream, codec, max_memory)
    stop = stream.header.frames if stop is None else stop
    return _checked_frames(stream, codec, device=device, clock=clock, first=first, stop=stop)


def _checked_frames(
    stream: Stream, codec: Codec, *, device: str, clock: StageClock, first: int, stop: int
) -> Iterator[np.ndarray]:
    header, count = stream.header, 0
    with _errors_name(stream):
        for frame in codec.decode(stream, device=device, clock=clock, first=first, stop=stop):
            count += 1
            if frame.dtype != np.uint8 or frame.shape != header.frame_shape or count > stop - first:
                raise StreamError(stream.path, f"frame {first + count - 1} is not as its header states")
            yield frame
        if count != stop - first:
            raise StreamError(stream.path, f"yields {count} of {stop - first} frames")


def write_pipe(
    stream: Stream,
    file: BinaryIO,
    *,
    device: str = "auto",
    first: int = 0,
    stop: int | None = None,
    max_memory: int | None = None,
) -> None:
    """Write a JSON line (geometry), raw frames, and a JSON line (cost), for `bench.codec.decoder_process`.

    If decoding fails, the last line is missing.
    """
    started_wall, started_cpu = time.perf_counter(), cpu_seconds()
    stop = stream.header.frames if stop is None else stop
    file.write(_json_line(header_values(stream.header) | {"first": first, "stop": stop}))
    codec = codec_of(stream)
    device = resolve_device(device, codec)
    clock = StageClock(synchronizer(device))
    waited = 0.0
    for frame in decode(
        stream, codec, device=device, clock=clock, first=first, stop=stop, max_memory=max_memory
    ):
        started = time.perf_counter()
        file.write(np.ascontiguousarray(frame).data)
        waited += time.perf_counter() - started
    cost = {
        "waited_s": waited,
        "wall_s": time.perf_counter() - started_wall,
        "cpu_s": cpu_seconds() - started_cpu,
        "stages": clock.seconds,
        "device": device,
        "gpu": gpu_uuid(device),
        **process.peak_memory(),
        **clock.facts,
    }
    file.write(_json_line(cost))
    file.flush()


def check_output_space(path: Path, header: Header, frames: int) -> None:
    """Check that the disk of an output has room for the decoded frames: y4m, or RGB pictures uncompressed.

    Raises:
        BenchError: it has not.
    """
    pixels = header.width * header.height
    size = pixels * 3 // 2 if path.suffix == ".y4m" else pixels * 3
    check_disk_space(path.parent if path.suffix == ".y4m" else path, frames * (size + _FRAME_OVERHEAD))


def write_y4m(file: BinaryIO, frames: Iterator[np.ndarray], header: Header) -> None:
    """Write frames as y4m (8-bit 4:2:0). RGB frames are converted with the header's matrix."""
    from bench.video.colour import to_yuv
    from bench.video.y4m import y4m_chunks

    if header.pixel_format == "rgb24":
        frames = to_yuv(frames, width=header.width, height=header.height, colour=header.matrix)
    for chunk in y4m_chunks(frames, width=header.width, height=header.height, fps=header.fps):
        file.write(chunk)


def write_png(folder: Path, frames: Iterator[np.ndarray], header: Header, *, first: int = 0) -> None:
    """Write frames as RGB pictures <frame number>.png; the first has the number `first`."""
    from PIL import Image

    from bench.video.colour import to_rgb

    if header.pixel_format == "yuv420p":
        frames = to_rgb(frames, width=header.width, height=header.height, colour=header.matrix)
    for index, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / f"{index:06d}.png")


def describe(stream: Stream) -> dict[str, Any]:
    """Header and payload of a stream as JSON values."""
    header = stream.header
    with _errors_name(stream):
        payload = codec_of(stream).describe(stream)
    pixels = header.width * header.height * header.frames
    return {
        "bytes": stream.bytes,
        "header_bytes": stream.bytes - len(stream.payload),
        "rate_bpp": 8 * stream.bytes / pixels,
        "header": header_values(header),
        "payload": payload,
    }


def header_values(header: Header) -> dict[str, Any]:
    """A header as JSON values; the frame rate as "numerator/denominator"."""
    fps = f"{header.fps.numerator}/{header.fps.denominator}"
    return {name: getattr(header, name) for name in header.__dataclass_fields__} | {"fps": fps}


@contextmanager
def _errors_name(stream: Stream) -> Iterator[None]:
    """Put the file's path into errors of a codec's parts, which have only the payload."""
    try:
        yield
    except StreamError as error:
        if error.where == str(stream.path):
            raise
        raise StreamError(stream.path, error.problem, error.remedy) from error


def _json_line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
