"""``bench crate``: write RO-Crate and Croissant metadata and a compute form into a folder of results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 <= hours < float("inf"):
        raise ValueError
    return hours


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("crate", help="write RO-Crate, Croissant and a compute form into results")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of results, such as that of merge")
    parser.add_argument("--name", default="", help="of the data set; default: its conditions")
    parser.add_argument(
        "--license",
        default="https://spdx.org/licenses/CC-BY-4.0",
        metavar="URL",
        help="licence of the results; default: CC BY 4.0",
    )
    for device in ("cpu", "gpu"):
        parser.add_argument(
            f"--discarded-{device}-hours", type=_hours, metavar="HOURS", help="of fits that no record is of"
        )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.reproduce.crate import write_crate

    hours = {"cpu": args.discarded_cpu_hours, "gpu": args.discarded_gpu_hours}
    stated = {device: value for device, value in hours.items() if value is not None}
    runs = write_crate(args.folder, name=args.name, license_url=args.license, discarded_hours=stated)
    sys.stdout.write(f"{args.folder / 'ro-crate-metadata.json'}: {runs} runs\n")
    return 0
