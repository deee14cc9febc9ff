"""``bench rerun``: repeat one run from its record, which has its settings, seed and threads.

A codec that computes in floating point writes the same bytes on the same machine only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.base import process
from bench.codec.device import DEVICES


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("rerun", help="encode and measure one point again, from its record")
    parser.add_argument("record", type=Path, metavar="RECORD.json")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="for stream, report and record"
    )
    parser.add_argument("--clip", type=Path, help="clip.json; default: the prepared clip, or prepare it")
    parser.add_argument("--condition", help="name or YAML file; default: the record's")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--yes", action="store_true", help="repeat an encode of 10 minutes or more")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.reproduce.inputs import RecordInputs
    from bench.reproduce.rerun import check_cost, rerun

    process.die_with_parent()
    check_cost(args.record, confirmed=args.yes)
    with RecordInputs(args.clip, args.condition) as inputs:
        rerun(args.record, args.out, inputs, device=args.device, command=args.command)
    return 0
