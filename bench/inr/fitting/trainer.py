"""The trainer shared by all networks: Adam or Muon with warm-up and a cosine schedule, resumable.

A training step does no logging, no I/O and no device synchronisation: the clip is in memory as uint8, and
squared errors are summed on the device and read once per epoch. Reading order of a step: `Fit.train_epoch`
here, `bench.inr.fitting.step`, `step` of the method's representation (such as `ffnerv/video.py`), then
`bench.inr.network.losses`.

The order of samples and the quantisation noise of an epoch are functions of (seed, epoch). On a CPU with the
same instruction set and number of threads, a fit that was interrupted and resumed therefore ends in the same
weights, byte for byte, as one that was not.

On a GPU a step can be recorded as a CUDA graph (`bench.inr.fitting.recorded_step`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.base.errors import BenchError
from bench.base.stage_clock import cpu_seconds
from bench.inr.coding.quantisers import ByName
from bench.inr.coding.weight_rate import weight_bits
from bench.inr.fitting import fit_state, rounding
from bench.inr.fitting.divergence import Diverged, divergence, has_finite_weights
from bench.inr.fitting.fit_state import EpochLog
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.pruning import Masks, prune_masks
from bench.inr.fitting.rate_distortion import RateDistortion
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.recorded_step import (
    Outputs,
    RecordedStep,
    is_recordable,
    recorder,
    set_learning_rate,
    updated_tensors,
)
from bench.inr.fitting.step import compute_gradients, update_weights
from bench.inr.network import runtime
from bench.inr.network.representation import HasNoise, Representation

#: Bytes of the largest cache of a representation that is saved with a state.
LARGEST_SAVED_CACHE = 256 << 20


def sample_order(seed: int, epoch: int, samples: int) -> Tensor:
    """Order of the samples in an epoch: a permutation (samples,) of int64 that depends on nothing else."""
    # NumPy mixes the whole pair into its state; torch's generator uses only 32 bits of a seed.
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(samples))


def noise_seed(seed: int, epoch: int) -> int:
    """Seed of the quantisation noise of an epoch."""
    return int(np.random.SeedSequence([seed, epoch], spawn_key=(1,)).generate_state(1, np.uint64)[0])


class Fit:
    """A fit in progress: weights, optimiser and log, which are saved and resumed together.

    Args:
        frames: the clip (N, 3, H, W), uint8 RGB, on the representation's device.
        state_dir: folder of saved states; None: the state is not saved.
        inputs: everything that the fit depends on, as JSON values (`bench.inr.encoding.fit_inputs`). A saved
            state of other inputs is not resumed.
        adopt: whether a state of other inputs with more epochs is continued where that is sound
            (`fit_state.SavedState.obstacle`).
        after: the divergence of an earlier attempt. The fit resumes from the last saved state, with half the
            learning rate.
        notify: prints one line on the states of the folder.
        choose_quantiser: finished network -> its quantiser; needed with `rounding` and with `rate`.
        most_steps: largest number of steps of an epoch, for a probe of their time; None: all.

    Attributes:
        quantiser: the quantiser that weights are rounded by, from the rounding phase on, or after a fit with
            `rate`.
        rate: learned steps and control of the rate, from the epoch `Recipe.rate_from` on.
        earlier_s: wall and CPU seconds of the processes whose state this fit resumed.
        devices: types of the devices that epochs ran on, in order. A fit can be resumed on another device.
        adopted: for each adopted state its epochs and the inputs that differ.
        restarts: for each restart after a divergence its epoch, reason, first new epoch and rate factor.

    Raises:
        BenchError: the recipe has quantisation noise, which the representation does not implement.
    """

    def __init__(
        self,
        representation: Representation,
        frames: Tensor,
        recipe: Recipe,
        *,
        seed: int = 0,
        state_dir: Path | None = None,
        inputs: Mapping[str, Any] | None = None,
        adopt: bool = False,
        after: Diverged | None = None,
        notify: Callable[[str], None] = lambda line: None,
        choose_quantiser: rounding.ChooseQuantiser | None = None,
        most_steps: int | None = None,
    ) -> None:
        if recipe.quantise and not isinstance(representation, HasNoise):
            problem = "this network does not train with quantisation noise"
            raise BenchError("quantise", problem, "leave the setting out")
        self.representation, self.frames, self.recipe, self.seed = representation, frames, recipe, seed
        self.inputs, self.choose_quantiser, self.most_steps = inputs or {}, choose_quantiser, most_steps
        self.state_path = fit_state.state_file(state_dir, self.inputs) if state_dir else None
        self.adopt, self.after, self.notify = adopt, after, notify
        self.optimiser = make_optimiser(representation, recipe)
        self.rate: RateDistortion | None = None
        self.masks: Masks | None = None
        self.quantiser: ByName | None = None
        self.rounded: rounding.RoundedWeights | None = None
        #: Recorder of training steps; None: they run eagerly.
        self.record = recorder(frames.device)
        self._steps: dict[int, RecordedStep] = {}
        self.log: list[EpochLog] = []
        self.earlier_s = (0.0, 0.0)
        self.devices: list[str] = []
        self.adopted: list[dict[str, Any]] = []
        self.restarts: list[dict[str, Any]] = []

    @property
    def finished(self) -> bool:
        return len(self.log) == self.recipe.total_epochs

    def run(self, report: Callable[[EpochLog], None] = lambda row: None) -> list[EpochLog]:
        """Train the epochs that are left; `report` is called after each. Returns the log of all epochs.

        Raises:
            Diverged: see `bench.inr.fitting.divergence`. The last good state is kept.
            BenchError: the saved state cannot be read. OSError: the state cannot be written.
        """
        recipe, device = self.recipe, self.frames.device
        if not fit_state.resume(self):
            self.refresh()
        if self.after is not None:
            self._note_restart(self.after)
        if not self.finished and self.devices[-1:] != [device.type]:
            self.devices.append(device.type)
        with self.prepared():
            for epoch in range(len(self.log), recipe.total_epochs):
                self.begin_phases(epoch)
                row = self.train_epoch(epoch)
                self._check_divergence(row)
                if recipe.refreshes_after(epoch):
                    self.refresh()
                if self._saves_after(epoch):
                    fit_state.save(self)
                report(row)
            self.end()
            fit_state.save(self)
        return self.log

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The precision of training, and the compiled network if the recipe has it, in this context."""
        if self.recipe.compile:
            runtime.compile_network(self.representation.network)
        with runtime.fitting(self.recipe.precision):
            yield

    def end(self) -> None:
        """Set the weights to those that are coded, after the last epoch."""
        if self.rate:
            self.quantiser = self.rate.quantiser()
        if self.rounded:
            self.rounded.fix()
        rounding.remove_parametrisations(self.representation.network)

    def refresh(self) -> None:
        """Recompute the representation's cache from the weights that its steps compute with."""
        with self.rounded.in_place() if self.rounded else nullcontext():
            self.representation.refresh()

    def _note_restart(self, after: Diverged) -> None:
        restart = {"epoch": after.epoch, "reason": after.reason, "resumed_at": len(self.log)}
        self.restarts.append({**restart, "rate_factor": self._rate_factor / 2})
        self.notify(f"diverged in epoch {after.epoch}: {after.reason}")
        self.notify(f"restarts from epoch {len(self.log)} with {self._rate_factor:g} of the learning rate")

    @property
    def _rate_factor(self) -> float:
        return 0.5 ** len(self.restarts)

    def _check_divergence(self, row: EpochLog) -> None:
        reason = divergence(self.log, self.recipe, self.frames)
        saved = self._saves_after(row.epoch) or self.finished
        if not reason and saved and not has_finite_weights(self.representation.network):
            reason = "a weight is not finite"
        if reason:
            raise Diverged(row.epoch, reason, self.recipe, row.learning_rate)

    def _saves_after(self, epoch: int) -> bool:
        """Whether the state is saved after an epoch.

        A large cache that the recipe does not recompute at every state, as FFNeRV's official one (7.5 GB for
        600 frames of 1080p), is in no state. The states then follow its refreshes, after which it is a
        function of the weights.
        """
        if self.recipe.refresh == "official" and self._cache_bytes > LARGEST_SAVED_CACHE:
            return self.recipe.refreshes_after(epoch) and epoch + 1 < self.recipe.total_epochs
        return self.recipe.saves_after(epoch)

    @cached_property
    def _cache_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.representation.cached_state().values())

    def begin_phases(self, epoch: int) -> None:
        """Before an epoch: prune, restart Adam, set noise or rounding where the recipe has it."""
        recipe, representation = self.recipe, self.representation
        before = self.masks, self.optimiser, self.rounded, self.rate
        if recipe.prune and recipe.prunes_before(epoch):
            scores = representation.pruning_scores()
            kept = prune_masks(
                list(scores.values()), recipe.prune.ratio, round_count=representation.pruned_count
            )
            self.masks = Masks(list(scores), kept)
            self.masks.apply()
        if recipe.restarts_before(epoch):
            self.optimiser = make_optimiser(representation, recipe)
        if recipe.quantise and recipe.quantises_in(epoch):
            assert isinstance(representation, HasNoise)
            if self.record:
                self.record, self._steps = None, {}
                self.notify("training steps run without a CUDA graph: each draws quantisation noise")
            generator = torch.Generator(self.frames.device).manual_seed(noise_seed(self.seed, epoch))
            noise = recipe.quantise
            representation.add_noise(bits=noise.bits, rate=noise.noise, generator=generator)
        if recipe.rounds_in(epoch) and self.quantiser is None:
            assert self.choose_quantiser is not None
            coded = representation.finish(self.frames)
            self.quantiser = rounding.fix_steps(coded, representation.network, self.choose_quantiser(coded))
            self.rounded = rounding.RoundedWeights(coded, self.quantiser)
        if epoch == recipe.rate_from:
            assert self.choose_quantiser is not None
            coded = representation.finish(self.frames)
            chosen = self.choose_quantiser(coded)
            self.begin_rate(coded, rounding.fix_steps(coded, representation.network, chosen))
            assert self.rate is not None
            self.rate.start(self.log[-1].loss)
        if before != (self.masks, self.optimiser, self.rounded, self.rate):
            self._steps = {}  # recorded with other weights, masks or moments

    def begin_rate(self, coded: nn.Module, quantiser: ByName) -> None:
        """Round the weights from now on, with learned steps that start with those of `quantiser`."""
        assert self.recipe.rate is not None
        assert self.recipe.rate_from is not None
        pixels = len(self.frames) * self.representation.height * self.representation.width
        epochs = self.recipe.total_epochs - self.recipe.rate_from
        self.rate = RateDistortion(
            coded, quantiser, pixels=pixels, target_bpp=self.recipe.rate.bpp, epochs=epochs
        )
        self.optimiser.add_param_group({"params": self.rate.log2_steps})

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """The numbers of the samples of every step of an epoch."""
        every, per_frame = self.recipe.fit_every, self.representation.samples_per_frame
        fitted = -(-len(self.frames) // every)
        order = sample_order(self.seed, epoch, fitted * per_frame).to(self.frames.device)
        return order.split(self.recipe.batch_size * per_frame)

    def train_epoch(self, epoch: int) -> EpochLog:
        """Train one epoch and return its row of the log."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        recipe, device = self.recipe, self.frames.device
        every, per_frame = recipe.fit_every, self.representation.samples_per_frame
        squared_errors = torch.zeros(-(-len(self.frames) // every), device=device)
        loss_sum = torch.zeros((), device=device)
        batches = self.batches(epoch)[: self.most_steps]
        for step, batch in enumerate(batches):
            frame, part = batch // per_frame, batch % per_frame
            index = frame * every * per_frame + part
            learning_rate = self._rate_factor * recipe.rate_at(epoch + step / len(batches))
            set_learning_rate(self.optimiser, learning_rate, device)
            loss, squared = self._step(len(batch))(index)
            if not self._updates_in_step:
                if self.rate:
                    self.rate.add_gradients(step)
                self._update()
            loss_sum += loss
            squared_errors.index_add_(0, frame, squared)
        mse = squared_errors.double().cpu() / self.frames[0].numel()  # the only read from the device
        loss_mean = float(loss_sum) / len(batches)
        rate_bpp = self.rate.end_epoch(loss_mean) if self.rate else None
        before = self.log[-1] if self.log else None
        row = EpochLog(
            epoch=epoch,
            psnr_rgb_db=float((-10 * mse.clamp(min=1e-10).log10()).mean()),
            loss=loss_mean,
            learning_rate=learning_rate,
            wall_s=(before.wall_s if before else 0.0) + time.perf_counter() - wall,
            cpu_s=(before.cpu_s if before else 0.0) + cpu_seconds() - cpu,
            rate_bpp=rate_bpp,
        )
        self.log.append(row)
        return row

    @property
    def _updates_in_step(self) -> bool:
        """Whether the update of the weights is a part of the step that is recorded."""
        return self.rate is None and is_recordable(self.optimiser)

    def _step(self, samples: int) -> RecordedStep:
        """The step of this many samples in the present phase."""
        if samples not in self._steps:
            parameters = list(self.representation.network.parameters())
            self._steps[samples] = RecordedStep(
                self._compute,
                samples=samples,
                device=self.frames.device,
                state=lambda: updated_tensors(parameters, self.optimiser),
                parameters=parameters,
                record=self.record,
                notify=self.notify,
            )
        return self._steps[samples]

    def _compute(self, index: Tensor) -> Outputs:
        outputs = compute_gradients(
            self.representation,
            self.optimiser,
            index,
            self.representation.targets(self.frames, index),
            loss=self.recipe.step_loss,
            precision=self.recipe.precision,
            rate_term=self._rate_term if self.recipe.rate_weight else None,
            rounded=self.rounded,
        )
        if self._updates_in_step:
            self._update()
        return outputs

    def _update(self) -> None:
        clip_gradient, masks = self.recipe.clip_gradient, self.masks
        update_weights(self.representation, self.optimiser, clip_gradient=clip_gradient, masks=masks)

    def _rate_term(self) -> Tensor:
        """`rate_weight` times the estimated coded bits of the prunable weights per pixel of the clip."""
        pixels = len(self.frames) * self.representation.height * self.representation.width
        return self.recipe.rate_weight / pixels * weight_bits(self.representation.prunable())
