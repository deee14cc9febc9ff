"""``bench encode``: one clip, one codec, one rate point; one stream file and its report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.overrides import parse_overrides
from bench.codec import registry
from bench.codec.device import DEVICES
from bench.codec.encode import EncodePlan, encode
from bench.conditions.reader import load_condition, settings_of
from bench.video.clip import Clip


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("encode", help="encode one clip to one stream file")
    parser.add_argument("--codec", required=True, metavar="ID", help="a codec id; `bench codecs` lists them")
    parser.add_argument("--point", required=True, help="a rate point of the condition or the codec")
    parser.add_argument("--condition", help="a name in config/conditions, or a YAML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--clip", required=True, type=Path, help="clip.json of a prepared clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=DEVICES, help="default: the condition's, else auto")
    parser.add_argument("--out", required=True, type=Path, help="the stream file")
    parser.add_argument("--report", type=Path, help="encode.json: settings, times and details of the encode")
    parser.add_argument(
        "--state-dir", type=Path, help="folder for the state that an interrupted fit resumes from"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    process.die_with_parent()
    config = registry.codec_config(args.codec)
    condition = load_condition(args.condition) if args.condition else None
    clip = Clip.load(args.clip)
    plan = EncodePlan(
        config=config,
        point=args.point,
        settings=settings_of(config, args.point, clip.info.name, parse_overrides(args.set), condition),
        clip=clip,
        out=args.out,
        seed=args.seed,
        threads=config.threads,
        device=args.device or (condition.device if condition else "auto"),
        report=args.report,
        state_dir=args.state_dir,
        command=args.command,
    )
    encode(plan)
    return 0
