"""Saved states of fits: files from which a fit is resumed, one for each set of inputs.

The name of a state file contains a digest of the fit's inputs (clip, network, recipe, seed, code, torch). A
fit with other inputs therefore never overwrites it. It stays until ``python -m bench states --remove``
deletes it. A fit with other inputs can adopt it where that is sound (`SavedState.obstacle`).

A finished fit keeps only its weights, its log and the fixed step sizes, so that they can be coded again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.inr.fitting import rounding
from bench.inr.fitting.pruning import Masks
from bench.inr.fitting.recipe import Recipe

if TYPE_CHECKING:
    from bench.inr.fitting.trainer import Fit

#: Inputs that may differ between a state and a fit that adopts it. All others decide what the weights mean or
#: what they were trained for.
ADOPTABLE = frozenset(
    {
        *("sources", "torch", "recipe.epochs", "recipe.learning_rate", "recipe.save_every"),
        *("recipe.precision", "recipe.compile", "recipe.restart_diverged", "recipe.refresh"),
    }
)
#: Defaults of a recipe's settings, as inputs have them.
_DEFAULTS = json.loads(
    json.dumps(
        {f"recipe.{field.name}": field.default for field in fields(Recipe) if field.default is not MISSING}
    )
)


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """One row of the fit log.

    Attributes:
        epoch: number, from 0.
        psnr_rgb_db: mean over the fitted frames of their PSNR in the steps of this epoch, in dB. The weights
            change from step to step. In a fit in YUV 4:2:0 that of the planes, their errors weighted 6:1:1.
        loss: mean over the steps; learning_rate: of the last step.
        wall_s, cpu_s: seconds since the fit began, without interruptions.
        rate_bpp: estimated size of the stream in bits per pixel; None where the loss does not contain it.
    """

    epoch: int
    psnr_rgb_db: float
    loss: float
    learning_rate: float
    wall_s: float
    cpu_s: float
    rate_bpp: float | None = None


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """What a state file contains, besides the weights.

    Attributes:
        inputs: of its fit, as JSON values; None for a file that an earlier version of the suite wrote.
        epochs: number of trained epochs.
        finished: whether its fit ended, so that it has no optimiser state.
    """

    path: Path
    inputs: Mapping[str, Any] | None
    epochs: int
    finished: bool

    @property
    def total_epochs(self) -> int | None:
        """Epochs of all phases of its fit; None for a file that an earlier version of the suite wrote."""
        if self.inputs is None:
            return None
        recipe = self.inputs["recipe"]
        phases = [recipe.get(name) or {} for name in ("prune", "quantise", "rounding")]
        return recipe["epochs"] + sum(phase.get("epochs", 0) for phase in phases)

    def differences(self, inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Inputs that differ, such as "recipe.epochs" -> [value of the state, value of `inputs`].

        A setting of the recipe that one of them does not know is at its default, with which new settings keep
        the old meaning.
        """
        old, new = (_flat(each or {}) for each in (self.inputs, inputs))
        values = {key: [each.get(key, _DEFAULTS.get(key)) for each in (old, new)] for key in old | new}
        return {key: pair for key, pair in values.items() if pair[0] != pair[1]}

    def obstacle(self, inputs: Mapping[str, Any]) -> str:
        """Why a fit with these inputs cannot adopt the state; empty if it can."""
        if self.inputs is None:
            return "an earlier version of the suite wrote it"
        differences = self.differences(inputs)
        others = sorted(differences.keys() - ADOPTABLE)
        if others:
            return f"{others[0]} differs"
        if any(key.startswith("recipe.") for key in differences):
            phase = min(self.inputs["recipe"]["epochs"], inputs["recipe"]["epochs"])
            if self.epochs > phase:
                return f"its recipe differs, and it has {self.epochs} epochs: at most {phase} can be adopted"
        return ""


