"""The one trainer: Adam with warm-up and cosine, resumable, nothing in the step but the step.

Frames lie in memory once, as uint8. A step reads no value back from the device: squared errors are
summed there and read once an epoch. The order of frames and the noise of an epoch are functions of
(seed, epoch), so that a fit that was killed and started again ends in the same weights, byte for byte,
as one that was not, on the same CPU with the same number of threads: another instruction set rounds sums in
another order.
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

from bench.base.errors import BenchError
from bench.base.stage_clock import cpu_seconds
from bench.inr.coding.quantisers import ByName
from bench.inr.coding.weight_rate import weight_bits
from bench.inr.fitting import rounding
from bench.inr.fitting.pruning import Masks, prune_masks
from bench.inr.fitting.recipe import Precision, Recipe
from bench.inr.fitting.samples import HasNoise, Samples, samples_of
from bench.inr.network import runtime
from bench.inr.network.representation import Representation

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
    """The order of samples in an epoch: a permutation (frames,) that depends on nothing else."""
    # NumPy mixes the whole pair into its state; torch's generator keeps 32 bits of a seed.
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(frames))


def noise_seed(seed: int, epoch: int) -> int:
    """What the random numbers of an epoch's quantisation noise come from."""
    return int(np.random.SeedSequence([seed, epoch], spawn_key=(1,)).generate_state(1, np.uint64)[0])


