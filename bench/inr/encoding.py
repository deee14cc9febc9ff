"""Code a fitted network: choose its quantiser, quantise its weights, entropy-code them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.base.stage_clock import StageClock
from bench.codec.contract import Encoded
from bench.codec.fingerprint import code_fingerprint
from bench.inr.coding.allocation import allocate
from bench.inr.coding.payload import Payload, coded_weights, config_values
from bench.inr.coding.quantiser_description import QuantiserDescription
from bench.inr.coding.quantisers import AnyQuantiser, build_quantiser, check_parts
from bench.inr.fitting.divergence import Diverged
from bench.inr.network import planes, runtime
from bench.inr.network.representation import Representation

if TYPE_CHECKING:
    from bench.codec.container import PixelFormat
    from bench.inr.codec import INRCodec
    from bench.inr.fit_check import CheckedFit
    from bench.inr.fitting.fit_state import EpochLog
    from bench.inr.fitting.recipe import Recipe
    from bench.inr.fitting.trainer import Fit
    from bench.video.clip import Clip, ClipInfo


def clip_tensor(clip: Clip, device: str, space: str = "rgb") -> Tensor:
    """The clip as uint8 (frames, 3, height, width) on a device. Memory holds it once, and one frame.

    Args:
        space: RGB, or YUV 4:2:0 with repeated chroma samples (`bench.inr.network.planes`).
    """
    info = clip.info
    frames = torch.empty((info.frames, 3, info.height, info.width), dtype=torch.uint8, device=device)
    if space == "yuv420":
        for target, frame in zip(frames, clip.frames(), strict=True):
            target.copy_(planes.from_420(frame, height=info.height, width=info.width))
        return frames
    for target, frame in zip(frames, clip.rgb(), strict=True):
        target.copy_(torch.from_numpy(np.array(frame)).permute(2, 0, 1))
    return frames


def run_fit(
    start_fit: Callable[..., Fit], recipe: Recipe, report: Callable[[EpochLog], None]
) -> tuple[Fit, tuple[float, float]]:
    """Run a fit, and once more from its last good state if it diverges and the recipe allows it.

    Args:
        start_fit: makes a fit from a recipe; `after` is the error of the one that diverged.

    Returns:
        the fit, and the wall and CPU seconds of earlier processes that it continues.

    Raises:
        Diverged: the fit diverged and may not restart.
    """
    fit = start_fit(recipe)
    try:
        fit.run(report)
    except Diverged as error:
        if not recipe.restart_diverged or fit.restarts:
            raise
        diverged = error.with_traceback(None)
    else:
        return fit, fit.earlier_s
    earlier_s = fit.earlier_s
    fit = start_fit(recipe, after=diverged)
    fit.run(report)
    return fit, earlier_s


def fit_details(fit: Fit) -> dict[str, Any]:
    """What the report of an encode says of its fit."""
    rows = [asdict(row) for row in fit.log]
    if fit.recipe.space == "yuv420":
        rows = [{"psnr_yuv_db" if key == "psnr_rgb_db" else key: row[key] for key in row} for row in rows]
    details: dict[str, Any] = {"fit_devices": fit.devices, "fit_log": rows}
    details |= {"adopted": fit.adopted} if fit.adopted else {}
    return details | ({"restarts": fit.restarts} if fit.restarts else {})


def code_network(
    codec: INRCodec,
    representation: Representation,
    frames: Iterable[Tensor],
    *,
    config: Any,
    quantiser: QuantiserDescription,
    clock: StageClock,
    trained: AnyQuantiser | None = None,
    space: str = "rgb",
) -> Encoded:
    """Code a fitted or imported representation of a clip.

    Args:
        frames: of the clip, as `Representation.finish` takes them.
        config: of the representation's network.
        clock: times "allocate" (if the quantiser allocates) and "entropy-code".
        trained: the quantiser that the fit has trained through; None: `choose_quantiser` chooses it.
        space: what the network's three channels are. The pixel format in the stream's header states it.

    Raises:
        BenchError: a weight is not finite, or an override of the quantiser matches no parameter.
    """
    network = representation.finish(frames)
    if trained is None:
        with clock("allocate") if quantiser.allocates else nullcontext():
            trained = choose_quantiser(codec, representation, network, quantiser, space)
    with clock("entropy-code"):
        side, weights, codes = coded_weights(network, trained)
    payload = Payload(config_values(config, codec.wire_defaults), quantiser.given, side, weights)
    area = representation.height * representation.width
    paper_bits = codec.paper_bits(network, quantiser, codes)
    details: dict[str, Any] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs_per_pixel": runtime.macs(representation) / area,
        "rate_bpp_paper": None if paper_bits is None else paper_bits / (representation.frames * area),
        "fit_log": [],
    }
    pixel_format: PixelFormat = "yuv420p" if space == "yuv420" else "rgb24"
    return Encoded(payload=[payload.to_bytes()], pixel_format=pixel_format, details=details)


def choose_quantiser(
    codec: INRCodec,
    representation: Representation,
    network: nn.Module,
    description: QuantiserDescription,
    space: str = "rgb",
) -> AnyQuantiser | None:
    """The quantiser of every parameter of a finished network; None for float32 weights.

    With `allocate` the step sizes depend on how the rounding of each tensor changes the frames.
    """
    if description.allocates:
        return allocate(representation, network, description.usual["bits"], space=space)
    return build_quantiser(description, codec.build_single)


def check_overrides(codec: INRCodec, clip: ClipInfo, settings: CheckedFit) -> None:
    """Raise BenchError if an override of the quantiser matches no parameter. Nothing is allocated."""
    with torch.device("meta"):
        received = codec.receive(settings.config, frames=clip.frames, height=clip.height, width=clip.width)
    quantiser = build_quantiser(settings.quantiser, codec.build_single)
    check_parts(quantiser, (name for name, _ in received.network.named_parameters()))


def fit_inputs(codec: INRCodec, clip: ClipInfo, settings: CheckedFit, *, seed: int) -> dict[str, Any]:
    """Everything that a fit depends on, as JSON values; their digest names its saved state.

    Besides clip, network, recipe and seed these are the family's sources and the version of torch: a fit that
    was resumed with others would not end in the same weights.
    """
    family = type(codec).__module__.removesuffix(".codec").rpartition(".")[2]
    inputs = {
        "clip": clip.sha256,
        "colour": clip.colour,
        "network": asdict(settings.config),
        "recipe": asdict(settings.recipe),
        "seed": seed,
        "quantiser": settings.quantiser.given if settings.recipe.trains_through_quantiser else None,
        "sources": code_fingerprint(family=family),
        "torch": torch.__version__,
    }
    return json.loads(json.dumps(inputs))
