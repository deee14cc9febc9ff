"""Calibration of rate points: the sizes of a fitted network that bring its stream to target rates.

One fit measures the bits of a coded weight at the condition's budget. A target rate then is a number of
weights, and `bench.inr.study.width_search` finds the settings whose network has about as many.

A codec with the setting `rate` trains for a target rate at any size, so nothing is measured. Its points have
about `RATE_TRAINED_BITS` a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.files import temporary_folder
from bench.codec import registry
from bench.codec.codec_config import CodecConfig, SizeRange
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.study.width_search import Sized

#: Bits of a coded weight that are assumed to choose the size of the measuring fit.
_ASSUMED_BITS = 6.0
#: Bits of a coded weight of networks that train for a target rate. With fewer, quality at the same rate still
#: rises a little, and the time of a fit rises with the number of weights.
RATE_TRAINED_BITS = 3.0


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
        bits_per_weight: of earlier fits; with None one fit of the middle target measures it. With the setting
            `rate`: the bits to aim at; with None `RATE_TRAINED_BITS`.

    Raises:
        BenchError: the section `size` is missing, or no size is near a target.
    """
    from bench.inr.study.width_search import candidates, closest

    codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
    values = size_values(config)
    sizes = list(candidates(codec, clip.info, settings, values))

    def pick(rate_bpp: float, bits: float) -> Sized:
        return closest(sizes, values, rate_bpp * clip.info.pixels / bits, where=str(config.path))

    bits, trains_for_rate = bits_per_weight, bool(settings.get("rate"))
    if bits is None and trains_for_rate:
        bits = RATE_TRAINED_BITS
    if bits is None:
        middle = pick(sorted(targets)[len(targets) // 2], _ASSUMED_BITS)
        bits = _measure_bits(config, {**settings, **middle.settings}, clip, middle.weights, device)
        progress(f"{bits:.3f} bits a weight at {middle.weights} weights")
    points = {}
    for target in targets:
        sized = pick(target, bits)
        rate = {"rate": {**settings["rate"], "bpp": target}} if trains_for_rate else {}
        points[f"bpp{target:.2f}"] = {**sized.settings, **rate}
        expected = sized.weights * bits / clip.info.pixels
        progress(
            f"{target} bpp: {sized.weights} weights, {expected:.4f} bpp expected, {dict(sized.settings)}"
        )
    return points


def size_values(config: CodecConfig) -> dict[str, Sequence[Any]]:
    """Setting -> its values, from a codec's section `size`: a list, or the numbers of a range.

    Raises:
        BenchError: the codec is not fitted or has no such section.
    """
    if config.kind != "fitted" or not config.size:
        raise BenchError(config.path, "has no section `size`", "list the settings that may change there")
    return {
        name: values.values if isinstance(values, SizeRange) else values
        for name, values in config.size.items()
    }


def _measure_bits(
    config: CodecConfig, settings: Mapping[str, Any], clip: Clip, weights: int, device: str
) -> float:
    """Bits of a weight in the stream of one fit, header and configuration (some hundred bytes) included."""
    with temporary_folder("size") as folder:
        out = folder / "stream.bin"
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
