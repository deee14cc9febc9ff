"""Recipe of a fit: its phases, learning rate schedule, loss, and when its state is saved. No torch import.

A fit trains for `epochs`. Up to three fine-tuning phases follow, each with a schedule of its own:

* `prune`: the smallest weights are set to zero and the others fine-tuned. This is the train, prune, quantise,
  encode pipeline of NeRV (section 3.3) and FFNeRV (section 3.4).
* `quantise`: training with quantisation noise (HiNeRV section 3.5).
* `rounding`: training through the quantiser of the stream (`bench.inr.fitting.rounding`).

With `rate` the first phase itself trains through the quantiser of the stream, for a given size of the stream.
No fine-tuning phase follows then.

A network that trains with quantised weights from the first epoch (FFNeRV's `bits`) needs none of them.

Terms: a *recipe* is everything that decides how a network is fitted; a *phase* is a part of a fit with a
schedule of its own; a *stage* is an upsampling stage of a decoder.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

from bench.inr.network.clip_check import UnsuitableClip, check_whole
from bench.inr.network.loss_catalogue import loss_in

CosineFrom = Literal["warmup", "start"]
#: Arithmetic of a training step: `float32`; `tf32`, where a GPU's matrix units round the factors of products
#: to 10 bits of mantissa; `bf16`, where the network computes in bfloat16 and the loss in float32. Decoders
#: always compute in float32.
Precision = Literal["float32", "tf32", "bf16"]
Refresh = Literal["saves", "official"]
Space = Literal["rgb", "yuv420"]
#: `adam`; `muon`: Muon for kernels and matrices, Adam for all other weights (`bench.inr.fitting.optimiser`).
OptimiserName = Literal["adam", "muon"]

#: Part of the peak learning rate that the rounding phase starts from, unless it is given.
_ROUNDING_RATE = 1 / 8
#: FFNeRV's script evaluates, and with that refreshes its key frames, every 50 epochs and in the last nine.
_OFFICIAL_EVERY, _OFFICIAL_LAST = 50, 10


def _check_number(name: str, value: object, least: float, most: float = math.inf) -> None:
    """Raise ValueError unless a setting is a finite number from `least` to `most`."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not least <= float(value) <= most:  # type: ignore[arg-type]
        allowed = f"from {least:g}" + ("" if most == math.inf else f" to {most:g}")
        raise ValueError(f"{name}: {value!r} must be a number {allowed}")


