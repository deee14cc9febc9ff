"""Milliseconds of a training step of one network on one device, by stage and in all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.codec.device import device_name, resolve_device, synchronizer
from bench.inr.fitting.recorded_step import cuda_graph
from bench.inr.network import runtime
from bench.inr.study.step_time import time_steps, time_whole_step

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo

#: Ways to run a training step: `graph` records it as a CUDA graph, `compiled` compiles the network.
VARIANTS = ("eager", "graph", "compiled", "compiled-graph")


@dataclass(frozen=True, kw_only=True)
class NetworkTime:
    """Times of a training step.

    Attributes:
        parameters: numbers that are trained.
        stages_ms: stage (`bench.inr.study.step_time.STAGES`) -> milliseconds; NaN in compiled code, which
            cannot be split into stages.
        steps_ms: variant (`VARIANTS`) -> milliseconds of a step as a fit runs it; NaN if the variant does not
            run.
        problems: variant -> why it does not run.
        device: the device's name.
    """

    parameters: int
    stages_ms: Mapping[str, float]
    steps_ms: Mapping[str, float]
    problems: Mapping[str, str]
    device: str


def time_network(
    codec: INRCodec,
    clip: ClipInfo,
    settings: Mapping[str, Any],
    *,
    steps: int,
    threads: int,
    device: str,
    variants: Sequence[str] | None = None,
) -> NetworkTime:
    """Time training steps on random frames of the clip's geometry.

    Args:
        steps: steps that are counted; device: as requested: auto, cpu or cuda.
        variants: names in `VARIANTS`; None: those that a fit on this device may use without `compile`.

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
        runtime.compile_network(representation.network)
        stages = dict.fromkeys(stages, math.nan)
    times: dict[str, float] = {}
    problems: dict[str, str] = {}
    if variants is None:
        variants = VARIANTS[:2] if device == "cuda" else VARIANTS[:1]
    for variant in sorted(variants, key=VARIANTS.index):  # a network stays compiled
        compiles, record = variant.startswith("compiled"), cuda_graph if variant.endswith("graph") else None
        if compiles and not recipe.compile:
            runtime.compile_network(representation.network)
        try:
            times[variant] = time_whole_step(
                representation, recipe=recipe, steps=steps, synchronize=synchronize, record=record
            )
        except Exception as error:  # a compiler or a device may lack what a variant needs
            times[variant], problems[variant] = math.nan, str(error).partition("\n")[0]
    return NetworkTime(
        parameters=sum(parameter.numel() for parameter in representation.network.parameters()),
        stages_ms=stages,
        steps_ms=times,
        problems=problems,
        device=device_name(device),
    )
