"""Saved state of a fit: everything that the next epoch needs, written atomically after every few epochs.

A finished fit keeps only its weights, its log and the fixed step sizes, so that they can be coded again.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from bench.base.errors import BenchError
from bench.inr.fitting import rounding
from bench.inr.fitting.pruning import Masks

if TYPE_CHECKING:
    from bench.inr.fitting.trainer import Fit

FILE_NAME = "fit.pt"


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """One row of the fit log.

    Attributes:
        epoch: number, from 0.
        psnr_rgb_db: mean over the fitted frames of their PSNR in the steps of this epoch, in dB. The weights
            change from step to step.
        loss: mean over the steps; learning_rate: of the last step.
        wall_s, cpu_s: seconds since the fit began, without interruptions.
    """

    epoch: int
    psnr_rgb_db: float
    loss: float
    learning_rate: float
    wall_s: float
    cpu_s: float


def save(fit: Fit) -> None:
    """Write the state of a fit; nothing if it has no state folder."""
    if fit.state_path is None:
        return
    unfinished = not fit.finished
    caches = unfinished and fit.recipe.refresh == "official"
    state = {
        "identity": fit.identity,
        "log": [asdict(row) for row in fit.log],
        "devices": fit.devices,
        "network": rounding.plain_state(fit.representation.network),
        "optimiser": fit.optimiser.state_dict() if unfinished else None,
        "kept": fit.masks.kept if fit.masks and unfinished else None,
        "steps": rounding.to_state(fit.quantiser),
        "cache": fit.representation.cached_state() if caches else {},
    }
    fit.state_path.parent.mkdir(parents=True, exist_ok=True)
    partial = fit.state_path.with_suffix(".partial")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, fit.state_path)


def resume(fit: Fit) -> bool:
    """Continue a fit from its saved state; False if there is none, or it belongs to another fit.

    Raises:
        BenchError: the file cannot be read.
    """
    if fit.state_path is None or not fit.state_path.exists():
        return False
    try:
        state = torch.load(fit.state_path, map_location=fit.frames.device, weights_only=True)
    except Exception as error:
        problem = f"the state of the fit cannot be read ({error})"
        raise BenchError(fit.state_path, problem, "delete it to start over") from error
    if state["identity"] != fit.identity:
        return False
    representation = fit.representation
    representation.network.load_state_dict(state["network"])
    fit.log = [EpochLog(**row) for row in state["log"]]
    fit.earlier_s = fit.log[-1].wall_s, fit.log[-1].cpu_s
    fit.devices = state["devices"]
    fit.quantiser = rounding.from_state(state["steps"])
    if fit.finished:
        return True
    fit.optimiser.load_state_dict(state["optimiser"])
    if state["kept"] is not None:
        fit.masks = Masks(list(representation.pruning_scores()), state["kept"])
    if fit.quantiser is not None:
        rounding.apply(representation.finish(fit.frames), fit.quantiser)
    if state["cache"]:
        representation.load_cached_state(state["cache"])
    else:
        representation.refresh()
    return True