def make_optimiser(parameters: Iterable[Tensor], recipe: Recipe) -> torch.optim.Adam:
    """Adam without weight decay, one fused kernel for all tensors."""
    return torch.optim.Adam(list(parameters), lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def train_step(
    samples: Representation | Samples,
    optimiser: torch.optim.Optimizer,
    index: Tensor,
    target: Tensor,
    *,
    learning_rate: float,
    loss: str,
    precision: Precision = "float32",
    size: Callable[[], Tensor] | None = None,
    clip_gradient: float | None = None,
    masks: Masks | None = None,
) -> tuple[Tensor, Tensor]:
    """One update; returns the detached loss and each sample's squared error (B,), on the device.

    Args:
        index, target: numbers (B,) of the samples and what they are to be (B, 3, h, w), in [0, 1].
        precision: of the forward; tf32 is in the hands of the caller (`runtime.fitting`).
        size: a term of the loss for what the weights take in a stream; None has none.
        clip_gradient: largest norm of the gradients of all weights that are not pruned.
        masks: what is pruned, and stays zero.
    """
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    with runtime.forward_in(precision, target.device):
        total, made = samples.step(index, target, loss)
    if size is not None:
        total = total + size()
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    if clip_gradient is not None:
        if masks:
            masks.apply_to_gradients()
        torch.nn.utils.clip_grad_norm_(samples.network.parameters(), clip_gradient)
    optimiser.step()
    if masks:
        masks.apply()
    return total.detach(), (made - target).square_().sum(dim=(1, 2, 3))


class Fit:
    """A fit in progress: the weights, the optimiser and the log, saved and resumed as one.

    Args:
        frames: the clip (N, 3, H, W), uint8 RGB, already on the representation's device.
        state_dir: where the state is saved; None keeps none.
        identity: what the state belongs to; a state of another identity is refused.
        choose_quantiser: see `bench.inr.fitting.rounding`, for a recipe with that stage.

    Raises:
        BenchError: the recipe has a stage that the representation cannot be fitted in.
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
        choose_quantiser: rounding.FindSteps | None = None,
    ) -> None:
        self.representation, self.frames, self.recipe, self.seed = representation, frames, recipe, seed
        self.state_path = state_dir / STATE_NAME if state_dir else None
        self.identity = identity
        if recipe.quantise and not isinstance(representation, HasNoise):
            raise BenchError("quantise", "this network does not train with noise", "leave the setting out")
        self.samples = samples_of(representation)
        self.optimiser = make_optimiser(representation.network.parameters(), recipe)
        self.masks: Masks | None = None
        #: What the weights are rounded by, from the rounding stage on.
        self.quantiser: ByName | None = None
        self.choose_quantiser = choose_quantiser
        self.log: list[EpochLog] = []
        #: Wall and CPU seconds of earlier processes, whose state this fit goes on from.
        self.earlier_s = (0.0, 0.0)
        #: Kinds of devices that epochs ran on, in turn: a fit may go on somewhere else.
        self.devices: list[str] = []

    def run(self, report: Callable[[EpochLog], None] = lambda row: None) -> list[EpochLog]:
        """Train what is left of the epochs; `report` is called after each."""
        if not self._resume():
            self.representation.refresh()
        if not self._finished and self.devices[-1:] != [self.frames.device.type]:
            self.devices.append(self.frames.device.type)
        if self.recipe.compile:
            runtime.compile_network(self.representation.network, self.frames.device)
        with runtime.fitting(self.recipe.precision):
            self._run(report)
        return self.log

    def _run(self, report: Callable[[EpochLog], None]) -> None:
        for epoch in range(len(self.log), self.recipe.total_epochs):
            if self.recipe.prunes_before(epoch):
                self._prune()
            if self.recipe.restarts_before(epoch):
                self.optimiser = make_optimiser(self.representation.network.parameters(), self.recipe)
            if self.recipe.quantises_in(epoch):
                self._add_noise(epoch)
            if self.recipe.rounds_in(epoch) and self.quantiser is None:
                self._round()
            row = self._epoch(epoch)
            self.log.append(row)
            if self.recipe.refreshes_after(epoch):
                self.representation.refresh()
            if self.recipe.saves_after(epoch):
                self._save()
            report(row)
        rounding.release(self.representation.network)
        self._save()

    def _epoch(self, epoch: int) -> EpochLog:
        wall, cpu = time.perf_counter(), cpu_seconds()
        every, device = self.recipe.fit_every, self.frames.device
        fitted, parts = -(-len(self.frames) // every), self.samples.per_frame
        order = frame_order(self.seed, epoch, fitted * parts).to(device)
        errors = torch.zeros(fitted, device=device)
        loss_sum = torch.zeros((), device=device)
        batches = order.split(self.recipe.batch_size * parts)
        for step, place in enumerate(batches):
            frame, part = place // parts, place % parts
            index = frame * every * parts + part
            rate = self.recipe.rate_at(epoch + step / len(batches))
            target = self.samples.targets(self.frames, index)
            loss, squared = train_step(
                self.samples,
                self.optimiser,
                index,
                target,
                learning_rate=rate,
                loss=self.recipe.loss,
                precision=self.recipe.precision,
                size=self._size if self.recipe.rate_weight else None,
                clip_gradient=self.recipe.clip_gradient,
                masks=self.masks,
            )
            loss_sum += loss
            errors.index_add_(0, frame, squared)
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

    def _size(self) -> Tensor:
        """The weights' bits a pixel of the clip, as much as the recipe has them count."""
        pixels = len(self.frames) * self.representation.height * self.representation.width
        return self.recipe.rate_weight / pixels * weight_bits(self.representation.prunable())

    def _prune(self) -> None:
        """From here on the smallest weights are zero."""
        assert self.recipe.prune is not None
        scores = self.representation.pruning_scores()
        ratio, whole = self.recipe.prune.ratio, self.representation.pruned_weights
        self.masks = Masks(list(scores), prune_masks(list(scores.values()), ratio, whole=whole))
        self.masks.apply()

    def _add_noise(self, epoch: int) -> None:
        """In this epoch steps see weights that are partly quantised."""
        assert self.recipe.quantise is not None
        assert isinstance(self.representation, HasNoise)
        generator = torch.Generator(self.frames.device).manual_seed(noise_seed(self.seed, epoch))
        noise = self.recipe.quantise
        self.representation.add_noise(bits=noise.bits, rate=noise.noise, generator=generator)

    def _round(self) -> None:
        """From here on steps see the weights as a stream will hold them."""
        assert self.choose_quantiser is not None
        found = self.choose_quantiser()
        coded = self.representation.finish(self.frames)
        self.quantiser = rounding.know_steps(coded, self.representation.network, found)
        rounding.attach(coded, self.quantiser)

    @property
    def _caches(self) -> bool:
        return self.recipe.refresh == "official"

    @property
    def _finished(self) -> bool:
        return len(self.log) == self.recipe.total_epochs

    def _save(self) -> None:
        """All that the next epoch needs; of a finished fit the weights alone, to be coded anew."""
        if self.state_path is None:
            return
        goes_on = not self._finished
        state = {
            "identity": self.identity,
            "log": [asdict(row) for row in self.log],
            "devices": self.devices,
            "network": rounding.plain_state(self.representation.network),
            "optimiser": self.optimiser.state_dict() if goes_on else None,
            "kept": self.masks.kept if self.masks and goes_on else None,
            "steps": rounding.to_state(self.quantiser),
            "cache": self.representation.cached_state() if goes_on and self._caches else {},
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
        self.log = [EpochLog(**row) for row in state["log"]]
        self.earlier_s = self.log[-1].wall_s, self.log[-1].cpu_s
        self.devices = state["devices"]
        self.quantiser = rounding.from_state(state["steps"])
        if self._finished:
            return True
        self.optimiser.load_state_dict(state["optimiser"])
        if state["kept"] is not None:
            self.masks = Masks(list(self.representation.pruning_scores()), state["kept"])
        if self.quantiser is not None:
            rounding.attach(self.representation.finish(self.frames), self.quantiser)
        if state["cache"]:
            self.representation.load_cached_state(state["cache"])
        else:
            self.representation.refresh()
        return True
