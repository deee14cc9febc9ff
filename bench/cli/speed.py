"""``bench speed``: milliseconds of a training step by stage, for each network at several frame sizes."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.overrides import parse_overrides
from bench.codec import registry
from bench.codec.device import DEVICES

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec

_SIZES = ("320x180", "640x360", "1280x720")
_WIDTH = 18


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("speed", help="time a training step of each fitted network, by stage")
    parser.add_argument("codec", nargs="*", metavar="ID", help="default: the condition's fitted codecs")
    parser.add_argument("--condition", help="condition of the networks' settings (default: config.yaml's)")
    parser.add_argument("--sizes", nargs="+", default=_SIZES, metavar="WxH", help="of the frames")
    parser.add_argument("--steps", type=int, default=20, help="counted steps (default: 20)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as precision=tf32"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--variants",
        nargs="+",
        metavar="NAME",
        help="ways to run a step: eager, graph (CUDA graph), compiled, compiled-graph (default: eager, and "
        "graph on a GPU)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.conditions.reader import load_condition, settings_of
    from bench.conditions.run_config import default_condition
    from bench.workflow.plan import planned_info

    condition = load_condition(args.condition or default_condition())
    fitted = [codec for codec in condition.codecs if registry.codec_config(codec).fitted_by_suite]
    for codec_id in args.codec:
        if not (config := registry.codec_config(codec_id)).fitted_by_suite:
            problem = f"is a {config.kind} codec, which has no training steps"
            raise BenchError(codec_id, problem, f"give a fitted codec: {', '.join(fitted)}")

    # These modules import torch.
    from bench.inr.study.network_time import VARIANTS, time_network

    clip, overrides = next(iter(condition.clips)), parse_overrides(args.set)
    for variant in args.variants or ():
        if variant not in VARIANTS:
            raise BenchError(f"--variants {variant}", "is unknown", f"use {', '.join(VARIANTS)}")
    titles: list[str] = []
    for width, height in map(_size, args.sizes):
        info = replace(planned_info(condition, clip), width=width, height=height)
        for codec_id in args.codec or fitted:
            config, point = registry.codec_config(codec_id), condition.points(codec_id)[-1]
            codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
            settings = settings_of(config, point, clip, overrides, condition)
            time = time_network(
                codec,
                info,
                settings,
                steps=args.steps,
                threads=args.threads,
                device=args.device,
                variants=args.variants,
            )
            columns = [f"{stage} ms" for stage in (*time.stages_ms, "step")]
            columns += [f"{variant} fit ms" for variant in time.steps_ms]
            if columns != titles:
                titles = columns
                _write("network", ("size", "parameters", *titles), ("device", "threads"))
            numbers = (*time.stages_ms.values(), sum(time.stages_ms.values()), *time.steps_ms.values())
            cells = ("-" if math.isnan(number) else f"{number:.1f}" for number in numbers)
            size = (f"{width}x{height}", str(time.parameters))
            _write(f"{codec_id} {point}", (*size, *cells), (time.device, str(args.threads)))
            for variant, problem in time.problems.items():
                sys.stderr.write(f"{codec_id} {point}: {variant}: {problem}\n")
    return 0


def _write(name: str, cells: Sequence[str], last: Sequence[str]) -> None:
    """Print a row as soon as it is measured, in columns of fixed width."""
    aligned = "".join(f"{cell:>{_WIDTH}}" for cell in cells)
    sys.stdout.write(f"{name:<28}{aligned}  {'  '.join(last)}\n")
    sys.stdout.flush()


def _size(word: str) -> tuple[int, int]:
    width, _, height = word.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise BenchError(f"--sizes {word}", "must be a frame size", "write WIDTHxHEIGHT, such as 640x360")
    return int(width), int(height)
