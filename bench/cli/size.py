"""``bench size``: the widths that bring a fitted network to target rates, as the points of a condition."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.base.names import unknown_name
from bench.cli.encode import EncodePlan, encode
from bench.codec import registry
from bench.codec.device import DEVICES
from bench.codec.registry import CodecConfig, resolve_settings
from bench.conditions.reader import load_condition
from bench.video.clip import Clip

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.study.width_search import Sized

#: What is assumed of a weight's coded size before a fit has measured it.
_GUESS_BITS = 6.0
_RANGE = ("from", "to", "step")


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("size", help="find the widths of a fitted network for target rates")
    parser.add_argument(
        "--codec", required=True, metavar="ID", help="a fitted codec id with a `size` section"
    )
    parser.add_argument("--condition", required=True, help="whose budget and settings the fit has")
    parser.add_argument("--clip", required=True, type=Path, help="clip.json of the clip to calibrate on")
    parser.add_argument("--targets", required=True, nargs="+", type=float, metavar="BPP")
    parser.add_argument(
        "--bits-per-weight", type=float, help="of earlier fits; left out: one fit measures it"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--out", type=Path, help="YAML file of points (default: standard output)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import yaml

    if min(args.targets) <= 0:
        raise BenchError(f"--targets {min(args.targets)}", "is no rate", "give bits a pixel above 0")
    config, clip = registry.codec_config(args.codec), Clip.load(args.clip)
    knobs = knobs_of(config)
    settings = _settings(config, args.condition, knobs)
    ladder = _Ladder(config, clip, settings, knobs)
    tell = process.progress(f"size {config.id}")
    process.die_with_parent()
    bits = args.bits_per_weight
    if bits is None:
        middle = ladder.pick(sorted(args.targets)[len(args.targets) // 2], _GUESS_BITS)
        bits = _measured_bits(config, {**settings, **middle.settings}, clip, middle.weights, args.device)
        tell(f"{bits:.3f} bits a weight at {middle.weights} weights")
    points = {}
    for target in args.targets:
        sized = ladder.pick(target, bits)
        points[f"bpp{target:.2f}"] = dict(sized.settings)
        expected = sized.weights * bits / clip.info.pixels
        tell(f"{target} bpp: {sized.weights} weights, {expected:.4f} bpp expected, {dict(sized.settings)}")
    text = yaml.safe_dump({"points": points}, sort_keys=False, default_flow_style=None)
    if args.out is None:
        sys.stdout.write(text)
    else:
        with atomic_file(args.out) as file:
            file.write(text.encode())
    return 0


class _Ladder:
    """All sizes that a codec's `size` section makes of a clip."""

    def __init__(
        self, config: CodecConfig, clip: Clip, settings: Mapping[str, Any], knobs: Mapping[str, Sequence[Any]]
    ) -> None:
        from bench.inr.study.width_search import candidates

        codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
        self.clip, self.knobs, self.where = clip, knobs, str(config.path)
        self.sizes = list(candidates(codec, clip.info, settings, knobs))

    def pick(self, rate_bpp: float, bits_per_weight: float) -> Sized:
        from bench.inr.study.width_search import closest

        weights = rate_bpp * self.clip.info.pixels / bits_per_weight
        return closest(self.sizes, self.knobs, weights, where=self.where)


def knobs_of(config: CodecConfig) -> dict[str, Sequence[Any]]:
    """Setting -> its values, as a codec's section `size` says: a list, or {from, to, step} spelt out.

    Raises:
        BenchError: there is no such section, or a line of it is no list and no range of numbers, or of
            no setting.
    """
    if config.kind != "fitted" or not config.size:
        raise BenchError(config.path, "has no section `size`", "say there which settings may change")
    known = registry.load_family(config.family).defaults
    for name in config.size:
        if name not in known:
            raise unknown_name(f"setting of {config.id}", str(name), known, where=f"{config.path}: size")
    return {name: _values(f"{config.path}: size: {name}", values) for name, values in config.size.items()}


def _values(where: str, values: Any) -> Sequence[Any]:
    if isinstance(values, list) and values:
        for value in values:
            _check_number(where, value)
        return values
    if not isinstance(values, dict):
        raise BenchError(where, f"{values!r} is no range", "write {from, to, step} or a list of numbers")
    if set(values) != set(_RANGE):
        wrong = [key for key in _RANGE if key not in values] or [key for key in values if key not in _RANGE]
        verb = "missing" if wrong[0] in _RANGE else "unknown"
        raise BenchError(where, f"{wrong[0]!r} is {verb}", "write {from, to, step}")
    for key in _RANGE:
        _check_number(f"{where}: {key}", values[key], whole=True)
    first, last, step = (values[key] for key in _RANGE)
    if first > last:
        raise BenchError(where, f"from {first} is above to {last}", "write the lowest number first")
    return range(first, last + 1, step)


def _check_number(where: str, value: Any, *, whole: bool = False) -> None:
    """Raises BenchError for anything but a number above 0: widths are, and the proportions to keep."""
    good = type(value) is int or (type(value) is float and not whole)
    if not good or not 0 < value < math.inf:
        kind = "whole number" if whole else "number"
        raise BenchError(where, f"{value!r} is no {kind} above 0", f"write a {kind} above 0")


def _settings(config: CodecConfig, name: str, knobs: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The codec's settings in a condition; what `size` will change may be missing there."""
    condition = load_condition(name)
    first = {knob: values[0] for knob, values in knobs.items()}
    own = condition.codecs[config.id].settings if config.id in condition.codecs else {}
    return resolve_settings(config, {**condition.budget, **own}, first)


def _measured_bits(
    config: CodecConfig, settings: Mapping[str, Any], clip: Clip, weights: int, device: str
) -> float:
    """Bits of a weight in the stream of one fit; the stream's few hundred other bytes count as theirs."""
    with tempfile.TemporaryDirectory(prefix="bench-size-") as folder:
        out = Path(folder) / "stream.bin"
        plan = EncodePlan(
            config=config,
            point="size",
            settings=settings,
            clip=clip,
            out=out,
            threads=config.threads,
            device=device,
        )
        encode(plan)
        return 8 * out.stat().st_size / weights
