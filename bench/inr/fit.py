"""The one trainer: Adam with warm-up and cosine, resumable, nothing in the step but the step.

Frames lie in memory once, as uint8. A step reads no value back from the device: squared errors are
summed there and read once an epoch. The order of frames is a function of (seed, epoch), so that a fit
that was killed and started again ends in the same weights, byte for byte, as one that was not (CPU).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.clock import cpu_seconds
from bench.errors import BenchError
from bench.inr.pruning import Masks, prune_masks
from bench.inr.recipe import Recipe
from bench.inr.representation import Representation

STATE_NAME = "fit.pt"


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """One row of the fit log; seconds since the fit began, interruptions left out."""

    epoch: int
    psnr_rgb_db: float
    loss: float
    learning_rate: float
    wall_s: float
    cpu_s: float


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
    clip_gradient: float | None = None,
) -> tuple[Tensor, Tensor]:
    """One update; returns the detached loss and each frame's squared error (B,), on the device."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    total, frames = representation.step(index, target, loss)
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    if clip_gradient is not None:
        torch.nn.utils.clip_grad_norm_(representation.network.parameters(), clip_gradient)
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
        self.masks: Masks | None = None
        self.log: list[EpochLog] = []
        #: Wall and CPU seconds of earlier processes, whose state this fit goes on from.
        self.earlier_s = (0.0, 0.0)

    def run(self, report: Callable[[EpochLog], None] = lambda row: None) -> list[EpochLog]:
        """Train what is left of the epochs; `report` is called after each."""
        if not self._resume():
            self.representation.refresh()
        for epoch in range(len(self.log), self.recipe.total_epochs):
            if self.recipe.prunes_before(epoch):
                self._prune()
            row = self._epoch(epoch)
            self.log.append(row)
            if self.recipe.refreshes_after(epoch):
                self.representation.refresh()
            if self.recipe.saves_after(epoch):
                self._save()
            report(row)
        return self.log

    def _epoch(self, epoch: int) -> EpochLog:
        wall, cpu = time.perf_counter(), cpu_seconds()
        every = self.recipe.fit_every
        order = frame_order(self.seed, epoch, -(-len(self.frames) // every)).to(self.frames.device)
        errors = torch.zeros(len(order), device=self.frames.device)
        loss_sum = torch.zeros((), device=self.frames.device)
        batches = order.split(self.recipe.batch_size)
        for step, place in enumerate(batches):
            index = place * every
            rate = self.recipe.rate_at(epoch + step / len(batches))
            target = self.frames.index_select(0, index).to(torch.float32).div_(255)
            loss, squared = train_step(
                self.representation,
                self.optimiser,
                index,
                target,
                learning_rate=rate,
                loss=self.recipe.loss,
                clip_gradient=self.recipe.clip_gradient,
            )
            if self.masks:
                self.masks.apply()
            loss_sum += loss
            errors.index_copy_(0, place, squared)
        mse = errors.double().cpu() / self.frames[0].numel()  # the epoch's one read from the device
        before = self.log[-1] if self.log else None
        return EpochLog(
            epoch=epoch,
            psnr_rgb_db=float((-10 * mse.clamp(min=1e-10).log10()).mean()),
            loss=float(loss_sum) / len(batches),
            learning_rate=rate,
            wall_s=(before.wall_s if before else 0.0) + time.perf_counter() - wall,
            cpu_s=(before.cpu_s if before else 0.0) + cpu_seconds() - cpu,
        )

    def _prune(self) -> None:
        """From here on the smallest weights are zero."""
        assert self.recipe.prune is not None
        scores = self.representation.pruning_scores()
        self.masks = Masks(list(scores), prune_masks(list(scores.values()), self.recipe.prune.ratio))
        self.masks.apply()

    def _save(self) -> None:
        if self.state_path is None:
            return
        state = {
            "identity": self.identity,
            "log": [asdict(row) for row in self.log],
            "network": self.representation.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "kept": self.masks.kept if self.masks else None,
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
        self.earlier_s = self.log[-1].wall_s, self.log[-1].cpu_s
        if state["kept"] is not None:
            self.masks = Masks(list(self.representation.pruning_scores()), state["kept"])
        if state["cache"]:
            self.representation.load_cached_state(state["cache"])
        else:
            self.representation.refresh()
        return True
