"""``bench list-figures``: the figures and tables that the workflow creates by name."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("list-figures", help="list the figures and tables that have a name")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.tables.text_table import plain
    from bench.workflow.targets import listing

    sys.stdout.write(plain(listing()))
    return 0
