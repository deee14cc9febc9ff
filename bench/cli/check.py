"""``bench check``: decode and score the streams of a bundle again; status 1 if a point differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.codec.device import DEVICES


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check", help="decode and score the streams of a bundle again, and compare them with its records"
    )
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="written by bench bundle")
    parser.add_argument("--clip", type=Path, help="clip.json; default: the prepared clip, or prepare it")
    parser.add_argument("--tolerance-db", type=float, help="of metrics in dB (default: each metric's, 0.02)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.base.files import temporary_folder
    from bench.bundles.bundle_file import read_bundle
    from bench.reproduce.check import check_runs, other_programs
    from bench.reproduce.inputs import RecordInputs

    different = 0
    with RecordInputs(args.clip, None) as inputs:
        for path in args.bundles:
            with temporary_folder("bundle") as folder:
                bundle = read_bundle(path, folder)
                for line in other_programs(bundle):
                    sys.stderr.write(f"[check] {path}: {line}\n")
                for name, problems in check_runs(
                    bundle, inputs, tolerance_db=args.tolerance_db, device=args.device
                ):
                    different += bool(problems)
                    for line in problems or ["agrees"]:
                        sys.stdout.write(f"{path}: {name}: {line}\n")
                        sys.stdout.flush()
    return 1 if different else 0
