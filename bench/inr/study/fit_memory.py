"""Memory of a fit and of a decode before they run, counted on the meta device. No memory is allocated.

A fit on a CPU holds

* the clip once, as uint8 RGB,
* the cache of its representation (FFNeRV's buffer of key frames, float16),
* each trained number six times in float32: itself, its gradient, Adam's two moments, and two copies while a
  state is saved or a quantiser is chosen,
* the tensors of one training step, counted by running it with shapes only (`LiveMemory`),
* the process itself: Python, torch and its libraries.

On a GPU the host holds the last item only. A decoder holds the weights, the key frames of its window and the
tensors of one frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from bench.inr.network.live_memory import LiveMemory
from bench.inr.network.representation import Representation
from bench.inr.study.step_time import samples_of_frame

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.fitting.recipe import Recipe
    from bench.video.clip import ClipInfo

#: Resident bytes of a process that has imported torch: for the CPU, and with the libraries of CUDA.
PROCESS_BYTES = {"cpu": 400 << 20, "cuda": 4 << 30}
_BYTES_PER_PARAMETER = 24
#: Memory of a step and of rendering over that of its tensors, for workspaces of convolutions. Measured: 1.15
#: at 1920x1080, and 1.4 to 1.7 for rendering.
_STEP_WORKSPACE, _WORKSPACE = 1.15, 2


@dataclass(frozen=True, kw_only=True)
class FitMemory:
    """Peak memory of the host in bytes, of a fit and of decoding its stream."""

    fit_bytes: int
    decode_bytes: int


def fit_memory(
    codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any], *, device: str = "cpu"
) -> FitMemory:
    """Estimate the memory of a fit and of a decode.

    Args:
        device: "cpu" or "cuda".

    Raises:
        BenchError: see `INRCodec.resolve`.
    """
    resolved = codec.resolve(clip, settings)
    size = {"frames": clip.frames, "height": clip.height, "width": clip.width}
    with torch.device("meta"):
        network, decoder = (make(resolved.config, **size) for make in (codec.represent, codec.receive))
        cache = sum(tensor.nbytes for tensor in network.cached_state().values())
        step = _step_bytes(network, resolved.recipe)
    frame = _frame_bytes(decoder)
    weights = _BYTES_PER_PARAMETER * sum(weight.numel() for weight in network.network.parameters())
    process = PROCESS_BYTES[device]
    if device == "cuda":
        return FitMemory(fit_bytes=process, decode_bytes=process)
    clip_bytes = 3 * clip.pixels
    return FitMemory(
        fit_bytes=process + clip_bytes + cache + weights + math.ceil(_STEP_WORKSPACE * step),
        decode_bytes=process + weights + decoder.window_bytes() + _WORKSPACE * frame,
    )


def _step_bytes(representation: Representation, recipe: Recipe) -> int:
    """Bytes of the tensors of a training step."""
    index = torch.cat([samples_of_frame(representation, 0)] * recipe.batch_size)
    size = (recipe.batch_size, 3, representation.height, representation.width)
    frames = torch.empty(size, dtype=torch.uint8)
    cache = representation.cached_state().values()
    with LiveMemory([*representation.network.parameters(), *cache, frames]) as memory:
        total, _ = representation.step(index, representation.targets(frames, index), recipe.step_loss)
        total.backward()
    return memory.peak


def _frame_bytes(representation: Representation) -> int:
    """Bytes of the tensors of rendering one frame."""
    middle = representation.frames // 2
    with LiveMemory(representation.network.parameters()) as memory:
        next(representation.render(middle, middle + 1))
    return memory.peak
