"""``bench decode`` and ``bench describe``: a stream file in, frames or a description out.

Nothing but the stream is opened: no clip, no configuration, no state.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.base import process
from bench.base.errors import BenchError, StreamError
from bench.base.files import atomic_file, atomic_folder
from bench.base.stage_clock import StageClock, cpu_seconds
from bench.codec import registry
from bench.codec.container import Header, Stream, read_stream
from bench.codec.contract import Codec
from bench.codec.device import DEVICES, resolve_device, synchronizer


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("decode", help="turn a stream into frames")
    parser.add_argument("stream", type=Path)
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument("-o", "--out", metavar="OUT", help="FILE.y4m, a folder for PNG frames, or - (y4m)")
    output.add_argument("--pipe", action="store_true", help="a JSON line, raw frames, a JSON line to stdout")
    parser.add_argument("--frames", metavar="A:B", help="only frames A to B-1")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)

    parser = subparsers.add_parser("describe", help="say what a stream holds, as JSON")
    parser.add_argument("stream", type=Path)
    parser.set_defaults(run=run_describe)


def run(args: argparse.Namespace) -> int:
    stream = read_stream(args.stream)
    first, stop = parse_frames(args.frames, stream.header.frames)
    if args.pipe:
        with process.binary_stdout() as file:
            pipe(stream, file, device=args.device, first=first, stop=stop)
        return 0
    codec = codec_of(stream)
    device = resolve_device(args.device, codec)
    frames = decode(stream, codec, device=device, clock=StageClock(), first=first, stop=stop)
    if args.out == "-":
        with process.binary_stdout() as file:
            _write_y4m(file, frames, stream.header)
    elif args.out.endswith(".y4m"):
        with atomic_file(args.out) as file:
            _write_y4m(file, frames, stream.header)
    elif args.out.endswith("/") or not Path(args.out).suffix or Path(args.out).is_dir():
        with atomic_folder(args.out) as folder:
            _write_png(folder, frames, stream.header, first)
    else:
        raise BenchError(args.out, "is of no known format", "write to FILE.y4m, to a folder, or to -")
    return 0


def run_describe(args: argparse.Namespace) -> int:
    text = json.dumps(describe(read_stream(args.stream)), indent=1, ensure_ascii=False)
    sys.stdout.write(text + "\n")
    return 0


def codec_of(stream: Stream) -> Codec:
    """The decoder that a stream names.

    Raises:
        StreamError: it is not installed.
    """
    family = stream.header.family
    if family not in registry.families():
        known = ", ".join(registry.families())
        raise StreamError(stream.path, f"is of the codec family {family!r}, not one of {known}", "install it")
    return registry.load_family(family)


def decode(
    stream: Stream, codec: Codec, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
) -> Iterator[np.ndarray]:
    """The codec's frames, checked against the header.

    Raises:
        StreamError: another number or another form of frames than the header says.
    """
    header = stream.header
    stop = header.frames if stop is None else stop
    count = 0
    with _named(stream):
        for frame in codec.decode(stream, device=device, clock=clock, first=first, stop=stop):
            count += 1
            if frame.dtype != np.uint8 or frame.shape != header.frame_shape or count > stop - first:
                raise StreamError(stream.path, f"frame {first + count - 1} is not as its header says")
            yield frame
        if count != stop - first:
            raise StreamError(stream.path, f"yields {count} of {stop - first} frames")


def pipe(
    stream: Stream, file: BinaryIO, *, device: str = "auto", first: int = 0, stop: int | None = None
) -> None:
    """Write what `bench.scoring.measure` reads: a JSON line (geometry), raw frames, a JSON line (cost).

    The last line is missing where decoding failed.
    """
    wall, cpu = time.perf_counter(), cpu_seconds()
    stop = stream.header.frames if stop is None else stop
    file.write(_json_line(header_values(stream.header) | {"first": first, "stop": stop}))
    codec = codec_of(stream)
    device = resolve_device(device, codec)
    clock = StageClock(synchronizer(device))
    for frame in decode(stream, codec, device=device, clock=clock, first=first, stop=stop):
        file.write(np.ascontiguousarray(frame).data)
    cost = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu, "stages": clock.seconds}
    file.write(_json_line(cost | {"device": device} | process.peak_memory()))
    file.flush()


def describe(stream: Stream) -> dict[str, Any]:
    """Header and payload as JSON values."""
    header = stream.header
    with _named(stream):
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


def parse_frames(text: str | None, frames: int) -> tuple[int, int]:
    """First frame and the one after the last of `A:B`, either of which may be left out.

    Raises:
        BenchError: not of that form, empty, or outside the clip.
    """
    first, colon, stop = (text or ":").partition(":")
    try:
        bounds = int(first or 0), int(stop or frames)
    except ValueError:
        colon, bounds = "", (0, 0)
    if not colon or not 0 <= bounds[0] < bounds[1] <= frames:
        remedy = f"give A:B with 0 <= A < B <= {frames}"
        raise BenchError(f"--frames {text}", f"is no range of frames of a clip of {frames}", remedy)
    return bounds


@contextmanager
def _named(stream: Stream) -> Iterator[None]:
    """Name the file in errors of a codec's parts, which know only its payload."""
    try:
        yield
    except StreamError as error:
        if error.where == str(stream.path):
            raise
        raise StreamError(stream.path, error.problem, error.remedy) from error


def _json_line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _write_y4m(file: BinaryIO, frames: Iterator[np.ndarray], header: Header) -> None:
    from bench.video.colour import to_yuv
    from bench.video.y4m import y4m_chunks

    if header.pixel_format == "rgb24":
        frames = to_yuv(frames, width=header.width, height=header.height, colour=header.matrix)
    for chunk in y4m_chunks(frames, width=header.width, height=header.height, fps=header.fps):
        file.write(chunk)


def _write_png(folder: Path, frames: Iterator[np.ndarray], header: Header, first: int) -> None:
    from PIL import Image

    from bench.video.colour import to_rgb

    if header.pixel_format == "yuv420p":
        frames = to_rgb(frames, width=header.width, height=header.height, colour=header.matrix)
    for index, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / f"{index:06d}.png")
