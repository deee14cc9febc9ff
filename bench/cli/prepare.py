"""``bench prepare``: create a condition's clip from its source sequence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.base import process
from bench.conditions.reader import load_condition


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("prepare", help="create a condition's clip: clip.y4m and clip.json")
    parser.add_argument("--condition", required=True, help="a name in config/conditions, or a YAML file")
    parser.add_argument("--clip", required=True, metavar="NAME", help="a clip of that condition")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.sequences.prepare import prepare

    process.die_with_parent()
    condition = load_condition(args.condition)
    condition.clip(args.clip)
    prepare(condition, args.clip, args.out)
    return 0
