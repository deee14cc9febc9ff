"""The one trainer: Adam with warm-up and cosine, resumable, nothing in the step but the step.

Frames lie in memory once, as uint8. A step reads no value back from the device: squared errors are
summed there and read once an epoch. The order of frames is a function of (seed, epoch), so that a fit
that was killed and started again ends in the same weights, byte for byte, as one that was not (CPU).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bench.errors import BenchError
from bench.inr.representation import Representation

STATE_NAME = "fit.pt"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is fitted.

    Attributes:
        epochs: passes over the clip.
        learning_rate: Adam's peak rate.
        warmup: fraction of the epochs over which the rate climbs from a tenth to the peak.
        betas: Adam's decay rates.
        loss: a name in `bench.inr.losses.CATALOGUE`.
        batch_size: frames a step.
        save_every: epochs between saved states.
        refresh: when a representation's cache is recomputed. `saves`: at every saved state, so that
            the state need not hold it. `official`: where FFNeRV's script evaluates (every 50
            epochs and in the last nine), the cache being part of the state.
    """

    epochs: int
    learning_rate: float
    warmup: float = 0.2
    betas: tuple[float, float] = (0.5, 0.999)
    loss: str = "Fusion6"
    batch_size: int = 1
    save_every: int = 5
    refresh: Literal["saves", "official"] = "saves"

    def rate_at(self, epoch: float) -> float:
        """Learning rate at a (fractional) epoch: linear warm-up from 0.1, then cosine to 0."""
        warm = int(self.warmup * self.epochs)
        if epoch < warm:
            return self.learning_rate * (0.1 + 0.9 * epoch / warm)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - warm) / (self.epochs - warm)))

    def saves_after(self, epoch: int) -> bool:
        return (epoch + 1) % self.save_every == 0 and epoch + 1 < self.epochs

    def refreshes_after(self, epoch: int) -> bool:
        if self.refresh == "saves":
            return self.saves_after(epoch)
        return (epoch + 1) % 50 == 0 or epoch > self.epochs - 10


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """One row of the fit log; seconds add up over interruptions."""

    epoch: int
    psnr_rgb_db: float
    loss: float
    learning_rate: float
    wall_s: float


def frame_order(seed: int, epoch: int, frames: int) -> Tensor:
    """The order of frames in an epoch: a permutation (frames,) that depends on nothing else."""
    # NumPy mixes the whole pair into its state; torch's generator keeps 32 bits of a seed.
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(frames))


def make_optimiser(parameters: Iterable[Tensor], recipe: Recipe) -> torch.optim.Adam:
    """Adam without weight decay, one fused kernel for all tensors."""
    return torch.optim.Adam(list(parameters), lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def train_step(
    representation: Representation,
    optimiser: torch.optim.Optimizer,
    index: Tensor,
    target: Tensor,
    *,
    learning_rate: float,
    loss: str,
) -> tuple[Tensor, Tensor]:
    """One update; returns the detached loss and each frame's squared error (B,), on the device."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    total, frames = representation.step(index, target, loss)
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    optimiser.step()
    return total.detach(), (frames - target).square_().sum(dim=(1, 2, 3))


class Fit:
    """A fit in progress: the weights, the optimiser and the log, saved and resumed as one.

    Args:
        frames: the clip (N, 3, H, W), uint8 RGB, already on the representation's device.
        state_dir: where the state is saved; None keeps none.
        identity: what the state belongs to; a state of another identity is refused.
    """

    def __init__(
        self,
        representation: Representation,
        frames: Tensor,
        recipe: Recipe,
        *,
        seed: int = 0,
        state_dir: Path | None = None,
        identity: str = "",
    ) -> None:
        self.representation, self.frames, self.recipe, self.seed = representation, frames, recipe, seed
        self.state_path = state_dir / STATE_NAME if state_dir else None
        self.identity = identity
        self.optimiser = make_optimiser(representation.network.parameters(), recipe)
        self.log: list[EpochLog] = []

    def run(self, report: Callable[[EpochLog], None] = lambda row: None) -> list[EpochLog]:
        """Train what is left of the epochs; `report` is called after each."""
        if not self._resume():
            self.representation.refresh()
        for epoch in range(len(self.log), self.recipe.epochs):
            row = self._epoch(epoch)
            self.log.append(row)
            if self.recipe.refreshes_after(epoch):
                self.representation.refresh()
            if self.recipe.saves_after(epoch):
                self._save()
            report(row)
        return self.log

    def _epoch(self, epoch: int) -> EpochLog:
        began = time.perf_counter()
        order = frame_order(self.seed, epoch, len(self.frames)).to(self.frames.device)
        errors = torch.zeros(len(order), device=self.frames.device)
        loss_sum = torch.zeros((), device=self.frames.device)
        batches = order.split(self.recipe.batch_size)
        for step, index in enumerate(batches):
            # Official in-epoch fraction: iterations over frames, the same at batch size 1.
            rate = self.recipe.rate_at(epoch + step / len(order))
            target = self.frames.index_select(0, index).to(torch.float32).div_(255)
            loss, squared = train_step(
                self.representation,
                self.optimiser,
                index,
                target,
                learning_rate=rate,
                loss=self.recipe.loss,
            )
            loss_sum += loss
            errors.index_copy_(0, index, squared)
        mse = errors.double().cpu() / self.frames[0].numel()  # the epoch's one read from the device
        before = self.log[-1].wall_s if self.log else 0.0
        return EpochLog(
            epoch=epoch,
            psnr_rgb_db=float((-10 * mse.clamp(min=1e-10).log10()).mean()),
            loss=float(loss_sum) / len(batches),
            learning_rate=rate,
            wall_s=before + time.perf_counter() - began,
        )

    def _save(self) -> None:
        if self.state_path is None:
            return
        state = {
            "identity": self.identity,
            "log": [asdict(row) for row in self.log],
            "network": self.representation.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "cache": self.representation.cached_state() if self.recipe.refresh == "official" else {},
        }
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.state_path.with_suffix(".partial")
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.state_path)

    def _resume(self) -> bool:
        if self.state_path is None or not self.state_path.exists():
            return False
        try:
            state = torch.load(self.state_path, map_location=self.frames.device, weights_only=True)
        except Exception as error:
            raise BenchError(
                self.state_path, f"state cannot be read ({error})", "delete it to fit anew"
            ) from error
        if state["identity"] != self.identity:
            # Another clip, seed, network or recipe: its weights are of no use here.
            return False
        self.representation.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.log = [EpochLog(**row) for row in state["log"]]
        if state["cache"]:
            self.representation.load_cached_state(state["cache"])
        else:
            self.representation.refresh()
        return True
