"""``bench bundle``: write the streams of one codec in one condition, with their records, to one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bundle", help="write the streams and records of one codec to one file, for others to check"
    )
    parser.add_argument("condition", help="a name in config/conditions, or a YAML file")
    parser.add_argument("codec", metavar="CODEC", help="a codec id of the condition")
    parser.add_argument("--out", type=Path, help="default: <condition>-<codec>.tar")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import bench
    from bench.base.names import unknown_name
    from bench.bundles.bundle_file import SUFFIX, write_bundle
    from bench.workflow.plan import make_plan

    plan = make_plan(args.condition)
    if args.codec not in plan.configs:
        raise unknown_name("codec", args.codec, plan.configs, where=plan.condition.path)
    out = args.out or Path(f"{plan.condition.name}-{args.codec}{SUFFIX}")
    measured = [key for key in plan.measured() if key.codec == args.codec and key.encoded_here]
    index = write_bundle(measured, out, suite_version=bench.__version__)
    left = len([key for key in plan.points if key.codec == args.codec and key.encoded_here]) - len(index.runs)
    sys.stdout.write(f"{out}: {len(index.runs)} streams, {out.stat().st_size} bytes\n")
    if left:
        sys.stderr.write(f"[bundle] {left} points of {args.codec} are not measured yet\n")
    return 0