def identity_of(inputs: Mapping[str, Any]) -> str:
    """SHA-256 of the inputs of a fit."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def state_file(folder: Path, inputs: Mapping[str, Any]) -> Path:
    """The state file of a fit with these inputs."""
    return folder / f"fit-{identity_of(inputs)[:16]}.pt"


def saved_states(folder: Path) -> Iterator[SavedState]:
    """The readable states in a folder. The weights are mapped, not read."""
    for path in sorted(folder.glob("fit*.pt")):
        try:
            values = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            yield SavedState(
                path=path,
                inputs=values.get("inputs"),
                epochs=len(values["log"]),
                finished=values["optimiser"] is None,
            )
        except Exception:  # noqa: BLE001 - torch raises many kinds for a damaged file
            continue


def save(fit: Fit) -> None:
    """Write the state of a fit; nothing if it has no state folder.

    Raises:
        OSError: the file cannot be written. A previous state is kept.
    """
    if fit.state_path is None:
        return
    unfinished = not fit.finished
    # Just recomputed, the cache is a function of the weights.
    caches = (
        unfinished and fit.recipe.refresh == "official" and not fit.recipe.refreshes_after(fit.log[-1].epoch)
    )
    state = {
        "inputs": fit.inputs,
        "log": [asdict(row) for row in fit.log],
        "devices": fit.devices,
        "adopted": fit.adopted,
        "restarts": fit.restarts,
        "network": rounding.plain_state(fit.representation.network),
        "optimiser": fit.optimiser.state_dict() if unfinished else None,
        "kept": fit.masks.kept if fit.masks and unfinished else None,
        "steps": rounding.to_state(fit.rate.quantiser() if fit.rate else fit.quantiser),
        "rate": fit.rate.state_dict() if fit.rate and unfinished else None,
        "cache": fit.representation.cached_state() if caches else {},
    }
    with atomic_file(fit.state_path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch raises it at the end of a write that failed
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, OSError):
                cause = cause.__cause__ or cause.__context__
            raise cause or error from None


def resume(fit: Fit) -> bool:
    """Continue a fit from its own state, or with `fit.adopt` from another one that has more epochs.

    Each state of other inputs in the same folder is reported, and kept.

    Raises:
        BenchError: the file of its own state cannot be read.
    """
    if fit.state_path is None:
        return False
    saved = list(saved_states(fit.state_path.parent))
    epochs = max((state.epochs for state in saved if state.path == fit.state_path), default=0)
    others = [state for state in saved if state.path != fit.state_path]
    if fit.adopt:
        candidates = [s for s in others if s.epochs > epochs and not s.obstacle(fit.inputs)]
        if candidates:
            _adopt(fit, max(candidates, key=lambda state: state.epochs))
            return True
    if not epochs:
        for state in others:
            _report_other(fit, state)
    if not fit.state_path.exists():
        return False
    try:
        values = torch.load(fit.state_path, map_location=fit.frames.device, weights_only=True)
    except Exception as error:
        problem = f"the state of the fit cannot be read ({error})"
        raise BenchError(fit.state_path, problem, "delete it to start over") from error
    _load(fit, values)
    return True


def _report_other(fit: Fit, state: SavedState) -> None:
    obstacle = state.obstacle(fit.inputs)
    differences = ", ".join(list(state.differences(fit.inputs))[:3])
    remedy = f"it cannot be adopted: {obstacle}" if obstacle else "adopt it with --adopt"
    fit.notify(
        f"a state of {state.epochs} epochs from other settings is kept in {state.path}"
        f" ({differences or 'unknown settings'}); {remedy}"
    )


def _adopt(fit: Fit, state: SavedState) -> None:
    """Load a state of other inputs. The remaining epochs follow the recipe and the schedule of this fit."""
    values = torch.load(state.path, map_location=fit.frames.device, weights_only=True)
    differences = state.differences(fit.inputs)
    _load(fit, values)
    fit.adopted = [*fit.adopted, {"epochs": state.epochs, "inputs": differences}]
    fit.notify(
        f"adopts the state of {state.epochs} epochs in {state.path} ({', '.join(differences)});"
        f" the schedule of {fit.recipe.total_epochs} epochs applies from epoch {state.epochs} on"
        f"{'; Adam starts anew' if state.finished and not fit.finished else ''}"
    )


def _load(fit: Fit, values: Mapping[str, Any]) -> None:
    representation = fit.representation
    representation.network.load_state_dict(values["network"])
    fit.log = [EpochLog(**row) for row in values["log"]]
    fit.earlier_s = fit.log[-1].wall_s, fit.log[-1].cpu_s
    fit.devices = values["devices"]
    fit.adopted, fit.restarts = values["adopted"], [*values["restarts"], *fit.restarts]
    fit.quantiser = rounding.from_state(values["steps"])
    if fit.finished:
        return
    if values.get("rate"):
        assert fit.quantiser is not None
        fit.begin_rate(representation.finish(fit.frames), fit.quantiser)
        assert fit.rate is not None
        fit.rate.load_state_dict(values["rate"])
    if values["optimiser"] is not None:  # a finished fit of fewer epochs has none
        fit.optimiser.load_state_dict(values["optimiser"])
    if values["kept"] is not None:
        fit.masks = Masks(list(representation.pruning_scores()), values["kept"])
    if fit.quantiser is not None and fit.rate is None:
        fit.rounded = rounding.RoundedWeights(representation.finish(fit.frames), fit.quantiser)
    if values["cache"]:
        representation.load_cached_state(values["cache"])
    else:
        fit.refresh()


def _flat(inputs: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested inputs as one level, with names such as "recipe.epochs"."""
    flat: dict[str, Any] = {}
    for key, value in inputs.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
