"""``bench fetch-weights``: download the published weights of learned codecs and check them."""

from __future__ import annotations

import argparse
from typing import Any

from bench.base import process
from bench.codec import registry


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "fetch-weights", help="download the weights of learned codecs, and check them"
    )
    parser.add_argument("codecs", nargs="*", metavar="ID", help="codec ids; default: all that need weights")
    parser.add_argument("--point", action="append", help="only these rate points of the codecs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.sequences.fetch_weights import fetch_weights, weight_files

    process.die_with_parent()
    for file in weight_files(args.codecs or registry.codec_configs(), args.point):
        fetch_weights(file)
    return 0
