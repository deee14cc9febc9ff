"""How a network is fitted: the stages of a fit, their learning rates, what is saved when.

A fit trains for `epochs`. With `prune` the smallest weights are then set to zero for good and the rest
is fine-tuned, which is the train-prune-quantise-encode pipeline of NeRV and FFNeRV (FFNeRV section
3.4); a network that trains with quantised weights needs no stage for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Global magnitude pruning and the fine-tuning after it.

    Attributes:
        ratio: fraction of the prunable weights that become zero, in (0, 1). The official NeRV option
            of this name is the fraction that is kept.
        epochs: of fine-tuning: Adam's moments go on, the rate falls by a cosine without warm-up.
        learning_rate: where it starts; None: the fit's peak rate.
    """

    ratio: float
    epochs: int
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1 or self.epochs < 1:
            raise ValueError(f"prune: ratio {self.ratio} and epochs {self.epochs}: give 0..1 and 1 or more")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is fitted.

    Attributes:
        epochs: passes over the clip before any pruning.
        learning_rate: Adam's peak rate.
        warmup: fraction of the epochs (whole ones) over which the rate climbs from a tenth to the peak.
        betas: Adam's decay rates.
        loss: a name in `bench.inr.losses.CATALOGUE`.
        batch_size: frames a step.
        fit_every: fit frames 0, n, 2n, ... alone; the others are held out (frame interpolation).
        clip_gradient: largest norm of all gradients together; None leaves them.
        save_every: epochs between saved states.
        refresh: when a representation's cache is recomputed. `saves`: at every saved state, so that
            the state need not hold it. `official`: where FFNeRV's script evaluates (every 50
            epochs and in the last nine), the cache being part of the state.
        prune: pruning and fine-tuning after the epochs; None does neither.
    """

    epochs: int
    learning_rate: float
    warmup: float = 0.2
    betas: tuple[float, float] = (0.5, 0.999)
    loss: str = "Fusion6"
    batch_size: int = 1
    fit_every: int = 1
    clip_gradient: float | None = None
    save_every: int = 5
    refresh: Literal["saves", "official"] = "saves"
    prune: Pruning | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "fit_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is less than 1")

    @property
    def total_epochs(self) -> int:
        return self.epochs + (self.prune.epochs if self.prune else 0)

    def rate_at(self, epoch: float) -> float:
        """Learning rate at a (fractional) epoch: linear warm-up from 0.1, then cosine to 0."""
        peak, warm, length = self.learning_rate, int(self.warmup * self.epochs), self.epochs
        if self.prune and epoch >= self.epochs:  # a schedule of its own
            epoch, warm, length = epoch - self.epochs, 0, self.prune.epochs
            peak = peak if self.prune.learning_rate is None else self.prune.learning_rate
        if epoch < warm:
            return peak * (0.1 + 0.9 * epoch / warm)
        return peak * 0.5 * (1 + math.cos(math.pi * (epoch - warm) / (length - warm)))

    def prunes_before(self, epoch: int) -> bool:
        return self.prune is not None and epoch == self.epochs

    def saves_after(self, epoch: int) -> bool:
        return (epoch + 1) % self.save_every == 0 and epoch + 1 < self.total_epochs

    def refreshes_after(self, epoch: int) -> bool:
        if self.refresh == "saves":
            return self.saves_after(epoch)
        return (epoch + 1) % 50 == 0 or epoch > self.total_epochs - 10
