"""``bench status``: what a run in this folder computes at the moment, what is done, and what failed."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="print what runs, is done, failed and is left")
    parser.add_argument("--condition", help="a name in config/conditions, or a YAML file (default: config's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.conditions.run_config import default_condition
    from bench.workflow.plan import make_plan
    from bench.workflow.run_status import run_status

    sys.stdout.write(run_status(make_plan(args.condition or default_condition())).text())
    return 0
