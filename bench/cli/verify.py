"""``bench verify``: decode streams again and compare them with their records; status 1 if any differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.codec.device import DEVICES


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("verify", help="decode streams again and compare them with their records")
    parser.add_argument("paths", nargs="+", type=Path, metavar="RECORD.json|DIR")
    parser.add_argument("--clip", type=Path, help="clip.json; default: the prepared clip, or prepare it")
    parser.add_argument("--condition", help="name or YAML file; default: the record's")
    parser.add_argument("--tolerance-db", type=float, help="of metrics in dB (default: each metric's, 0.02)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.reproduce.inputs import RecordInputs, find_records
    from bench.reproduce.verify import verify

    different = 0
    with RecordInputs(args.clip, args.condition) as inputs:
        for path in find_records(args.paths):
            result = verify(path, inputs, tolerance_db=args.tolerance_db, device=args.device)
            different += bool(result.problems)
            frames = f"; {result.frames}" if result.frames else ""
            for line in result.problems or ["as recorded"]:
                sys.stdout.write(f"{path}: {line}{frames}\n")
                sys.stdout.flush()
    return 1 if different else 0
