"""Estimated work of a fit, to order fits by their length. No torch import: a plan computes it for every fit.

The work is multiply-adds of the network's convolutions, as its configuration implies them, plus a constant
for the loss, times the pixels of all frames that the fit sees. `bench.inr.study.fit_cost` counts exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.inr.network.decoder_config import DecoderConfig

if TYPE_CHECKING:
    from bench.inr.fit_check import CheckedFit
    from bench.video.clip import ClipInfo

#: Multiply-adds of the loss for each pixel of a frame. FFNeRV has a loss of three frames.
_LOSS = 10_000
#: Side of the convolutions of a stage.
_KERNEL = 3


def fit_work(clip: ClipInfo, fit: CheckedFit) -> float:
    """Multiply-adds of the forward passes of a whole fit, within a factor of two."""
    frames = -(-clip.frames // fit.recipe.fit_every) * fit.recipe.total_epochs
    images = 3 if getattr(fit.config, "offsets", ()) else 1
    return frames * clip.width * clip.height * (_LOSS * images + sum(_layers(fit.config)))


def _layers(config: Any) -> Iterator[float]:
    """Multiply-adds of each stage for a pixel of the frame."""
    if isinstance(config, DecoderConfig):
        compact = getattr(config, "block", "conv") == "compact"
        layers = [(i * o * _KERNEL**2 / (8 if compact else 1), stride) for i, o, stride in config.stages]
    elif hasattr(config, "blocks"):  # HNeRV: convolutions of several sizes
        layers = [(i * o * kernel**2, stride) for i, o, stride, kernel in config.blocks]
    else:  # HiNeRV: blocks of a depthwise convolution and two layers
        layers = [
            (stage.blocks * stage.channels_out * (2 * stage.hidden + _KERNEL**2), stage.stride)
            for stage in config.stages
        ]
    whole, scale = math.prod(stride for _, stride in layers), 1
    for macs, stride in layers:
        scale *= stride
        yield macs * (scale / whole) ** 2
