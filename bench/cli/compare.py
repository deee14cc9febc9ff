"""``bench compare``: two sets of results; status 1 if a BD-rate of the second one is above a limit."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any


def _limit(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _pair(text: str) -> tuple[str, str]:
    first, separator, second = text.partition("=")
    if not (first and separator and second):
        raise argparse.ArgumentTypeError(f"{text!r} must be CODEC_OF_A=CODEC_OF_B")
    return first, second


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("compare", help="compare two sets of results: BD-rate, points, provenance")
    parser.add_argument("first", metavar="A", help="folder of results, condition, or git REVISION[:FOLDER]")
    parser.add_argument("second", metavar="B", help="the same; its BD-rate has A as the anchor")
    parser.add_argument(
        "--metrics", nargs="+", default=[], metavar="METRIC", help="default: four common ones"
    )
    parser.add_argument(
        "--pair",
        action="append",
        type=_pair,
        default=[],
        metavar="CODEC_OF_A=CODEC_OF_B",
        help="compare two codecs; default: equal ids",
    )
    parser.add_argument(
        "--fail-above",
        type=_limit,
        metavar="PERCENT",
        help="status 1 if a BD-rate is above this, or cannot be computed for other streams",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write text, CSV files and an HTML page there"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.analysis.result_comparison import compare_results, failures
    from bench.reproduce.result_set import read_result_set
    from bench.scoring.metrics import check_metrics
    from bench.tables.result_comparison import text_of, write_comparison

    check_metrics(args.metrics)
    names = args.first, args.second
    sides = [list(read_result_set(name).records.values()) for name in names]
    comparison = compare_results(*sides, metrics=args.metrics, pairs=dict(args.pair))
    sys.stdout.write(text_of(comparison, *names))
    if args.out:
        write_comparison(comparison, *names, args.out)
    problems = [] if args.fail_above is None else failures(comparison, args.fail_above)
    for problem in problems:
        sys.stdout.write(f"FAIL: {problem}\n")
    return 1 if problems else 0
