"""``bench clips``: size, length, and spatial and temporal information of prepared clips."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("clips", help="list prepared clips with their SI and TI (ITU-T P.910)")
    parser.add_argument(
        "clips", nargs="+", metavar="CLIP", help="clip.json, or a condition for all its clips"
    )
    formats = ".csv, .md, .tex or .html files"
    parser.add_argument("--out", nargs="+", default=[], type=Path, metavar="FILE", help=formats)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.base.result_files import clip_file
    from bench.conditions.reader import condition_names, load_condition
    from bench.tables.clips import clips_table
    from bench.tables.text_table import plain

    paths: list[Path] = []
    for text in args.clips:
        if text in condition_names():
            paths += [Path(clip_file(text, clip, "clip.json")) for clip in load_condition(text).clips]
        else:
            paths.append(Path(text))
    sys.stdout.write(plain(clips_table(paths, args.out)))
    return 0
