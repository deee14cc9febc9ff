"""``bench inside``: what the fitted networks of a condition are made of, each at its point nearest to a rate.

What the workflow calls for its report; `bench inspect` shows one stream.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.inspect import open_network, parts_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fit:
    """One fitted series at its point: the row of its record, its name in figures, its stream's path."""

    row: pd.Series
    label: str
    stream: Path


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("inside", help="show what a condition's fitted networks are made of")
    parser.add_argument("--points", required=True, type=Path, metavar="CSV", help="rd_points.csv")
    parser.add_argument("--clip", required=True)
    parser.add_argument("--rate-bpp", required=True, type=float, help="each series at its nearest point")
    parser.add_argument("--frame", type=int, default=0, help="to draw, with the ones before and after it")
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument("--pictures", nargs="+", type=Path, metavar="FILE", help=".pdf, .png or .svg files")
    output.add_argument("--tables", nargs="+", type=Path, metavar="FILE", help=".csv, .md or .tex files")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.analysis.curves import load_points
    from bench.figures.series import nearest_title, need_clip

    rows = load_points(args.points)
    fits = list(nearest_fits(need_clip(rows, args.clip), clip=args.clip, rate_bpp=args.rate_bpp))
    if args.pictures:
        title = nearest_title(rows, args.clip, args.rate_bpp)
        _draw(fits, args.frame, title=title, outs=args.pictures)
    else:
        _tabulate(fits, outs=args.tables)
    return 0


def nearest_fits(rows: pd.DataFrame, *, clip: str, rate_bpp: float) -> Iterator[Fit]:
    """Every fitted series of a clip at its point nearest to a rate; paths are relative as in the workflow."""
    from bench.analysis.curves import epochs_of, nearest_points, series_label
    from bench.workflow.plan import Point

    nearest = nearest_points(rows, clip=clip, rate_bpp=rate_bpp)
    for _, row in nearest[nearest["kind"] == "fitted"].iterrows():
        place = {name: row[name] for name in ("condition", "clip", "codec", "point", "run")}
        label = series_label(
            row["label"], kind=row["kind"], reference=row["reference"], epochs=epochs_of(row.to_frame().T)
        )
        yield Fit(row, label, Path(Point(**place).file("stream.bin")))


def _draw(fits: list[Fit], frame: int, *, title: str, outs: list[Path]) -> None:
    """Draw the parts of a frame and of the ones beside it, on the CPU: a few frames are no work for a GPU."""
    from bench.figures.frame_parts import Panel, draw_parts
    from bench.figures.page import DOUBLE_COLUMN, SINGLE_COLUMN

    panels = []
    for fit in fits:
        codec, stream = open_network(fit.stream)
        frames = [at for at in (frame - 1, frame, frame + 1) if 0 <= at < stream.header.frames]
        if parts := parts_of(codec, stream, frames, device="cpu"):
            panels.append(Panel(f"{fit.label}, {fit.row['rate_bpp']:.3f} bpp", parts))
    width = SINGLE_COLUMN if len(panels) == 1 else DOUBLE_COLUMN
    draw_parts(panels, title=title, outs=outs, width=width)


def _tabulate(fits: list[Fit], *, outs: list[Path]) -> None:
    from bench.tables.bit_breakdown import write_bits

    write_bits([row for fit in fits for row in _rows(fit)], outs=outs)


def _rows(fit: Fit) -> Iterator[dict[str, Any]]:
    from bench.inr.study.bit_breakdown import by_stage, tensor_sizes
    from bench.tables.bit_breakdown import STAGE, TENSOR

    sizes = tensor_sizes(*open_network(fit.stream))
    total = sum(size.bits for size in sizes)
    place = {"clip": fit.row["clip"], "series": fit.row["series"], "label": fit.label}
    place |= {"point": fit.row["point"], "rate_bpp": fit.row["rate_bpp"]}
    for level, found in ((STAGE, by_stage(sizes)), (TENSOR, sizes)):
        for size in found:
            yield {
                **place,
                "level": level,
                "name": size.name,
                "shape": "x".join(map(str, size.shape)),
                "weights": size.weights,
                "bits": size.bits,
                "bits_per_weight": size.bits / size.weights,
                "share": size.bits / total,
            }
