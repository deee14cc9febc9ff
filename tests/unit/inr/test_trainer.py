"""The shared trainer: schedule, order, and a fit that ends the same however often it is killed."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interruption import interrupt_after_every_epoch
from torch import nn

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from bench.base.errors import BenchError
from bench.inr.coding.weight_rate import weight_bits
from bench.inr.fitting.fit_state import state_file
from bench.inr.fitting.pruning import prune_masks
from bench.inr.fitting.recipe import Pruning, Recipe
from bench.inr.fitting.trainer import Fit, sample_order
from bench.inr.network.losses import losses
from bench.inr.network.representation import FramewiseVideo
from ffnerv.config import FFNeRVConfig
from ffnerv.model import FFNeRV
from ffnerv.video import FFNeRVVideo

REPOSITORY = Path(__file__).parents[3]


INPUTS = {"seed": 0}


class Painter(nn.Module):
    """One learned picture, the same at all times: the smallest network that can be fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Parameter(torch.full((1, 3, 12, 16), 0.5))

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        return self.picture.expand(len(time), -1, -1, -1)


@pytest.fixture
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, 3, 12, 16), generator=generator, dtype=torch.uint8).repeat(6, 1, 1, 1)


@pytest.mark.numeric
def test_schedule_warms_up_then_falls_to_zero():
    recipe = Recipe(epochs=100, learning_rate=2.0)
    assert recipe.rate_at(0) == pytest.approx(0.2)
    assert recipe.rate_at(10) == pytest.approx(2 * 0.55)
    assert recipe.rate_at(20) == pytest.approx(2.0)
    assert recipe.rate_at(60) == pytest.approx(1.0)
    assert recipe.rate_at(100) == pytest.approx(0.0)


@pytest.mark.numeric
def test_official_refresh_is_where_the_official_script_evaluates():
    recipe = Recipe(epochs=120, learning_rate=1, refresh="official")
    refreshed = [epoch for epoch in range(120) if recipe.refreshes_after(epoch)]
    assert refreshed == [49, 99, *range(111, 120)]


@pytest.mark.numeric
def test_fine_tuning_has_a_schedule_of_its_own():
    recipe = Recipe(epochs=10, learning_rate=2.0, prune=Pruning(ratio=0.5, epochs=4, learning_rate=1.0))
    assert recipe.total_epochs == 14
    assert [epoch for epoch in range(14) if recipe.prunes_before(epoch)] == [10]
    assert [recipe.rate_at(epoch) for epoch in (10, 12, 14)] == pytest.approx([1.0, 0.5, 0.0])
    assert recipe.rate_at(6) == Recipe(epochs=10, learning_rate=2.0).rate_at(6)


@pytest.mark.parametrize("wrong", [{"ratio": 0.0}, {"ratio": 1.0}, {"epochs": 0}])
@pytest.mark.numeric
def test_a_pruning_ratio_of_0_or_1_is_refused(wrong):
    with pytest.raises(ValueError, match="prune"):
        Pruning(**{"ratio": 0.5, "epochs": 3, **wrong})


@pytest.mark.numeric
def test_weights_with_infinite_scores_are_not_pruned():
    scores = [torch.tensor([1.0, 2.0]), torch.full((2,), torch.inf)]
    assert [kept.tolist() for kept in prune_masks(scores, 0.5)] == [[False, False], [True, True]]
    with pytest.raises(BenchError, match=r"ratio: 0\.75 is above 0\.50, the fraction"):
        prune_masks(scores, 0.75)


@pytest.mark.numeric
def test_the_order_is_a_permutation_of_seed_and_epoch():
    assert sorted(sample_order(3, 5, 40).tolist()) == list(range(40))
    assert torch.equal(sample_order(3, 5, 40), sample_order(3, 5, 40))
    assert not torch.equal(sample_order(3, 5, 40), sample_order(3, 6, 40))
    assert not torch.equal(sample_order(3, 5, 40), sample_order(4, 5, 40))


