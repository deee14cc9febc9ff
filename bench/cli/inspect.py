"""``bench inspect``: where a stream's bits go, and pictures of what its frames are made of."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.cli.decode import codec_of
from bench.codec.container import Header, Stream, read_stream
from bench.codec.device import DEVICES, resolve_device

if TYPE_CHECKING:
    import numpy as np

    from bench.inr.codec import INRCodec
    from bench.inr.study.bit_breakdown import TensorSize


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("inspect", help="show where a fitted network's bits go, and its parts")
    parser.add_argument("stream", type=Path)
    parser.add_argument("--pictures", nargs="+", type=Path, metavar="FILE", help=".pdf, .png or .svg files")
    parser.add_argument("--frames", nargs="+", type=int, metavar="N", help="to draw (default: three)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    codec, stream = open_network(args.stream)
    sys.stdout.writelines(f"{line}\n" for line in report(codec, stream))
    if args.pictures:
        draw(codec, stream, args.frames, args.pictures, device=resolve_device(args.device, codec))
    return 0


def open_network(path: Path) -> tuple[INRCodec, Stream]:
    """The stream of a fitted network, and what can read it.

    Raises:
        BenchError: no stream, or one of another kind of codec.
    """
    stream = read_stream(path)
    codec: Any = codec_of(stream)
    if not hasattr(codec, "restore"):
        family = stream.header.family
        raise BenchError(path, f"is of the family {family}, no fitted network", "use bench describe")
    return codec, stream


def report(codec: INRCodec, stream: Stream) -> Iterator[str]:
    """The header, the settings, then bits by stage and by tensor, as lines."""
    from bench.inr.study.bit_breakdown import by_stage, tensor_sizes

    told, header = codec.describe(stream), stream.header
    size = f"{header.width}x{header.height}, {header.frames} frames, {float(header.fps):g} per second"
    yield f"{stream.path}: {header.family}, {size}"
    yield f"{stream.bytes} bytes, {8 * stream.bytes / _pixels(header):.4f} bpp"
    parts = {"header": stream.bytes - len(stream.payload), "quantiser ranges": told["side_bytes"]}
    parts |= {"weights": told["weight_bytes"]}
    parts["configuration"] = stream.bytes - sum(parts.values())
    yield "bytes: " + ", ".join(f"{name} {count}" for name, count in parts.items())
    yield "network: " + ", ".join(f"{key} {value}" for key, value in told["network"].items())
    yield "quantiser: " + ", ".join(f"{key} {value}" for key, value in told["quantiser"].items())
    sizes = tensor_sizes(codec, stream)
    total = sum(size.bits for size in sizes)
    for title, rows in (("by stage", list(by_stage(sizes))), ("by tensor", sizes)):
        yield ""
        yield from _table(title, rows, total)


def draw(
    codec: INRCodec, stream: Stream, frames: Sequence[int] | None, outs: Sequence[Path], *, device: str
) -> None:
    """Draw the parts of frames (default: first, middle, last).

    Raises:
        BenchError: a frame that is not in the clip, or a network without parts to show.
    """
    from bench.figures.frame_parts import Panel, draw_parts

    count = stream.header.frames
    chosen = list(dict.fromkeys(frames or (0, count // 2, count - 1)))
    for frame in chosen:
        if not 0 <= frame < count:
            raise BenchError(f"--frames {frame}", f"is no frame of {stream.path}", f"give 0 to {count - 1}")
    parts = parts_of(codec, stream, chosen, device=device)
    if not parts:
        raise BenchError(stream.path, "has no parts to show", "give a stream of FFNeRV")
    title = f"{stream.header.family}, {8 * stream.bytes / _pixels(stream.header):.3f} bpp"
    draw_parts([Panel("", parts)], title=title, outs=outs)


def parts_of(
    codec: INRCodec, stream: Stream, frames: Iterable[int], *, device: str
) -> dict[int, dict[str, np.ndarray]]:
    """Frame number -> part -> what `Representation.parts` gives; nothing for a network without parts."""
    from bench.inr.network import runtime
    from bench.inr.study.bit_breakdown import restore

    runtime.prepare(threads=1, device=device)
    representation = restore(codec, stream)
    runtime.place(representation.network, device)
    parts = {
        frame: {name: part.cpu().numpy() for name, part in representation.parts(frame).items()}
        for frame in frames
    }
    return parts if any(parts.values()) else {}


def _pixels(header: Header) -> int:
    return header.frames * header.width * header.height


def _table(title: str, rows: Iterable[TensorSize], total: int) -> Iterator[str]:
    yield f"{title:<32}{'shape':>22}{'weights':>10}{'bits':>10}{'each':>7}{'share':>8}"
    for row in rows:
        shape = "x".join(map(str, row.shape))
        each, share = row.bits / row.weights, 100 * row.bits / total
        yield f"{row.name:<32}{shape:>22}{row.weights:>10}{row.bits:>10}{each:>7.2f}{share:>6.1f} %"
