"""Equal-time budget: the number of epochs of a fit that takes a given number of seconds of encoding.

The learning rate's schedule needs the number of epochs before the first step, so a fit cannot stop on the
clock. A probe therefore times a few steps of each phase with the very network, the saving of a state, and the
coding of the weights. From these follows the largest number of epochs of the first phase with which the
encode ends in time; the lengths of the later phases are those of the recipe. The fit is then the same, byte
for byte, as one that is given this number of epochs.

The budget includes everything from the start of the encode to the stream, the probe as well. A fit that is
resumed keeps the number of epochs: it is saved beside the states.
"""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.files import read_json, write_json
from bench.inr.fitting import fit_state
from bench.inr.fitting.rate_distortion import MEASUREMENTS
from bench.inr.fitting.recipe import Recipe

if TYPE_CHECKING:
    from bench.inr.fitting.trainer import Fit

#: Steps of a phase that are timed, after as many that are not: kernels are chosen and recorded in these.
STEPS = 8
#: Epochs of a phase in the probe. In the second one a fit with `rate` does not run the weight coder.
_PHASE_EPOCHS = 8


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Seconds of the parts of an encode, measured before its fit.

    Attributes:
        spent_s: from the start of the encode to the end of the probe.
        epoch_s: of an epoch of each phase; `rate` splits the first phase where the rate begins to count.
        once_s: at the starts of phases: pruning, the choice of a quantiser, first steps.
        save_s: of saving a state. refresh_s: of recomputing a cache, such as FFNeRV's frame buffer.
        coding_s: of quantising and entropy-coding the weights.
    """

    spent_s: float
    epoch_s: tuple[float, ...]
    once_s: float
    save_s: float
    refresh_s: float
    coding_s: float


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A budget in seconds and what follows from it.

    Attributes:
        encode_s: the budget. epochs: of the first phase. predicted_s: of the encode with these.
    """

    encode_s: float
    epochs: int
    predicted_s: float
    probe: Probe

    def __str__(self) -> str:
        probe, epoch_s = self.probe, " and ".join(f"{seconds:.3g}" for seconds in self.probe.epoch_s)
        return (
            f"budget of {self.encode_s:g} s: {probe.spent_s:.1f} s so far, {epoch_s} s an epoch, "
            f"{probe.coding_s:.1f} s of coding: {self.epochs} epochs, {self.predicted_s:.1f} s in all"
        )


def predicted_s(recipe: Recipe, probe: Probe) -> float:
    """Seconds of the whole encode with this recipe."""
    total = recipe.total_epochs
    saves = (total - 1) // recipe.save_every + 1
    refreshes = saves if recipe.refresh == "saves" else sum(map(recipe.refreshes_after, range(total)))
    fit_s = sum(epochs * each for (epochs, each) in zip(_lengths(recipe), probe.epoch_s, strict=True))
    kept_s = saves * probe.save_s + refreshes * probe.refresh_s
    return probe.spent_s + probe.once_s + fit_s + kept_s + probe.coding_s


def epochs_within(encode_s: float, recipe: Recipe, probe: Probe) -> int:
    """The largest number of epochs of the first phase with which the encode takes at most `encode_s` seconds.

    Args:
        recipe: with the fewest epochs that are possible.

    Raises:
        BenchError: the encode takes longer with these.
    """

    def seconds(epochs: int) -> float:
        return predicted_s(replace(recipe, epochs=epochs), probe)

    least_s = seconds(recipe.epochs)
    if least_s > encode_s:
        count = f"{recipe.total_epochs} epoch{'s' if recipe.total_epochs > 1 else ''}"
        problem = f"{encode_s:g} s are too few: an encode with {count} takes {least_s:.3g} s"
        remedy = f"give at least {math.ceil(10 * least_s) / 10:g} s, or a smaller network"
        raise BenchError("encode_s", problem, remedy)
    most = recipe.epochs + int(encode_s / min(probe.epoch_s[:2] if recipe.rate else probe.epoch_s[:1])) + 1
    return recipe.epochs - 1 + bisect.bisect_right(range(recipe.epochs, most), encode_s, key=seconds)


