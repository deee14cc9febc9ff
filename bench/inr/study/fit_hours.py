"""Seconds of fits before they run: milliseconds of a step, measured on this machine, times the steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.codec.device import resolve_device, synchronizer
from bench.inr.study.fit_cost import Probe, fit_cost, predict, time_method

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo


def fit_seconds(
    codec: INRCodec,
    fits: Sequence[tuple[ClipInfo, Mapping[str, Any]]],
    *,
    threads: int,
    device: str,
    progress: Callable[[str], None],
) -> list[float]:
    """Seconds of each fit, given by its clip and settings, if it runs alone; its budget where it has one.

    One or two networks are timed for each frame size (`bench.inr.study.fit_cost.time_method`). The others are
    scaled by their multiplications.

    Args:
        device: as requested: auto, cpu or cuda. progress: called with a line before each measurement.

    Raises:
        BenchError: settings make no network for their clip, or a step needs more memory than the device has.
    """
    device = resolve_device(device, codec)
    by_size: dict[tuple[int, int], list[tuple[ClipInfo, Mapping[str, Any]]]] = {}
    for clip, settings in fits:
        if settings["encode_s"] is None:
            by_size.setdefault((clip.width, clip.height), []).append((clip, settings))
    probes: dict[tuple[int, int], list[Probe]] = {}
    for (width, height), members in by_size.items():
        progress(f"timing steps at {width}x{height}")
        distinct = {str(settings): settings for _, settings in members}
        probes[width, height] = time_method(
            codec,
            members[0][0],
            list(distinct.values()),
            device=device,
            threads=threads,
            synchronize=synchronizer(device) or (lambda: None),
        )

    def seconds(clip: ClipInfo, settings: Mapping[str, Any]) -> float:
        if settings["encode_s"] is not None:
            return settings["encode_s"]
        cost = fit_cost(codec, clip, settings)
        return predict(cost, probes[clip.width, clip.height]).fit_s(cost)

    return [seconds(clip, settings) for clip, settings in fits]