@pytest.mark.numeric
def test_a_fit_fits(frames):
    painter = Painter()
    video = FramewiseVideo(painter, frames=6, height=12, width=16)
    log = Fit(video, frames, Recipe(epochs=40, learning_rate=0.05, loss="L2")).run()
    assert [row.epoch for row in log] == list(range(40))
    assert log[-1].psnr_rgb_db > log[0].psnr_rgb_db + 10
    # The last epoch's rate is next to nothing, so that its frames are the final ones.
    error = (painter.picture[0] - frames[0].float() / 255).square().mean()
    assert log[-1].psnr_rgb_db == pytest.approx(min(-10 * error.log10().item(), 100), abs=0.5)


@pytest.mark.numeric
def test_held_out_frames_do_not_change_the_fit(frames):
    spoilt = frames.clone()
    spoilt[1::2] = 255 - spoilt[1::2]
    recipe = Recipe(epochs=5, learning_rate=0.05, loss="L2", fit_every=2)
    painters = Painter(), Painter()
    for painter, clip in zip(painters, (frames, spoilt), strict=True):
        log = Fit(FramewiseVideo(painter, frames=6, height=12, width=16), clip, recipe).run()
    assert torch.equal(painters[0].picture, painters[1].picture)
    assert log[-1].psnr_rgb_db > log[0].psnr_rgb_db


def ffnerv_video() -> FFNeRVVideo:
    torch.manual_seed(0)
    config = FFNeRVConfig(base=(2, 2), channels=8, strides=(2, 2, 2), grid_lengths=(2, 4), lower_width=4)
    return FFNeRVVideo(FFNeRV(config), frames=6, height=12, width=16)


@pytest.mark.numeric
def test_pruned_weights_stay_zero(frames):
    """The smallest half of the stages' kernels, ranked together, at the end of the epochs."""
    recipe = Recipe(epochs=3, learning_rate=1e-2, prune=Pruning(ratio=0.5, epochs=3))
    before, after = ffnerv_video(), ffnerv_video()
    Fit(before, frames, Recipe(epochs=3, learning_rate=1e-2)).run()
    log = Fit(after, frames, recipe).run()
    assert len(log) == 6
    pooled = torch.cat([weight.detach().abs().flatten() for weight in before.prunable()])
    kept = pooled > pooled.sort().values[round(pooled.numel() / 2) - 1]
    final = torch.cat([weight.detach().flatten() for weight in after.prunable()])
    assert torch.equal(final != 0, kept)
    assert all((weight != 0).any() for weight in after.network.grids.parameters())


@pytest.mark.parametrize("refresh", ["saves", "official"])
@pytest.mark.numeric
@pytest.mark.slow
def test_an_interrupted_fit_ends_in_the_same_weights(frames, tmp_path, refresh):
    """Interrupted in every epoch; the fit resumes from the last saved state, including the buffer."""
    prune = Pruning(ratio=0.3, epochs=4)
    recipe = Recipe(epochs=5, learning_rate=1e-2, save_every=2, refresh=refresh, prune=prune)
    whole = ffnerv_video()
    Fit(whole, frames, recipe).run()

    def make() -> Fit:
        return Fit(ffnerv_video(), frames, recipe, state_dir=tmp_path, inputs=INPUTS)

    interrupt_after_every_epoch(make, 8)
    resumed = ffnerv_video()
    fit = Fit(resumed, frames, recipe, state_dir=tmp_path, inputs=INPUTS)
    log = fit.run()
    assert len(log) == 9
    assert 0 < fit.earlier_s[0] < log[-1].wall_s
    assert fit.devices == ["cpu"]
    assert [row.cpu_s for row in log] == sorted(row.cpu_s for row in log)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


