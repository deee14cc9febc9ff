"""``bench prepare``: create a condition's clip from its source sequence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.base import process


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("prepare", help="create a condition's clip: clip.y4m and clip.json")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--condition", help="a name in config/conditions, or a YAML file")
    source.add_argument("--plan", type=Path, metavar="FILE", help="a plan file of a run")
    parser.add_argument("--clip", required=True, metavar="NAME", help="a clip of that condition")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.conditions.reader import load_condition
    from bench.sequences.prepare import prepare
    from bench.workflow.plan_file import read_plan

    process.die_with_parent()
    condition = read_plan(args.plan).condition if args.plan else load_condition(args.condition)
    condition.clip(args.clip)
    prepare(condition, args.clip, args.out)
    return 0
