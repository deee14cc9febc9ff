"""``bench speed``: milliseconds of a training step by stage, for each fitted network at several sizes."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.base.strict_yaml import read_yaml
from bench.cli.encode import parse_overrides
from bench.codec import registry
from bench.codec.device import DEVICES, resolve_device, synchronizer
from bench.conditions.model import Condition
from bench.conditions.reader import load_condition, settings_of
from bench.workflow.plan import planned_info

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec

_WIDTH = 18
SIZES = ("320x180", "640x360", "1280x720")


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("speed", help="time a training step of each fitted network, by stage")
    parser.add_argument("codec", nargs="*", metavar="ID", help="default: the condition's fitted ones")
    parser.add_argument("--condition", help="whose settings the networks have (default: the default run's)")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH", help="of the frames")
    parser.add_argument("--steps", type=int, default=20, help="counted steps (default: 20)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as precision=tf32"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    condition = load_condition(args.condition or read_yaml(ROOT / "config" / "config.yaml")["condition"])
    fitted = [codec for codec in condition.codecs if registry.codec_config(codec).kind == "fitted"]
    sizes = [_size(word) for word in args.sizes]
    rows = _rows(args, condition, args.codec or fitted, sizes)
    for line in _lines(rows):
        sys.stdout.write(line)
        sys.stdout.flush()
    return 0


def _rows(
    args: argparse.Namespace, condition: Condition, codecs: Iterable[str], sizes: Iterable[tuple[int, int]]
) -> Iterator[tuple[str, ...]]:
    from bench.codec.provenance import device_name
    from bench.inr.network import runtime
    from bench.inr.study.step_time import STAGES, time_steps, time_whole_step

    yield (
        "network",
        "size",
        "parameters",
        *(f"{stage} ms" for stage in STAGES),
        "step ms",
        "fit ms",
        "device",
        "threads",
    )
    for width, height in sizes:
        for codec_id in codecs:
            codec: INRCodec = registry.load_family(registry.codec_config(codec_id).family)  # type: ignore[assignment]
            device = resolve_device(args.device, codec)
            runtime.prepare(threads=args.threads, device=device)
            point = condition.points(codec_id)[-1]
            clip = next(iter(condition.clips))
            info = replace(planned_info(condition, clip), width=width, height=height)
            config = registry.codec_config(codec_id)
            settings = settings_of(config, point, clip, parse_overrides(args.set), condition)
            representation = codec.start(info, settings, device=device)
            recipe = codec.resolve(info, settings).recipe
            how: Any = {"steps": args.steps, "synchronize": synchronizer(device) or (lambda: None)}
            count = sum(parameter.numel() for parameter in representation.network.parameters())
            took = time_steps(representation, recipe=recipe, **how)
            if recipe.compile:  # after the stages, which cannot be told apart in compiled code
                runtime.compile_network(representation.network, representation.device)
                took = dict.fromkeys(took, math.nan)
            whole = time_whole_step(representation, recipe=recipe, **how)
            numbers = (*took.values(), sum(took.values()), whole)
            told = ("-" if math.isnan(number) else f"{number:.1f}" for number in numbers)
            where = (str(args.threads), device_name(device))
            yield (f"{codec_id} {point}", f"{width}x{height}", str(count), *told, *where)


def _lines(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """A row as soon as it is measured; columns are wide enough for what they usually hold."""
    for row in rows:
        name, *cells = row
        yield (
            f"{name:<28}"
            + "".join(f"{cell:>{_WIDTH}}" for cell in cells[:-2])
            + f"  {'  '.join(cells[-2:])}\n"
        )


def _size(word: str) -> tuple[int, int]:
    width, _, height = word.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise BenchError(f"--sizes {word}", "is no size", "write WIDTHxHEIGHT, such as 640x360")
    return int(width), int(height)
