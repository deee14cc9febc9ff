"""``bench decode`` and ``bench describe``: a stream file in, frames or a description out."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import atomic_file, atomic_folder
from bench.base.sizes import parse_bytes
from bench.base.stage_clock import StageClock
from bench.codec.container import read_stream
from bench.codec.decode import (
    MEMORY_VARIABLE,
    check_output_space,
    codec_of,
    decode,
    describe,
    write_pipe,
    write_png,
    write_y4m,
)
from bench.codec.device import DEVICES, resolve_device


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("decode", help="decode a stream to frames")
    parser.add_argument("stream", type=Path)
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument("-o", "--out", metavar="OUT", help="FILE.y4m, a folder for PNG frames, or - (y4m)")
    output.add_argument("--pipe", action="store_true", help="a JSON line, raw frames, a JSON line to stdout")
    parser.add_argument("--frames", metavar="A:B", help="only frames A to B-1")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    help_ = f"refuse a stream that needs more memory; default: {MEMORY_VARIABLE}, or 40G"
    parser.add_argument("--max-memory", metavar="BYTES", help=help_)
    parser.set_defaults(run=run)

    parser = subparsers.add_parser("describe", help="print the header and the payload of a stream as JSON")
    parser.add_argument("stream", type=Path)
    parser.set_defaults(run=run_describe)


def run(args: argparse.Namespace) -> int:
    stream = read_stream(args.stream)
    first, stop = parse_frames(args.frames, stream.header.frames)
    max_memory = parse_bytes(args.max_memory, where="--max-memory") if args.max_memory else None
    if args.pipe:
        process.die_with_parent(signal.SIGKILL)  # also while it computes in C
        with process.binary_stdout() as file:
            write_pipe(stream, file, device=args.device, first=first, stop=stop, max_memory=max_memory)
        return 0
    codec = codec_of(stream)
    device = resolve_device(args.device, codec)
    frames = decode(
        stream, codec, device=device, clock=StageClock(), first=first, stop=stop, max_memory=max_memory
    )
    if args.out != "-":
        check_output_space(Path(args.out), stream.header, stop - first)
    if args.out == "-":
        with process.binary_stdout() as file:
            write_y4m(file, frames, stream.header)
    elif args.out.endswith(".y4m"):
        with atomic_file(args.out) as file:
            write_y4m(file, frames, stream.header)
    elif args.out.endswith("/") or not Path(args.out).suffix or Path(args.out).is_dir():
        with atomic_folder(args.out) as folder:
            write_png(folder, frames, stream.header, first=first)
    else:
        raise BenchError(args.out, "unknown output format", "write to FILE.y4m, to a folder, or to -")
    return 0


def run_describe(args: argparse.Namespace) -> int:
    text = json.dumps(describe(read_stream(args.stream)), indent=1)
    sys.stdout.write(text + "\n")
    return 0


def parse_frames(text: str | None, frames: int) -> tuple[int, int]:
    """First frame and the one after the last of `A:B`; A is 0 and B is `frames` if left out.

    Raises:
        BenchError: the text has another form, or the range is empty or outside the clip.
    """
    first, colon, stop = (text or ":").partition(":")
    try:
        bounds = int(first or 0), int(stop or frames)
    except ValueError:
        colon, bounds = "", (0, 0)
    if not colon or not 0 <= bounds[0] < bounds[1] <= frames:
        problem = f"must be a range of the clip's {frames} frames"
        raise BenchError(f"--frames {text}", problem, f"give A:B with 0 <= A < B <= {frames}")
    return bounds
