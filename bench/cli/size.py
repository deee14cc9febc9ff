"""``bench size``: find the sizes of a fitted network that reach target rates; print them as rate points."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.codec import registry
from bench.codec.device import DEVICES
from bench.codec.registry import resolve_settings
from bench.video.clip import Clip


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("size", help="find the sizes of a fitted network for target rates")
    parser.add_argument(
        "--codec", required=True, metavar="ID", help="a fitted codec id with a `size` section"
    )
    parser.add_argument("--condition", required=True, help="condition whose budget and settings the fit has")
    parser.add_argument("--clip", required=True, type=Path, help="clip.json of the clip to calibrate on")
    parser.add_argument("--targets", required=True, nargs="+", type=float, metavar="BPP")
    parser.add_argument(
        "--bits-per-weight",
        type=float,
        help="of earlier fits; default: one fit measures it; 3 with the setting rate",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--out", type=Path, help="YAML file of points (default: standard output)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import yaml

    from bench.conditions.reader import load_condition
    from bench.inr.study.calibration import calibrate, size_values

    process.die_with_parent()
    if min(args.targets) <= 0:
        raise BenchError(f"--targets {min(args.targets)}", "must be above 0", "give bits per pixel above 0")
    config, clip, condition = (
        registry.codec_config(args.codec),
        Clip.load(args.clip),
        load_condition(args.condition),
    )
    first = {name: values[0] for name, values in size_values(config).items()}
    codecs = condition.codecs
    of_condition = codecs[config.id].settings if config.id in codecs else {}
    points = calibrate(
        config,
        clip,
        resolve_settings(config, {**condition.budget, **of_condition}, first),
        args.targets,
        bits_per_weight=args.bits_per_weight,
        device=args.device,
        progress=process.progress(f"size {config.id}"),
    )
    text = yaml.safe_dump({"points": points}, sort_keys=False, default_flow_style=None)
    if args.out is None:
        sys.stdout.write(text)
    else:
        with atomic_file(args.out) as file:
            file.write(text.encode())
    return 0
