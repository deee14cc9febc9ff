"""``bench merge``: join results of several machines in a new folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("merge", help="join results of several machines in a new folder")
    parser.add_argument("results", nargs="+", metavar="RESULTS", help="folders of results, or conditions")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="new folder of results")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.reproduce.merge import merge

    merged = merge(args.results, args.out)
    repeated = f"; {merged.repeated} more records agree with them" if merged.repeated else ""
    sys.stdout.write(f"{args.out}: {merged.runs} runs{repeated}\n")
    return 0