@pytest.mark.numeric
def test_a_large_cache_is_in_no_state(frames, tmp_path, monkeypatch):
    """The states follow the refreshes of the official recipe, here after every second epoch."""
    monkeypatch.setattr("bench.inr.fitting.trainer.LARGEST_SAVED_CACHE", 0)
    monkeypatch.setattr("bench.inr.fitting.recipe._OFFICIAL_EVERY", 2)
    monkeypatch.setattr("bench.inr.fitting.recipe._OFFICIAL_LAST", 0)
    recipe = Recipe(epochs=8, learning_rate=1e-2, save_every=1, refresh="official")
    whole = ffnerv_video()
    Fit(whole, frames, recipe).run()

    def make() -> Fit:
        return Fit(ffnerv_video(), frames, recipe, state_dir=tmp_path, inputs=INPUTS)

    interrupt_after_every_epoch(make, 7)
    state = torch.load(state_file(tmp_path, INPUTS), weights_only=True)
    assert (state["cache"], len(state["log"])) == ({}, 6)
    resumed = ffnerv_video()
    Fit(resumed, frames, recipe, state_dir=tmp_path, inputs=INPUTS).run()
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


@pytest.mark.numeric
def test_the_state_of_a_finished_fit_has_only_its_weights(frames, tmp_path):
    """So that they can be coded with another quantiser, without an epoch and without gigabytes of buffer."""
    recipe = Recipe(epochs=3, learning_rate=1e-2, save_every=2, refresh="official")
    made = ffnerv_video()
    log = Fit(made, frames, recipe, state_dir=tmp_path, inputs=INPUTS).run()
    state = torch.load(state_file(tmp_path, INPUTS), weights_only=True)
    assert (state["optimiser"], state["kept"], state["cache"]) == (None, None, {})
    again, epochs = ffnerv_video(), []
    fit = Fit(again, frames, recipe, state_dir=tmp_path, inputs=INPUTS)
    assert fit.run(epochs.append) == log
    assert epochs == []
    assert fit.earlier_s == (log[-1].wall_s, log[-1].cpu_s)
    for name, weight in made.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


@pytest.mark.numeric
def test_a_fit_resumed_on_another_device_lists_both(frames, tmp_path):
    recipe = Recipe(epochs=3, learning_rate=1e-2, save_every=1)

    def make() -> Fit:
        return Fit(ffnerv_video(), frames, recipe, state_dir=tmp_path, inputs=INPUTS)

    interrupt_after_every_epoch(make, 1)
    state = torch.load(state_file(tmp_path, INPUTS), weights_only=True)
    torch.save({**state, "devices": ["cuda"]}, state_file(tmp_path, INPUTS))
    for fit in (make(), make()):  # to its end, then its end alone
        fit.run()
        assert fit.devices == ["cuda", "cpu"]


@pytest.mark.numeric
def test_a_damaged_state_is_refused_in_one_line(frames, tmp_path):
    state = state_file(tmp_path, {})
    state.write_bytes(b"not a state")
    fit = Fit(ffnerv_video(), frames, Recipe(epochs=2, learning_rate=1e-2), state_dir=tmp_path)
    with pytest.raises(BenchError, match=state.name):
        fit.run()


CONDITION = """
title: kill test
clips: {tiny: {sequence: discs-tiny}}
codecs:
  ffnerv-matched:
    points:
      low: {epochs: 60, channels: 8, grid_lengths: [3, 5], strides: [2, 2, 2], lower_width: 4, save_every: 3}
"""


def encode(clip, out: Path, state: Path) -> subprocess.Popen:
    condition = out.parent / "kill.yaml"
    condition.write_text(CONDITION)
    command = [sys.executable, "-m", "bench", "encode", "--codec", "ffnerv-matched", "--point", "low"]
    command += ["--condition", str(condition), "--clip", str(clip.path.with_name("clip.json"))]
    command += ["--device", "cpu", "--out", str(out), "--state-dir", str(state)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)


