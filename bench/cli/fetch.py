"""``bench fetch``: download sequences of kind `url` of config/sequences.tsv."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "fetch", help="download source sequences, check them, record their digests in the lock file"
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="a sequence of kind url in sequences.tsv")
    parser.add_argument("--tries", type=int, default=6, help="in a row without a new byte (default: 6)")
    parser.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS", help="of a try without a byte (default: 60)"
    )
    parser.add_argument("--receipt", type=Path, help="JSON file for sizes and digests of the download")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.base.files import write_json
    from bench.base.progress_bar import ProgressBar
    from bench.sequences.fetch import fetch
    from bench.sequences.retry import RetryPolicy
    from bench.sequences.table import find_sequence

    process.die_with_parent()
    for option, value in (("--tries", args.tries), ("--timeout", args.timeout)):
        if value <= 0:
            raise BenchError(option, f"must be above 0, is {value}", "give a positive number")
    if args.receipt and len(args.names) > 1:
        raise BenchError("--receipt", "works for one sequence only", "fetch the others without it")
    policy = RetryPolicy(attempts=args.tries, read_timeout_s=args.timeout)
    for sequence in [find_sequence(name) for name in args.names]:
        progress_bar = ProgressBar(f"fetch {sequence.name}")
        entry = fetch(sequence, progress_bar=progress_bar, retry_policy=policy)
        if args.receipt:
            write_json(args.receipt, asdict(entry))
    return 0
