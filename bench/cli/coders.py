"""``bench coders``: bytes of streams' weights under this suite's coder, a pooled Huffman code, and NNC."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError
from bench.tables.text_table import TextTable, number, plain

_HEADER = ("Stream", "Weights", "Here (bytes)", "Huffman (bytes)", "", "NNC (bytes)", "")
_NOTES = (
    "Percentages: above the bytes here. Huffman: one code for all tensors, without its table, as in papers.",
    "NNC: the entropy coder of ISO/IEC 15938-17, without headers. All three code the same integers.",
)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("coders", help="compare coders on the weights of streams")
    parser.add_argument("streams", nargs="+", type=Path, metavar="STREAM")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.inr.study.nnc import check_installed

    check_installed()
    rows = [_row(path) for path in args.streams]
    sys.stdout.write(plain(TextTable(_HEADER, rows, [False] + [True] * (len(_HEADER) - 1), ["", *_NOTES])))
    return 0


def _row(path: Path) -> list[str]:
    from bench.inr.coding.huffman import huffman_bits
    from bench.inr.study import nnc
    from bench.inr.study.bit_breakdown import codes_of, shapes_of
    from bench.inr.study.inspection import open_network

    codec, stream = open_network(path)
    codes = codes_of(stream, shapes_of(codec, stream).values())
    if not codes:
        raise BenchError(
            path, "has float32 weights, which no coder codes", "give a stream of quantised weights"
        )
    here = codec.describe(stream)["weight_bytes"]
    others = (-(-huffman_bits(codes) // 8), nnc.coded_bytes(codes))
    above = [(str(size), f"{number(100 * (size / here - 1), 1, sign=True)} %") for size in others]
    return [str(path), str(sum(code.size for code in codes)), str(here), *above[0], *above[1]]
