"""``bench measure`` and ``bench collect``: the record of one stream, and one table of many records."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.base.names import unknown_name
from bench.base.result_files import RUN
from bench.codec.device import DEVICES

if TYPE_CHECKING:
    from bench.conditions.condition import Condition


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "measure", help="decode a stream in a separate process, score its frames, write a record"
    )
    parser.add_argument("--stream", required=True, type=Path)
    parser.add_argument("--clip", required=True, type=Path, help="the clip's clip.json")
    parser.add_argument(
        "--report", type=Path, help="encode.json, the report of `bench encode`, if there is one"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--condition", help="a name in config/conditions, or a YAML file")
    source.add_argument("--plan", type=Path, metavar="FILE", help="a plan file of a run")
    parser.add_argument("--codec", required=True, metavar="ID")
    parser.add_argument("--point", required=True)
    parser.add_argument(
        "--run", required=True, dest="run_name", help="seed<k>, reference-seed<k>, bundle-<name>-seed<k>"
    )
    parser.add_argument("--out", required=True, type=Path, help="record.json")
    parser.add_argument("--frames-csv", required=True, type=Path, help="frames.csv: scores, one row a frame")
    parser.add_argument("--crop", type=Path, help="crop.png: the condition's `strip` region")
    parser.add_argument("--device", choices=DEVICES, help="default: the condition's")
    parser.add_argument(
        "--repeat",
        action="store_true",
        help="decode twice and compare the frames, as is done in any case on a GPU and for external codecs",
    )
    parser.add_argument("--threads", type=int, default=1, help="frames that are scored at a time")
    parser.set_defaults(run=run_measure)

    parser = subparsers.add_parser("collect", help="write one table of many records")
    parser.add_argument("--out", required=True, type=Path, help="rd_points.csv")
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json")
    parser.set_defaults(run=run_collect)


def run_measure(args: argparse.Namespace) -> int:
    from bench.scoring.measure import measure

    process.die_with_parent()
    condition, label = _condition_and_label(args)
    if label and (match := RUN.fullmatch(args.run_name)) and match[2]:
        label += f", bundle {match[2]}"
    strip = condition.strip
    measure(
        stream=args.stream,
        clip=args.clip,
        report=args.report,
        condition=condition.name,
        metrics=condition.measured_metrics,
        codec=args.codec,
        point=args.point,
        run=args.run_name,
        label=label,
        out=args.out,
        frames_csv=args.frames_csv,
        crop=args.crop,
        crop_frame=strip.frame if strip else None,
        crop_region=strip.crop if strip else None,
        device=args.device or condition.device,
        repeat=args.repeat,
        threads=max(1, args.threads),
    )
    return 0


def _condition_and_label(args: argparse.Namespace) -> tuple[Condition, str | None]:
    """The condition and the codec's label, both of the plan file; without one the label is None."""
    if args.plan is None:
        from bench.conditions.reader import load_condition

        return load_condition(args.condition), None
    from bench.workflow.plan_file import read_plan

    plan = read_plan(args.plan)
    if args.codec not in plan.configs:
        raise unknown_name("codec", args.codec, plan.configs, where=args.plan)
    return plan.condition, plan.configs[args.codec].label


def run_collect(args: argparse.Namespace) -> int:
    from bench.scoring.record import collect

    count = collect(args.records, args.out)
    sys.stderr.write(f"[collect] {count} records in {args.out}\n")
    return 0
