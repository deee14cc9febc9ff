"""How a network is fitted: the stages of a fit, their learning rates, what is saved when.

A fit trains for `epochs`. With `prune` the smallest weights are then set to zero for good and the rest
is fine-tuned, which is the train-prune-quantise-encode pipeline of NeRV and FFNeRV (FFNeRV section
3.4); a network that trains with quantised weights needs no stage for that. With `quantise` a last stage
trains with quantisation noise (HiNeRV section 3.5), or with `rounding` through the stream's own steps.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

CosineFrom = Literal["warmup", "start"]
#: Of a step's multiplications: float32; float32 whose factors a GPU's matrix units round to 10 bits of
#: mantissa (tf32); bfloat16 in networks, losses being float32 (bf16). What is decoded is float32 always.
Precision = Literal["float32", "tf32", "bf16"]


def _is_whole(value: object, least: int, most: int | None = None) -> bool:
    """Settings come from YAML, where 6.0 and true are numbers too."""
    return type(value) is int and value >= least and (most is None or value <= most)


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Global magnitude pruning and the fine-tuning after it.

    Attributes:
        ratio: fraction of the prunable weights that become zero, in (0, 1). The official NeRV option
            of this name is the fraction that is kept.
        epochs: of fine-tuning: the rate falls by a cosine without warm-up.
        learning_rate: where it starts; None: the fit's peak rate.
    """

    ratio: float
    epochs: int
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if not (0 < self.ratio < 1 and _is_whole(self.epochs, 1)):
            raise ValueError(f"prune: ratio {self.ratio} and epochs {self.epochs}: give 0..1 and 1 or more")


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """Fine-tuning with quantisation noise: a step sees most weights as a stream would hold them.

    Attributes:
        epochs: the rate falls by a cosine without warm-up.
        bits: width of the noise's codes. The stream's quantiser may have more.
        noise: share of the weights that a step quantises, drawn anew for each, in (0, 1].
        learning_rate: where it starts; None: the fit's peak rate.
    """

    epochs: int
    bits: int
    noise: float = 0.9
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if not (_is_whole(self.epochs, 1) and 0 < self.noise <= 1 and _is_whole(self.bits, 2, 10)):
            raise ValueError(
                f"quantise: epochs {self.epochs}, noise {self.noise}, bits {self.bits}: "
                "give 1 or more, 0..1 and 2..10"
            )


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """Fine-tuning of weights that are rounded as the stream's own quantiser will
    (`bench.inr.fitting.rounding`).

    Attributes:
        epochs: the rate falls by a cosine without warm-up.
        learning_rate: where it starts; None: an eighth of the fit's peak rate.
    """

    epochs: int
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if not _is_whole(self.epochs, 1):
            raise ValueError(f"rounding: epochs {self.epochs}: give 1 or more")


