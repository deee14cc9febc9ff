"""Milliseconds of a training step of one network on one device, by stage and in all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.codec.device import device_name, resolve_device, synchronizer
from bench.inr.network import runtime
from bench.inr.study.step_time import time_steps, time_whole_step

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo


@dataclass(frozen=True, kw_only=True)
class NetworkTime:
    """Times of a training step.

    Attributes:
        parameters: numbers that are trained.
        stages_ms: stage (`bench.inr.study.step_time.STAGES`) -> milliseconds; NaN in compiled code, which
            cannot be split into stages.
        step_ms: a step as a fit runs it; device: the device's name.
    """

    parameters: int
    stages_ms: Mapping[str, float]
    step_ms: float
    device: str


def time_network(
    codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any], *, steps: int, threads: int, device: str
) -> NetworkTime:
    """Time training steps on random frames of the clip's geometry.

    Args:
        steps: steps that are counted; device: as requested: auto, cpu or cuda.

    Raises:
        BenchError: the settings make no network for this clip.
    """
    device = resolve_device(device, codec)
    runtime.prepare(threads=threads, device=device)
    representation = codec.start(clip, settings, device=device)
    recipe = codec.resolve(clip, settings).recipe
    synchronize = synchronizer(device) or (lambda: None)
    stages = time_steps(representation, recipe=recipe, steps=steps, synchronize=synchronize)
    if recipe.compile:
        runtime.compile_network(representation.network, representation.device)
        stages = dict.fromkeys(stages, math.nan)
    return NetworkTime(
        parameters=sum(parameter.numel() for parameter in representation.network.parameters()),
        stages_ms=stages,
        step_ms=time_whole_step(representation, recipe=recipe, steps=steps, synchronize=synchronize),
        device=device_name(device),
    )
