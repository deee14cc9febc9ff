"""Divergence of a fit: loss or weights that are not finite, or a PSNR that collapsed.

The checks read the log of an epoch, once per epoch and never within a step, and change nothing. The clip is
read only if the log of an epoch is suspicious.

| cause | condition |
|---|---|
| not finite | the loss or the PSNR of the epoch, or a weight before it is saved, is NaN or infinite |
| collapsed | the PSNR is 10 dB below the best of its phase, below 20 dB, and below that of one flat colour |
| never rose | the best PSNR is 1 dB below a grey picture, and unchanged in an epoch, or older than ten |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.base.errors import BenchError
from bench.inr.fitting.recipe import Recipe
from bench.inr.network.planes import mean_of_planes

if TYPE_CHECKING:
    from bench.inr.fitting.fit_state import EpochLog

_FALL_DB = 10.0
_HIGHEST_FLAT_DB = 20.0
_BELOW_GREY_DB = 1.0
#: Epochs without a rise. A short fit may end below grey without having diverged.
_PATIENCE = 10
#: Least change in one epoch. The images of a saturated network, every sample 0 or 1, do not change at all.
_STUCK_DB = 1e-4


class Diverged(BenchError):
    """A fit diverged. `epoch` is the first bad one, `reason` what was detected."""

    def __init__(self, epoch: int, reason: str, recipe: Recipe, learning_rate: float) -> None:
        self.epoch, self.reason = epoch, reason
        cause = f"the learning rate ({learning_rate:g} in this epoch) is probably too high"
        remedy = ["lower learning_rate"]
        if recipe.precision != "float32":
            cause += f", or the precision {recipe.precision} too low"
            remedy.append("set precision: float32")
        if not recipe.restart_diverged:
            remedy.append("set restart_diverged: true")
        super().__init__("fit", f"diverged in epoch {epoch}: {reason}: {cause}", " or ".join(remedy))


def divergence(log: Sequence[EpochLog], recipe: Recipe, frames: Tensor) -> str:
    """What is wrong with the last epoch of a log; empty if nothing is.

    Args:
        frames: the clip (N, 3, H, W), uint8, in the recipe's space.
    """
    row = log[-1]
    for name, value in (("loss", row.loss), ("PSNR", row.psnr_rgb_db)):
        if not math.isfinite(value):
            return f"the {name} is {value}"
    phase = next(phase for phase in reversed(recipe.phases) if row.epoch >= phase.first)
    best = max(log[phase.first :], key=lambda earlier: earlier.psnr_rgb_db)
    psnr = row.psnr_rgb_db
    if (
        psnr < _HIGHEST_FLAT_DB
        and psnr < best.psnr_rgb_db - _FALL_DB
        and psnr < _flat_psnr_db(frames, recipe)
    ):
        return f"the PSNR fell from {best.psnr_rgb_db:.2f} dB in epoch {best.epoch} to {psnr:.2f} dB"
    stuck = len(log) > 1 and abs(psnr - log[-2].psnr_rgb_db) < _STUCK_DB
    stuck |= row.epoch - best.epoch >= _PATIENCE
    never_rose = best.psnr_rgb_db < _HIGHEST_FLAT_DB and row.epoch > recipe.phases[0].warm and stuck
    if never_rose and best.psnr_rgb_db < _flat_psnr_db(frames, recipe, colour=0.5) - _BELOW_GREY_DB:
        return f"the PSNR of {psnr:.2f} dB is below that of a grey picture and does not rise"
    return ""


def has_finite_weights(network: nn.Module) -> bool:
    """Whether all parameters are finite; one read from the device."""
    parameters = [parameter.detach() for parameter in network.parameters()]
    return bool(torch.stack([parameter.isfinite().all() for parameter in parameters]).all())


def _flat_psnr_db(frames: Tensor, recipe: Recipe, colour: float | None = None) -> float:
    """Mean PSNR in dB of a flat picture: the mean colour of the clip, or a grey value in [0, 1]."""
    mean_of: Callable[[Tensor], Tensor] = torch.mean if recipe.space == "rgb" else mean_of_planes
    if colour is None:
        mean = torch.stack([frame.float().mean(dim=(1, 2)) for frame in frames]).mean(dim=0)[:, None, None]
    else:
        mean = torch.tensor(255 * colour, device=frames.device)
    mse = torch.stack([mean_of((frame.float() - mean).square()) for frame in frames]).clamp(min=1e-6)
    return float((10 * (255**2 / mse).log10()).mean())
