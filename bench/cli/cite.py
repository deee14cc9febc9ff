"""``bench cite``: BibTeX of every method, clip, metric and tool that results, tables or figures used."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("cite", help="print BibTeX of what results, tables or figures used")
    help_ = "CSV table, figure, folder of results, or condition; default: the condition of config.yaml"
    parser.add_argument("results", nargs="*", metavar="RESULTS", help=help_)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.conditions.run_config import default_condition
    from bench.reproduce.cite import cite

    sys.stdout.write(cite(args.results or [default_condition()]))
    return 0
