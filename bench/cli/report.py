"""``bench report`` and ``bench report-frames``: the report page of a condition, and the frames on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.base.errors import BenchError
from bench.codec.device import DEVICES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.base.result_files import RunKey
    from bench.workflow.plan import Plan


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("report", help="write the report page of a condition, static HTML")
    _add_condition(parser)
    parser.add_argument("--frames", nargs="*", type=Path, default=[], metavar="DIR", help="of report-frames")
    bits = "bits_CLIP.csv of the workflow; default: computed from the streams"
    parser.add_argument("--bits", nargs="*", type=Path, metavar="CSV", help=bits)
    parser.add_argument("--my-curves", type=Path, metavar="CSV", help="your curves, drawn beside the others")
    parser.set_defaults(run=run)

    help_ = "decode the frames that the report page shows of one clip"
    parser = subparsers.add_parser("report-frames", help=help_)
    _add_condition(parser)
    parser.add_argument("--clip", required=True, help="name of a clip of the condition")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run_frames)


def _add_condition(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("condition", nargs="?", help="a name in config/conditions, or a YAML file")
    source.add_argument("--plan", type=Path, metavar="FILE", help="plan file of a run of the workflow")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    from bench.base.csv_files import read_table
    from bench.report.page import write_page

    process.die_with_parent()
    plan = _plan(args)
    with _points(plan) as (points_csv, rows, records):
        bits: list[Mapping[str, Any]] = []
        if args.bits is None:
            bits = list(_bits(plan, rows, records))
        for path in args.bits or ():
            texts = ("clip", "series", "label", "point", "level", "name", "shape")
            bits += read_table(path, text=texts, remedy="create it with the workflow").to_dict("records")
        write_page(
            args.out,
            condition=plan.condition,
            points_csv=points_csv,
            records=records,
            planned=len(plan.points),
            skipped=[vars(skip) for skip in plan.skipped],
            footnotes=plan.footnotes,
            bits=bits,
            frames=args.frames,
            user_curves=args.my_curves,
        )
    process.progress("report")(f"{args.out / 'index.html'}")
    return 0


def run_frames(args: argparse.Namespace) -> int:
    from bench.base.result_files import clip_file
    from bench.report.frame_pictures import write_pictures
    from bench.video.clip import Clip

    process.die_with_parent()
    plan = _plan(args)
    plan.condition.clip(args.clip)
    clip = Clip.load(clip_file(plan.condition.name, args.clip, "clip.json"))
    with _points(plan) as (_, rows, records):
        write_pictures(
            args.out,
            condition=plan.condition,
            clip=clip,
            rows=rows,
            records=records,
            device=args.device,
            parts_of=_parts_of,
            progress=process.progress("report-frames"),
        )
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from bench.workflow.plan import make_plan
    from bench.workflow.plan_file import read_plan

    return read_plan(args.plan) if args.plan else make_plan(args.condition)


@contextmanager
def _points(plan: Plan) -> Iterator[tuple[Path, pd.DataFrame, dict[RunKey, Path]]]:
    """rd_points.csv of the measured points, its rows, and the record of each run.

    A reference run that was not measured here has its tracked record.

    Raises:
        BenchError: no point has a record.
    """
    from bench.analysis.rd_points import load_points
    from bench.base.files import temporary_folder
    from bench.base.result_files import REFERENCE, reference_folder
    from bench.scoring.record import collect

    records = {}
    for key in plan.points:
        path = Path(key.file("record.json"))
        if key.reference and not path.is_file():
            folder = reference_folder(key.condition) / key.clip / key.codec / key.point
            path = folder / key.run.removeprefix(REFERENCE) / "record.json"
        if path.is_file():
            records[key] = path
    if not records:
        name = plan.condition.name
        raise BenchError(f"condition {name}", "no point has a record", "run it, or choose another condition")
    with temporary_folder("report") as folder:
        points_csv = folder / "rd_points.csv"
        collect(records.values(), points_csv)
        yield points_csv, load_points(points_csv), records


def _bits(plan: Plan, rows: pd.DataFrame, records: Mapping[RunKey, Path]) -> Iterator[dict[str, Any]]:
    """Rows as in bits_<clip>.csv, of each fitted series at its point nearest to the condition's rate."""
    from bench.analysis.labels import label_of
    from bench.analysis.rd_points import nearest_points
    from bench.base.result_files import RunKey, file_of_record
    from bench.inr.study.inspection import bit_rows

    rate_bpp = plan.condition.strip_rate_bpp or float(rows["rate_bpp"].median())
    for clip in rows["clip"].unique():
        nearest = nearest_points(rows, clip=clip, rate_bpp=rate_bpp)
        for _, row in nearest[nearest["kind"] == "fitted"].iterrows():
            stream = file_of_record(records[RunKey.of(row)], "stream.bin")
            if stream.is_file():
                names = {name: row[name] for name in ("clip", "series", "point", "rate_bpp")}
                names["label"] = label_of(row.to_frame().T)
                yield from ({**names, **bits} for bits in bit_rows(stream))


def _parts_of(path: Path, frames: Sequence[int]) -> Mapping[int, Mapping[str, np.ndarray]]:
    """Parts of frames of a network that composes its frames of them. The CPU computes these few frames."""
    from bench.codec.container import read_stream
    from bench.codec.registry import load_family
    from bench.inr.study.inspection import open_network, parts_of_frames

    if not load_family(read_stream(path).header.family).has_parts:
        return {}
    codec, stream = open_network(path)
    return parts_of_frames(codec, stream, frames, device="cpu")
