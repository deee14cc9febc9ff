"""``bench curve``: convert curves between the suite's CSV, CompressAI's JSON and logs of HM, VTM and AVM."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any


def _size(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    if width < 1 or height < 1:
        raise ValueError
    return width, height


def _fps(text: str) -> float:
    fps = float(Fraction(text))
    if fps <= 0:
        raise ValueError
    return fps


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "curve", help="convert curves between CSV, CompressAI's JSON and logs of HM, VTM and AVM"
    )
    help_ = "a curve file or rd_points.csv, CompressAI's .json, or logs (.log, .txt), one for each point"
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=help_)
    parser.add_argument(
        "-o", "--out", required=True, type=Path, metavar="FILE", help="ends with .csv or .json"
    )
    parser.add_argument(
        "--label", default="", help="name of the curve; of a CSV with several: the one to write"
    )
    parser.add_argument("--size", type=_size, metavar="WxH", help="if the files do not state it")
    parser.add_argument("--fps", type=_fps, metavar="RATE", help="such as 25 or 30000/1001; the same")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.analysis.curve_file import curve_rows
    from bench.analysis.curve_import import Format, read_compressai, read_log, write_curve
    from bench.base.errors import BenchError

    if (args.size is None) != (args.fps is None):
        raise BenchError("--size and --fps", "must be given together", "add the other one")
    video = Format(args.size[0], args.size[1], args.fps) if args.size else None
    rows: list[dict[str, Any]] = []
    for path in args.files:
        if path.suffix == ".csv":
            rows += curve_rows(path, args.label)
        elif path.suffix == ".json":
            rows += read_compressai(path, args.label, video)
        else:
            rows.append(read_log(path, args.label or path.parent.absolute().name, video))
    write_curve(sorted(rows, key=lambda row: (row["label"], row["rate_bpp"])), args.out)
    return 0
