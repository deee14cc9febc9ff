"""``bench retime``: time decoders again, one stream after the other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.base import process
from bench.codec.device import DEVICES

REPEATS = 3


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("retime", help="time decoders again, one stream after the other")
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json|DIR")
    parser.add_argument("--out", required=True, type=Path, help="decode_times.csv, one row a stream")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"decodes of each (default: {REPEATS})")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.reproduce.retime import retime

    process.die_with_parent()
    retime(args.records, out=args.out, repeats=args.repeats, device=args.device)
    return 0