def budget_file(folder: Path, encode_s: float, inputs: dict[str, Any]) -> Path:
    """The file of a chosen number of epochs, for a fit with these inputs (`bench.inr.encoding.fit_inputs`).

    Args:
        inputs: with the fewest epochs that are possible.
    """
    return folder / f"budget-{fit_state.identity_of({**inputs, 'encode_s': encode_s})[:16]}.json"


def read_budget(file: Path) -> Budget | None:
    """The budget of a file; None if there is none.

    Raises:
        BenchError: the file is damaged.
    """
    if not file.is_file():
        return None
    try:
        values = read_json(file, "the budget of a fit")
        probe = Probe(**{**values["probe"], "epoch_s": tuple(values["probe"]["epoch_s"])})
        return Budget(**{**values, "probe": probe})
    except (KeyError, TypeError) as error:
        raise BenchError(file, f"is not the budget of a fit ({error})", "delete it to start over") from error


def choose_epochs(
    recipe: Recipe,
    encode_s: float,
    *,
    file: Path,
    started: float,
    start_fit: Callable[[Recipe], Fit],
    code: Callable[[Fit], object],
) -> Budget:
    """The budget that an earlier process of this fit chose, else that of a probe, which is saved.

    Args:
        recipe: with the fewest epochs that are possible.
        file: of `budget_file`. started: `time.perf_counter()` at the start of the encode.
        start_fit: a new fit of a recipe without a state folder, whose epochs have at most `STEPS` steps.
        code: codes the weights of a fit, as the encode does at its end.

    Raises:
        BenchError: the budget is too small for the recipe.
    """
    chosen = read_budget(file)
    if chosen is None:
        probe = _probe(recipe, file=file, started=started, start_fit=start_fit, code=code)
        epochs = epochs_within(encode_s, recipe, probe)
        seconds = predicted_s(replace(recipe, epochs=epochs), probe)
        chosen = Budget(encode_s=encode_s, epochs=epochs, predicted_s=seconds, probe=probe)
        write_json(file, asdict(chosen))
    return chosen


def _probe(
    recipe: Recipe,
    *,
    file: Path,
    started: float,
    start_fit: Callable[[Recipe], Fit],
    code: Callable[[Fit], object],
) -> Probe:
    fit = start_fit(_short(recipe))
    fit.refresh()
    steps = len(fit.batches(0))
    once_s, epoch_s = 0.0, []
    with fit.prepared():
        for first in _starts(fit.recipe):
            once_s += _seconds(fit.begin_phases, first)
            first_s = _seconds(fit.train_epoch, first)
            fit.begin_phases(first + 1)
            timed_s = _seconds(fit.train_epoch, first + 1)
            times = MEASUREMENTS if first == fit.recipe.rate_from else 1
            once_s += times * max(0.0, first_s - timed_s)
            epoch_s.append(timed_s * steps / min(STEPS, steps))
        refresh_s = _seconds(fit.refresh)
        fit.state_path = file.with_suffix(".pt")
        save_s = _seconds(fit_state.save, fit)
        fit.state_path.unlink()
        fit.end()
    coding_s = _seconds(code, fit)
    return Probe(
        spent_s=time.perf_counter() - started,
        epoch_s=tuple(epoch_s),
        once_s=once_s,
        save_s=save_s,
        refresh_s=refresh_s,
        coding_s=coding_s,
    )


def _seconds(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def _lengths(recipe: Recipe) -> list[int]:
    """Epochs of each phase; with `rate`, those before and after the rate begins to count."""
    if recipe.rate_from is not None:
        return [recipe.rate_from, recipe.epochs - recipe.rate_from]
    return [phase.epochs for phase in recipe.phases]


def _starts(recipe: Recipe) -> Iterator[int]:
    """First epoch of each phase of `_lengths`."""
    first = 0
    for length in _lengths(recipe):
        yield first
        first += length


def _short(recipe: Recipe) -> Recipe:
    """The recipe with short phases and learning rate 0: weights stay those of the start."""
    short = {"epochs": _PHASE_EPOCHS, "learning_rate": 0.0}
    phases = {name: getattr(recipe, name) for name in ("prune", "quantise", "rounding")}
    rate = replace(recipe.rate, start=0.5) if recipe.rate else None
    return replace(
        recipe,
        epochs=2 * _PHASE_EPOCHS if rate else _PHASE_EPOCHS,
        learning_rate=0.0,
        rate=rate,
        **{name: replace(phase, **short) for name, phase in phases.items() if phase},
    )