def _check_fraction(name: str, value: float, *, whole_allowed: bool = False) -> None:
    """Raise ValueError unless 0 < value < 1, or value == 1 where `whole_allowed`."""
    _check_number(name, value, 0, 1)
    if value == 0 or (value == 1 and not whole_allowed):
        raise ValueError(f"{name}: {value!r} must be above 0 and {'at most' if whole_allowed else 'below'} 1")


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Global magnitude pruning, and the fine-tuning phase after it.

    Attributes:
        ratio: fraction of the prunable weights that are set to zero, in (0, 1). The official NeRV option
            `prune_ratio` is the fraction that is kept.
        epochs: length of the phase. The learning rate falls by a cosine without warm-up.
        learning_rate: at its start; None: the fit's peak rate.
    """

    ratio: float
    epochs: int
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        _check_fraction("prune: ratio", self.ratio)
        _check_phase("prune", self)


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """Fine-tuning phase with quantisation noise: a step computes with most weights quantised.

    Attributes:
        epochs: length of the phase. The learning rate falls by a cosine without warm-up.
        bits: code width of the noise, 2 to 10. The stream's quantiser may have another one.
        noise: fraction of the weights that a step quantises, drawn anew in each step, in (0, 1].
        learning_rate: at its start; None: the fit's peak rate.
    """

    epochs: int
    bits: int
    noise: float = 0.9
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        _check_phase("quantise", self)
        check_whole("quantise: bits", self.bits, least=2)
        _check_number("quantise: bits", self.bits, 2, 10)
        _check_fraction("quantise: noise", self.noise, whole_allowed=True)


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """Fine-tuning phase through the stream's own quantiser (`bench.inr.fitting.rounding`).

    Attributes:
        epochs: length of the phase. The learning rate falls by a cosine without warm-up.
        learning_rate: at its start; None: an eighth of the fit's peak rate.
    """

    epochs: int
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        _check_phase("rounding", self)


@dataclass(frozen=True, kw_only=True)
class RateTarget:
    """End-to-end rate-distortion training for a given rate (`bench.inr.fitting.rate_distortion`).

    Attributes:
        bpp: size of the stream in bits per pixel, above 0.
        start: fraction of the epochs, rounded down but one epoch at least, before the weights are rounded and
            their size counts, in [0, 1).
    """

    bpp: float
    start: float = 0.3

    def __post_init__(self) -> None:
        _check_number("rate: bpp", self.bpp, 0)
        _check_number("rate: start", self.start, 0, 1)
        if self.bpp == 0 or self.start == 1:
            raise ValueError(f"rate: bpp {self.bpp!r} must be above 0, and start {self.start!r} below 1")


FineTuning = Pruning | Quantisation | Rounding


def _check_phase(name: str, tuning: FineTuning) -> None:
    check_whole(f"{name}: epochs", tuning.epochs)
    if tuning.learning_rate is not None:
        _check_number(f"{name}: learning_rate", tuning.learning_rate, 0)


class Phase(NamedTuple):
    """A part of a fit with a schedule of its own.

    Attributes:
        first: its first epoch, counted from the start of the fit; epochs: its length, warm-up included.
        peak: its highest learning rate; warm: epochs of linear warm-up.
    """

    first: int
    epochs: int
    peak: float
    warm: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is fitted.

    Attributes:
        epochs: passes over the clip before any fine-tuning phase.
        learning_rate: peak rate of the optimiser.
        warmup: fraction of the epochs, rounded down, over which the rate rises to the peak.
        warmup_start: fraction of the peak where the rise begins.
        floor: fraction of its peak where the cosine of any phase ends.
        cosine_from: start of the first phase's cosine: the end of the `warmup`, or the `start` of the fit, as
            in timm's scheduler, whose rate is then a little below the peak right after the warm-up.
        betas: Adam's decay rates.
        loss: a name in `bench.inr.network.loss_catalogue.CATALOGUE`.
        space: a name in `bench.inr.network.loss_catalogue.SPACES`: what the network's three channels are.
        batch_size: frames per step, or as many patches as this many frames have.
        fit_every: fit frames 0, n, 2n, ... only; the others are held out (frame interpolation).
        clip_gradient: maximum norm of all gradients together; None: no clipping.
        rate_weight: weight in the loss of one coded bit per pixel (`bench.inr.coding.weight_rate`).
        precision: arithmetic of a step (`Precision`).
        compile: whether the network runs compiled (torch.compile). Compilation takes about a minute; steps
            then differ by rounding errors only.
        save_every: epochs between saved states.
        refresh: when a representation recomputes its cache. `saves`: at every saved state, so that a state
            need not contain the cache. `official`: where FFNeRV's script evaluates; the cache is then part
            of the state.
        prune, quantise, rounding: fine-tuning phases, in this order; None: no such phase.
        optimiser: name of the optimiser (`OptimiserName`).
        rate: target for the size of the stream; None: the size follows from the network and the quantiser.
        restart_adam: whether every fine-tuning phase starts with a new Adam; otherwise its moments continue.
        restart_diverged: whether a fit that diverges restarts once from its last saved state with half the
            learning rate; otherwise it ends with an error.

    Raises:
        ValueError: a value is out of range, or two settings exclude each other.
    """

    epochs: int
    learning_rate: float
    warmup: float = 0.2
    warmup_start: float = 0.1
    floor: float = 0.0
    cosine_from: CosineFrom = "warmup"
    betas: tuple[float, float] = (0.5, 0.999)
    loss: str = "Fusion6"
    space: Space = "rgb"
    batch_size: int = 1
    fit_every: int = 1
    clip_gradient: float | None = None
    rate_weight: float = 0.0
    precision: Precision = "float32"
    compile: bool = False
    save_every: int = 5
    refresh: Refresh = "saves"
    prune: Pruning | None = None
    quantise: Quantisation | None = None
    rounding: Rounding | None = None
    optimiser: OptimiserName = "adam"
    rate: RateTarget | None = None
    restart_adam: bool = False
    restart_diverged: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "fit_every", "save_every"):
            check_whole(name, getattr(self, name))
        for name in ("learning_rate", "rate_weight"):
            _check_number(name, getattr(self, name), 0)
        for name in ("warmup", "warmup_start", "floor"):
            _check_number(name, getattr(self, name), 0, 1)
        if self.clip_gradient is not None:
            _check_number("clip_gradient", self.clip_gradient, 0)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: {list(self.betas)} must be two numbers from 0 to below 1")
        for name, choices in (
            ("cosine_from", CosineFrom),
            ("precision", Precision),
            ("space", Space),
            ("refresh", Refresh),
            ("optimiser", OptimiserName),
        ):
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise ValueError(f"{name}: unknown value {getattr(self, name)!r}; use one of {known}")
        if self.rate:
            excluded = ("rate_weight", "compile", "prune", "quantise", "rounding")
            if given := [name for name in excluded if getattr(self, name)]:
                raise ValueError(f"rate: cannot be combined with {given[0]}; leave out one of them")
            if self.epochs < 2:
                raise ValueError(f"rate: needs two epochs or more, not {self.epochs}")
        if self.rounding and self.quantise:
            raise ValueError("rounding: cannot be combined with quantise; leave out one of them")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Recipe:
        """The recipe of a codec's complete settings, which may have other keys too.

        Raises:
            ValueError: see the class; TypeError: a fine-tuning phase has an unknown or a missing key.
        """
        values = {field.name: settings[field.name] for field in fields(cls)}
        values["betas"] = tuple(values["betas"])
        for name, phase in (
            ("prune", Pruning),
            ("quantise", Quantisation),
            ("rounding", Rounding),
            ("rate", RateTarget),
        ):
            if values[name] is not None:
                values[name] = phase(**values[name])
        return cls(**values)

    def check_clip(self, frames: int) -> None:
        """Raise UnsuitableClip if a clip of this many frames cannot be fitted."""
        if self.fit_every > 1 and self.fit_every >= frames:
            raise UnsuitableClip(
                f"fit_every: {self.fit_every} must be smaller than the clip's number of frames, {frames}"
            )

    @functools.cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in order: the epochs, then the fine-tuning phases."""
        phases = [Phase(0, self.epochs, self.learning_rate, int(self.warmup * self.epochs))]
        for tuning in (self.prune, self.quantise, self.rounding):
            if tuning is None:
                continue
            peak = tuning.learning_rate
            if peak is None:
                peak = self.learning_rate * (_ROUNDING_RATE if tuning is self.rounding else 1)
            phases.append(Phase(phases[-1].first + phases[-1].epochs, tuning.epochs, peak, 0))
        return tuple(phases)

    @property
    def total_epochs(self) -> int:
        """Epochs of all phases."""
        return self.phases[-1].first + self.phases[-1].epochs

    @property
    def step_loss(self) -> str:
        """The name of the loss in the space of the fit, for `Representation.step`."""
        return loss_in(self.space, self.loss)

    def rate_at(self, epoch: float) -> float:
        """Learning rate at a fractional epoch: linear warm-up, then a cosine down to the floor.

        In a phase of E epochs with W epochs of warm-up, peak p, floor f * p and e epochs since its start:

            e < W:  p (s + (1 - s) e / W),                         s = warmup_start
            else:   f p + (1 - f) p (1 + cos(pi (e - B) / (E - B))) / 2,   B = W (cosine_from: warmup) or 0
        """
        first, epochs, peak, warm = next(phase for phase in reversed(self.phases) if epoch >= phase.first)
        elapsed = epoch - first
        if elapsed < warm:
            return peak * (self.warmup_start + (1 - self.warmup_start) * elapsed / warm)
        begin, lowest = (0 if self.cosine_from == "start" else warm), self.floor * peak
        angle = math.pi * (elapsed - begin) / (epochs - begin)
        return lowest + (peak - lowest) * 0.5 * (1 + math.cos(angle))

    def prunes_before(self, epoch: int) -> bool:
        return self.prune is not None and epoch == self.epochs

    def restarts_before(self, epoch: int) -> bool:
        return self.restart_adam and epoch in [phase.first for phase in self.phases[1:]]

    def quantises_in(self, epoch: int) -> bool:
        return self.quantise is not None and epoch >= self.phases[-1].first

    def rounds_in(self, epoch: int) -> bool:
        return self.rounding is not None and epoch >= self.phases[-1].first

    @property
    def trains_through_quantiser(self) -> bool:
        """Whether the fit depends on the quantiser of the stream."""
        return self.rounding is not None or self.rate is not None

    @property
    def rate_from(self) -> int | None:
        """First epoch in which the weights are rounded and their size counts; None without `rate`."""
        return max(int(self.rate.start * self.epochs), 1) if self.rate else None

    def saves_after(self, epoch: int) -> bool:
        return (epoch + 1) % self.save_every == 0 and epoch + 1 < self.total_epochs

    def refreshes_after(self, epoch: int) -> bool:
        if self.refresh == "saves":
            return self.saves_after(epoch)
        return (epoch + 1) % _OFFICIAL_EVERY == 0 or epoch > self.total_epochs - _OFFICIAL_LAST
