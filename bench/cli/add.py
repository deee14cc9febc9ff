"""``bench add``: probe a video file or a folder of frames, and write its row of sequences.tsv."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "add", help="add a video file, or a folder of PNG or JPEG frames, to sequences.tsv"
    )
    parser.add_argument(
        "source",
        type=Path,
        nargs="+",
        metavar="FILE|FOLDER|PATTERN",
        help="a video file, a folder of frames, or a pattern in quotes, such as 'folder/*.png'",
    )
    parser.add_argument("--name", metavar="NAME", help="of the sequence (default: from the file's name)")
    parser.add_argument("--size", metavar="WxH", help="of a raw .yuv file whose name does not contain it")
    parser.add_argument("--fps", metavar="RATE", help="such as 25 or 30000/1001, if the source has none")
    parser.add_argument("--pixel-format", metavar="FORMAT", help="of a raw file, such as yuv420p10le")
    parser.add_argument("--matrix", choices=["bt709", "bt601"], help="if the source does not state it")
    parser.add_argument("--range", choices=["limited", "full"], help="if the source does not state it")
    parser.add_argument(
        "--run",
        dest="plot",
        action="store_true",
        help="code it at once with the default condition's classical codecs, and draw figures",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.sequences.new_row import add_row, describe_source
    from bench.sequences.table import SEQUENCES
    from bench.workflow.first_run import run_condition, write_condition

    process.die_with_parent()
    given: dict[str, Any] = {
        key: getattr(args, key) for key in ("fps", "pixel_format", "matrix", "range") if getattr(args, key)
    }
    if args.size:
        size = re.fullmatch("([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", args.size)
        if size is None:
            raise BenchError(f"--size {args.size}", "must be a size", "write WIDTHxHEIGHT, such as 1920x1080")
        given |= {"width": int(size[1]), "height": int(size[2])}
    if len(args.source) > 1:
        remedy = "write a pattern in quotes, such as 'folder/*.png', or run the command once for each file"
        raise BenchError(args.source[1], "is a second source", remedy)
    sequence, remarks = describe_source(args.source[0], args.name, given)
    add_row(sequence)
    facts = f"{sequence.width}x{sequence.height}, {sequence.frames} frames, {sequence.fps} a second"
    what = sequence.pixel_format or "RGB frames"
    for line in (f"{sequence.name}: {facts}, {what}; added to {SEQUENCES}", *remarks):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    if not args.plot:
        return 0
    condition = write_condition(sequence)
    sys.stdout.write(f"condition: {condition}; figures will be in results/figures/{condition.stem}\n")
    sys.stdout.flush()
    run_condition(condition.stem)
    return 0
