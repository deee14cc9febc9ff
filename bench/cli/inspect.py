"""``bench inspect``: bits of each stage and tensor of a stream, and pictures of the parts of its frames."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.codec.container import Header, Stream
from bench.codec.device import DEVICES, resolve_device

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "inspect", help="show the bits of a fitted network's tensors, and its parts"
    )
    parser.add_argument("stream", type=Path)
    parser.add_argument("--pictures", nargs="+", type=Path, metavar="FILE", help=".pdf, .png or .svg files")
    parser.add_argument("--frames", nargs="+", type=int, metavar="N", help="to draw (default: three)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.inr.study.inspection import open_network

    codec, stream = open_network(args.stream)
    sys.stdout.writelines(f"{line}\n" for line in _report(codec, stream, args.stream))
    if args.pictures:
        _draw(codec, stream, args.frames, args.pictures, device=resolve_device(args.device, codec))
    return 0


def _report(codec: INRCodec, stream: Stream, path: Path) -> Iterator[str]:
    """The header, the settings, then bits by stage and by tensor, as lines."""
    from bench.inr.study.inspection import bit_rows

    described, header = codec.describe(stream), stream.header
    size = f"{header.width}x{header.height}, {header.frames} frames, {float(header.fps):g} per second"
    yield f"{stream.path}: {header.family}, {size}"
    yield f"{stream.bytes} bytes, {8 * stream.bytes / _pixels(header):.4f} bpp"
    parts = {"header": stream.bytes - len(stream.payload), "quantiser ranges": described["side_bytes"]}
    parts |= {"weights": described["weight_bytes"]}
    parts["configuration"] = stream.bytes - sum(parts.values())
    yield "bytes: " + ", ".join(f"{name} {count}" for name, count in parts.items())
    yield "network: " + ", ".join(f"{key} {value}" for key, value in described["network"].items())
    yield "quantiser: " + ", ".join(f"{key} {value}" for key, value in described["quantiser"].items())
    rows = list(bit_rows(path))
    for level in ("stage", "tensor"):
        yield ""
        yield f"{f'by {level}':<32}{'shape':>22}{'weights':>10}{'bits':>10}{'each':>7}{'share':>8}"
        for row in rows:
            if row["level"] == level:
                numbers = f"{row['weights']:>10}{row['bits']:>10}{row['bits_per_weight']:>7.2f}"
                yield f"{row['name']:<32}{row['shape']:>22}{numbers}{100 * row['share']:>6.1f} %"


def _draw(
    codec: INRCodec, stream: Stream, frames: Sequence[int] | None, outs: Sequence[Path], *, device: str
) -> None:
    """Draw the parts of frames (default: first, middle, last).

    Raises:
        BenchError: a frame is not in the clip, or the network has no parts to show.
    """
    from bench.figures.frame_parts import Panel, draw_parts
    from bench.inr.study.inspection import parts_of_frames

    count = stream.header.frames
    chosen = list(dict.fromkeys(frames or (0, count // 2, count - 1)))
    for frame in chosen:
        if not 0 <= frame < count:
            problem = f"must be a frame of {stream.path}"
            raise BenchError(f"--frames {frame}", problem, f"give 0 to {count - 1}")
    parts = parts_of_frames(codec, stream, chosen, device=device)
    if not parts:
        raise BenchError(stream.path, "has no parts to show", "give a stream of FFNeRV")
    title = f"{stream.header.family}, {8 * stream.bytes / _pixels(stream.header):.3f} bpp"
    draw_parts([Panel("", parts)], title=title, outputs=outs)


def _pixels(header: Header) -> int:
    return header.frames * header.width * header.height
