"""``bench encode``: one clip, one codec, one rate point; one stream file and its report."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.base.errors import BenchError
from bench.base.overrides import parse_overrides
from bench.codec import registry
from bench.codec.device import DEVICES
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip

if TYPE_CHECKING:
    from bench.codec.codec_config import CodecConfig


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("encode", help="encode one clip to one stream file")
    parser.add_argument("--codec", required=True, metavar="ID", help="a codec id; `bench codecs` lists them")
    parser.add_argument("--point", required=True, help="a rate point of the plan, the condition or the codec")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--condition", help="a name in config/conditions, or a YAML file")
    source.add_argument("--plan", type=Path, metavar="FILE", help="a plan file of a run, with all settings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--clip", required=True, type=Path, help="clip.json of a prepared clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=DEVICES, help="default: the condition's, else auto")
    parser.add_argument("--out", required=True, type=Path, help="the stream file")
    parser.add_argument("--report", type=Path, help="encode.json: settings, times and details of the encode")
    parser.add_argument("--state-dir", type=Path, help="folder of the states that a fit resumes from")
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="continue the state of other settings with the most epochs, where that is sound (recorded)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    process.die_with_parent()
    clip = Clip.load(args.clip)
    config, settings, device = _of_plan(args, clip) if args.plan else _of_files(args, clip)
    encode(
        EncodePlan(
            config=config,
            point=args.point,
            settings=settings,
            clip=clip,
            out=args.out,
            seed=args.seed,
            threads=config.threads,
            device=args.device or device,
            report=args.report,
            state_dir=args.state_dir,
            adopt=args.adopt,
            command=args.command,
        )
    )
    return 0


def _of_plan(args: argparse.Namespace, clip: Clip) -> tuple[CodecConfig, Mapping[str, Any], str]:
    """Codec, settings and device of a run: no YAML file is read."""
    from bench.workflow.plan_file import read_plan

    if args.set:
        raise BenchError("--set", "cannot change a plan", "give --condition instead of --plan")
    plan = read_plan(args.plan)
    settings = plan.settings_of(clip.info.name, args.codec, args.point)
    return plan.configs[args.codec], settings, plan.condition.device


def _of_files(args: argparse.Namespace, clip: Clip) -> tuple[CodecConfig, Mapping[str, Any], str]:
    """Codec, settings and device from the YAML files and the command line."""
    from bench.conditions.reader import load_condition, settings_of

    config = registry.codec_config(args.codec)
    condition = load_condition(args.condition) if args.condition else None
    settings = settings_of(config, args.point, clip.info.name, parse_overrides(args.set), condition)
    return config, settings, condition.device if condition else "auto"