class Stage(NamedTuple):
    """A part of a fit with a schedule of its own, warm-up included in its epochs."""

    first: int
    epochs: int
    peak: float
    warm: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is fitted.

    Attributes:
        epochs: passes over the clip before any pruning.
        learning_rate: Adam's peak rate.
        warmup: fraction of the epochs (whole ones) over which the rate climbs to the peak.
        warmup_start: fraction of the peak where it begins to climb.
        floor: fraction of its peak where the cosine of any stage ends.
        cosine_from: where the first stage's cosine begins: at the end of the `warmup`, or at the
            `start`, as timm's scheduler has it, which then falls a little at once after the climb.
        betas: Adam's decay rates.
        loss: a name in `bench.inr.network.losses.CATALOGUE`.
        batch_size: frames a step, or as many patches as these have.
        fit_every: fit frames 0, n, 2n, ... alone; the others are held out (frame interpolation).
        clip_gradient: largest norm of all gradients together; None leaves them.
        precision: of a step's multiplications (`Precision`).
        compile: whether the network's calls run compiled (torch.compile): after a minute or so, steps that
            are the same but for rounding.
        rate_weight: how much a bit a pixel of coded weights counts in the loss (`losses.weight_bits`).
        save_every: epochs between saved states.
        refresh: when a representation's cache is recomputed. `saves`: at every saved state, so that
            the state need not hold it. `official`: where FFNeRV's script evaluates (every 50
            epochs and in the last nine), the cache being part of the state.
        prune: pruning and fine-tuning after the epochs; None does neither.
        quantise: training with quantisation noise as the last stage; None has none.
        rounding: training through a stream's steps as the last stage; None has none.
        restart_adam: whether later stages begin with a new Adam; else its moments go on.
    """

    epochs: int
    learning_rate: float
    warmup: float = 0.2
    warmup_start: float = 0.1
    floor: float = 0.0
    cosine_from: CosineFrom = "warmup"
    betas: tuple[float, float] = (0.5, 0.999)
    loss: str = "Fusion6"
    batch_size: int = 1
    fit_every: int = 1
    clip_gradient: float | None = None
    rate_weight: float = 0.0
    precision: Precision = "float32"
    compile: bool = False
    save_every: int = 5
    refresh: Literal["saves", "official"] = "saves"
    prune: Pruning | None = None
    quantise: Quantisation | None = None
    rounding: Rounding | None = None
    restart_adam: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "fit_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is less than 1")
        if self.rate_weight < 0:
            raise ValueError(f"rate_weight: {self.rate_weight} is less than 0")
        for name in ("warmup_start", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is no fraction of the peak")
        if self.cosine_from not in get_args(CosineFrom):
            raise ValueError(f"cosine_from: {self.cosine_from!r} is neither warmup nor start")
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision: {self.precision!r} is none of {', '.join(get_args(Precision))}")
        if self.rounding and (self.compile or self.quantise):
            raise ValueError("rounding: does not go with compile or quantise; leave out one of the two")

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """In order: the epochs, and the fine-tunings after them."""
        stages = [Stage(0, self.epochs, self.learning_rate, int(self.warmup * self.epochs))]
        for tuning in (self.prune, self.quantise, self.rounding):
            if tuning is None:
                continue
            usual = self.learning_rate / (8 if tuning is self.rounding else 1)
            peak = usual if tuning.learning_rate is None else tuning.learning_rate
            stages.append(Stage(stages[-1].first + stages[-1].epochs, tuning.epochs, peak, 0))
        return tuple(stages)

    @property
    def total_epochs(self) -> int:
        return self.stages[-1].first + self.stages[-1].epochs

    def rate_at(self, epoch: float) -> float:
        """Learning rate at a (fractional) epoch: linear warm-up, then a cosine down to the floor."""
        first, epochs, peak, warm = next(stage for stage in reversed(self.stages) if epoch >= stage.first)
        at = epoch - first
        if at < warm:
            return peak * (self.warmup_start + (1 - self.warmup_start) * at / warm)
        begin, lowest = (0 if self.cosine_from == "start" else warm), self.floor * peak
        fallen = math.pi * (at - begin) / (epochs - begin)
        return lowest + (peak - lowest) * 0.5 * (1 + math.cos(fallen))

    def prunes_before(self, epoch: int) -> bool:
        return self.prune is not None and epoch == self.epochs

    def restarts_before(self, epoch: int) -> bool:
        return self.restart_adam and epoch in [stage.first for stage in self.stages[1:]]

    def quantises_in(self, epoch: int) -> bool:
        return self.quantise is not None and epoch >= self.stages[-1].first

    def rounds_in(self, epoch: int) -> bool:
        return self.rounding is not None and epoch >= self.stages[-1].first

    def saves_after(self, epoch: int) -> bool:
        return (epoch + 1) % self.save_every == 0 and epoch + 1 < self.total_epochs

    def refreshes_after(self, epoch: int) -> bool:
        if self.refresh == "saves":
            return self.saves_after(epoch)
        return (epoch + 1) % 50 == 0 or epoch > self.total_epochs - 10
