"""Calibration of rate points: the sizes of a fitted network that bring its stream to target rates.

One fit measures the bits of a coded weight at the condition's budget. A target rate then is a number of
weights, and `bench.inr.study.width_search` finds the settings whose network has about as many.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.codec.registry import CodecConfig
from bench.video.clip import Clip

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.study.width_search import Sized

#: Bits of a coded weight that are assumed to choose the size of the measuring fit.
_ASSUMED_BITS = 6.0
_RANGE = ("from", "to", "step")


def calibrate(
    config: CodecConfig,
    clip: Clip,
    settings: Mapping[str, Any],
    targets: Sequence[float],
    *,
    bits_per_weight: float | None,
    device: str,
    progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Name of a rate point -> its settings, one for each target rate.

    Args:
        settings: the codec's complete settings; those of its section `size` are replaced.
        targets: bits per pixel, above 0.
        bits_per_weight: of earlier fits; with None one fit of the middle target measures it.

    Raises:
        BenchError: the section `size` is missing or invalid, or no size is near a target.
    """
    from bench.inr.study.width_search import candidates, closest

    codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
    values = size_values(config)
    sizes = list(candidates(codec, clip.info, settings, values))

    def pick(rate_bpp: float, bits: float) -> Sized:
        return closest(sizes, values, rate_bpp * clip.info.pixels / bits, where=str(config.path))

    bits = bits_per_weight
    if bits is None:
        middle = pick(sorted(targets)[len(targets) // 2], _ASSUMED_BITS)
        bits = _measure_bits(config, {**settings, **middle.settings}, clip, middle.weights, device)
        progress(f"{bits:.3f} bits a weight at {middle.weights} weights")
    points = {}
    for target in targets:
        sized = pick(target, bits)
        points[f"bpp{target:.2f}"] = dict(sized.settings)
        expected = sized.weights * bits / clip.info.pixels
        progress(
            f"{target} bpp: {sized.weights} weights, {expected:.4f} bpp expected, {dict(sized.settings)}"
        )
    return points


def size_values(config: CodecConfig) -> dict[str, Sequence[Any]]:
    """Setting -> its values, from a codec's section `size`: a list, or a range {from, to, step} as its
    numbers.

    Raises:
        BenchError: there is no such section, or an entry is not a setting of the codec or has invalid values.
    """
    if config.kind != "fitted" or not config.size:
        raise BenchError(config.path, "has no section `size`", "list the settings that may change there")
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
        raise BenchError(
            where, f"{values!r} must be a range or a list", "write {from, to, step} or a list of numbers"
        )
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
    valid = type(value) is int or (type(value) is float and not whole)
    if not valid or not 0 < value < math.inf:
        kind = "whole number" if whole else "number"
        raise BenchError(where, f"{value!r} must be a {kind} above 0", f"write a {kind} above 0")


def _measure_bits(
    config: CodecConfig, settings: Mapping[str, Any], clip: Clip, weights: int, device: str
) -> float:
    """Bits of a weight in the stream of one fit, header and configuration (some hundred bytes) included."""
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
