"""``bench inspect-condition``: bits and parts of a condition's fitted networks, each at its point nearest
to a rate.

The workflow runs it for its report; ``bench inspect`` shows one stream.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process

if TYPE_CHECKING:
    from bench.analysis.nearest_fits import Fit


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("inspect-condition", help="show bits and parts of a condition's networks")
    parser.add_argument("--points", required=True, type=Path, metavar="CSV", help="rd_points.csv")
    parser.add_argument("--clip", required=True)
    parser.add_argument("--rate-bpp", required=True, type=float, help="each series at its nearest point")
    parser.add_argument("--frame", type=int, default=0, help="to draw, with the ones before and after it")
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument("--pictures", nargs="+", type=Path, metavar="FILE", help=".pdf, .png or .svg files")
    formats = ".csv, .md, .tex or .html files"
    output.add_argument("--tables", nargs="+", type=Path, metavar="FILE", help=formats)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.analysis.labels import nearest_title
    from bench.analysis.nearest_fits import nearest_fits
    from bench.analysis.rd_points import load_points, rows_of_clip

    process.die_with_parent()
    rows = load_points(args.points)
    fits = list(nearest_fits(rows_of_clip(rows, args.clip), clip=args.clip, rate_bpp=args.rate_bpp))
    if args.pictures:
        _draw(fits, args.frame, title=nearest_title(rows, args.clip, args.rate_bpp), outs=args.pictures)
    else:
        _tabulate(fits, outs=args.tables)
    return 0


def _draw(fits: list[Fit], frame: int, *, title: str, outs: list[Path]) -> None:
    """Draw the parts of a frame and its two neighbours; the middle frame where the clip is too short.

    Three frames need no GPU, so the CPU decodes them.
    """
    from bench.figures.frame_parts import Panel, draw_parts
    from bench.figures.page import DOUBLE_COLUMN, SINGLE_COLUMN
    from bench.inr.study.inspection import open_network, parts_of_frames

    panels = []
    for fit in fits:
        codec, stream = open_network(Path(fit.stream))
        length = stream.header.frames
        middle = frame if frame < length else length // 2
        frames = [at for at in (middle - 1, middle, middle + 1) if 0 <= at < length]
        if parts := parts_of_frames(codec, stream, frames, device="cpu"):
            panels.append(Panel(f"{fit.label}, {fit.row['rate_bpp']:.3f} bpp", parts))
    width = SINGLE_COLUMN if len(panels) == 1 else DOUBLE_COLUMN
    draw_parts(panels, title=title, outputs=outs, width=width)


def _tabulate(fits: list[Fit], *, outs: list[Path]) -> None:
    from bench.inr.study.inspection import bit_rows
    from bench.tables.bit_breakdown import write_bits

    rows = []
    for fit in fits:
        series = {name: fit.row[name] for name in ("clip", "series", "point", "rate_bpp")}
        rows += [{**series, "label": fit.label, **row} for row in bit_rows(Path(fit.stream))]
    write_bits(rows, outputs=outs)