def written(folder: Path) -> int:
    """Time of the last saved state in a folder."""
    return max((path.stat().st_mtime_ns for path in folder.glob("fit-*.pt")), default=0)


@pytest.mark.slow
def test_a_killed_and_resumed_encode_writes_the_same_stream(tiny_clip, tmp_path):
    """SIGKILL at arbitrary moments of a real encode, then once to the end."""
    assert encode(tiny_clip, tmp_path / "whole.bin", tmp_path / "whole").wait(timeout=300) == 0
    states = tmp_path / "killed"
    for delay in (0.0, 0.3, 0.9):
        before = written(states)
        process = encode(tiny_clip, tmp_path / "killed.bin", tmp_path / "killed")
        while process.poll() is None and written(states) == before:
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert written(states)
    assert encode(tiny_clip, tmp_path / "killed.bin", tmp_path / "killed").wait(timeout=300) == 0
    assert (tmp_path / "killed.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()
    assert not list(tmp_path.glob(".*"))  # nothing half-written is left beside the stream


def fitted_nerv(frames: torch.Tensor, **how) -> tuple[float, torch.Tensor]:
    """PSNR of the last epoch and all weights of a small NeRV."""
    torch.manual_seed(0)
    config = NeRVConfig(base=(3, 4), channels=8, strides=(2, 2), lower_width=8, stem_width=16)
    video = FramewiseVideo(NeRV(config), frames=6, height=12, width=16)
    log = Fit(video, frames, Recipe(epochs=12, learning_rate=5e-3, **how)).run()
    return log[-1].psnr_rgb_db, torch.cat([p.detach().flatten() for p in video.network.parameters()])


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
@pytest.mark.numeric
def test_lower_precision_fits_as_well(frames: torch.Tensor, precision: str) -> None:
    psnr, weights = fitted_nerv(frames)
    other_psnr, other_weights = fitted_nerv(frames, precision=precision)
    assert other_psnr == pytest.approx(psnr, abs=0.5)
    assert torch.equal(weights, other_weights) == (precision == "tf32")  # which a CPU has not
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.slow
@pytest.mark.numeric
def test_a_compiled_network_fits_as_well(frames: torch.Tensor) -> None:
    recipe = Recipe(epochs=4, learning_rate=0.1)
    plain, compiled = (FramewiseVideo(Painter(), frames=6, height=12, width=16) for _ in range(2))
    Fit(plain, frames, recipe).run()
    Fit(compiled, frames, replace(recipe, compile=True)).run()
    assert compiled.network._compiled_call_impl is not None
    assert torch.allclose(compiled.network.picture, plain.network.picture, atol=1e-5)


@pytest.mark.numeric
def test_losses_are_float32_whatever_the_network_is() -> None:
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    image = (target * 0.9).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = losses("Fusion6", [image], target)
    assert torch.equal(loss, losses("Fusion6", [image.float()], target))


@pytest.mark.numeric
def test_weight_bits_are_logarithms_of_steps() -> None:
    weight = torch.tensor([[-1.0, 0.0], [0.5, 1.0]], requires_grad=True)
    bits = weight_bits([weight, torch.zeros(3)], levels=64)  # a step is 2 / 64
    assert bits.item() == pytest.approx(2 * math.log2(33) + math.log2(17))
    bits.backward()
    assert weight.grad is not None
    assert (weight.grad.sign() == torch.tensor([[-1.0, 0.0], [1.0, 1.0]])).all()


@pytest.mark.numeric
def test_weights_that_count_in_the_loss_take_fewer_bits(frames: torch.Tensor) -> None:
    sizes = []
    for rate_weight in (0.0, 0.05):
        _, weights = fitted_nerv(frames, rate_weight=rate_weight)
        sizes.append(float(weight_bits([weights])))
    assert sizes[1] < sizes[0]
    with pytest.raises(ValueError, match="rate_weight"):
        Recipe(epochs=1, learning_rate=1.0, rate_weight=-1.0)
