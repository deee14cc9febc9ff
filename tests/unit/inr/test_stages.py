"""HiNeRV's three stages in the one trainer: schedule, patches, pruning, noise, and a fit that is resumed."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from interruption import interrupt_after_every_epoch
from no_reading import NoReading
from patch_data import cut_patches, join_patches
from torch import nn

from baselines.hinerv.codec import HiNeRVCodec
from baselines.hinerv.config import HiNeRVConfig
from baselines.hinerv.model import HiNeRV
from baselines.hinerv.qat import QuantNoise
from baselines.hinerv.video import HiNeRVVideo
from bench.base.errors import BenchError
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.pruning import Masks
from bench.inr.fitting.recipe import Pruning, Quantisation, Recipe
from bench.inr.fitting.step import train_step
from bench.inr.fitting.trainer import Fit, noise_seed
from bench.inr.network.representation import FramewiseVideo
from bench.video.clip import Clip, ClipInfo

pytestmark = pytest.mark.numeric


STAGES = {"prune": Pruning(ratio=0.15, epochs=3), "restart_adam": True, "clip_gradient": 1.0}
STAGES |= {"quantise": Quantisation(epochs=3, bits=4, learning_rate=1e-3)}


@pytest.fixture
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, 12, 16), generator=generator, dtype=torch.uint8)


def patched_video(patch: tuple[int, int] | None = (6, 8)) -> HiNeRVVideo:
    torch.manual_seed(0)
    shape = {"strides": (2,), "depths": (1,), "expansions": (2.0,), "base_length": 4, "local_levels": 2}
    config = HiNeRVConfig(base=(6, 8), channels=24, patch=patch, **shape)
    return HiNeRVVideo(HiNeRV(config, frames=5), frames=5, height=12, width=16)


def official_rate(update: int, *, updates: int, warm: int, scale: float) -> float:
    """timm's cosine as the official commands set it up, `scale` times their three rates."""
    peak, warm_rate, lowest = 2e-3 * scale, 2e-5 * scale, 2e-5 * scale
    if update < warm:
        return warm_rate + update * (peak - warm_rate) / warm
    return lowest + 0.5 * (peak - lowest) * (1 + math.cos(math.pi * update / updates))


def test_the_official_schedule_is_that_of_the_official_commands():
    config = registry.codec_config("hinerv-official")
    settings = registry.resolve_settings(config, {}, config.points["bunny-s"])
    clip = ClipInfo(
        name="x", sequence="x", width=1280, height=720, frames=132, fps=Fraction(25), sha256="0" * 64
    )
    recipe = HiNeRVCodec().resolve(clip, settings).recipe
    assert [(stage.first, stage.epochs) for stage in recipe.phases] == [(0, 300), (300, 60), (360, 30)]
    for first, epochs, warm, scale in ((0, 300, 30, 1.0), (300, 60, 0, 1.0), (360, 30, 0, 0.1)):
        for update in {0, 1, 131, 30 * 132 - 1, 30 * 132, epochs * 66, epochs * 132 - 1}:
            if update < epochs * 132:
                expected = official_rate(update, updates=epochs * 132, warm=warm * 132, scale=scale)
                assert recipe.rate_at(first + update / 132) == pytest.approx(expected, rel=1e-9), update
    assert recipe.clip_gradient == 1
    assert recipe.prune.ratio == 0.15
    assert (recipe.quantise.noise, recipe.quantise.bits) == (0.9, 6)


def test_phases_follow_each_other():
    recipe = Recipe(epochs=4, learning_rate=1.0, **STAGES)
    assert recipe.total_epochs == 10
    assert [epoch for epoch in range(10) if recipe.prunes_before(epoch)] == [4]
    assert [epoch for epoch in range(10) if recipe.restarts_before(epoch)] == [4, 7]
    assert [epoch for epoch in range(10) if recipe.quantises_in(epoch)] == [7, 8, 9]
    plain = Recipe(epochs=4, learning_rate=1.0, prune=STAGES["prune"])
    assert not any(plain.restarts_before(epoch) or plain.quantises_in(epoch) for epoch in range(7))
    unpruned = Recipe(epochs=4, learning_rate=1.0, quantise=STAGES["quantise"])
    assert [unpruned.rate_at(epoch) for epoch in (3.99, 4)] == pytest.approx([0, 1e-3], abs=1e-4)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"floor": 1.5}, "floor"),
        ({"warmup_start": -0.1}, "warmup_start"),
        ({"cosine_from": "peak"}, "cosine_from"),
    ],
)
def test_invalid_schedules_are_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        Recipe(epochs=4, learning_rate=1.0, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"epochs": 1.5}, {"noise": 0.0}, {"noise": 1.1}, {"bits": 1}, {"bits": 6.0}]
)
def test_invalid_noise_is_refused(wrong):
    with pytest.raises(ValueError, match="quantise"):
        Quantisation(**{"epochs": 1, "bits": 6, **wrong})


def test_a_network_without_noise_is_refused_before_the_fit(frames):
    video = FramewiseVideo(nn.Conv2d(1, 3, 1), frames=5, height=12, width=16)
    recipe = Recipe(epochs=4, learning_rate=1.0, quantise=Quantisation(epochs=1, bits=6))
    with pytest.raises(BenchError, match="quantise"):
        Fit(video, frames, recipe)


def test_samples_are_all_patches_of_the_clip(frames):
    video = patched_video()
    assert video.samples_per_frame == 4
    index = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    expected = cut_patches(frames.float() / 255, (6, 8))
    assert torch.equal(video.targets(frames, index), expected[index])


@pytest.mark.numeric
def test_all_patches_of_a_frame_are_a_step_of_the_frame(frames):
    video, whole = patched_video(), patched_video(patch=None)
    index = torch.arange(8, 12)
    loss, patches = video.step(index, video.targets(frames, index), "L2")
    expected_loss, frame = whole.step(torch.tensor([2]), frames[2:3].float() / 255, "L2")
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    assert torch.allclose(join_patches(patches, (12, 16)), frame, rtol=0, atol=1e-6)


@pytest.mark.parametrize("every", [1, 2])
def test_an_epoch_sees_every_patch_of_the_fitted_frames_once(frames, monkeypatch, every):
    video, seen = patched_video(), []

    def watched(frame, positions, *, forward=video.network.forward):
        seen.append(torch.cat([frame[:, None], positions], dim=1))
        return forward(frame, positions)

    monkeypatch.setattr(video.network, "forward", watched)
    log = Fit(video, frames, Recipe(epochs=1, learning_rate=1e-3, loss="L2", fit_every=every)).run()
    assert {len(step) for step in seen} == {4}  # as many as a frame has
    assert any(len(set(step[:, 0].tolist())) > 1 for step in seen)  # but not of one frame alone
    expected = {(t, y, x) for t in range(0, 5, every) for y in range(2) for x in range(2)}
    visited = [tuple(row) for row in torch.cat(seen).tolist()]
    assert len(visited) == len(expected)
    assert set(visited) == expected
    assert 0 < log[0].psnr_rgb_db < 20


def test_the_log_of_patches_is_that_of_their_frames(frames):
    """At a rate of zero nothing moves: an epoch's PSNR is the mean of the frames'."""
    video = patched_video()
    log = Fit(video, frames, Recipe(epochs=1, learning_rate=0.0, loss="L2")).run()
    shown = torch.stack(list(video.render(0, 5))).double()
    mse = (shown - frames.double() / 255).square().mean(dim=(1, 2, 3))
    assert log[0].psnr_rgb_db == pytest.approx(float((-10 * mse.log10()).mean()), abs=1e-5)


def test_noise_is_in_its_phase_only_and_new_in_every_epoch(frames):
    video, noises, drawn = patched_video(), [], []

    def report(row):
        noises.append(video.noise)
        if video.noise:
            assert (video.noise.bits, video.noise.rate) == (4, 0.9)
            drawn.append(torch.rand(1, generator=video.noise.generator).item())

    Fit(video, frames, Recipe(epochs=2, learning_rate=1e-2, **STAGES), seed=3).run(report)
    assert [isinstance(noise, QuantNoise) for noise in noises] == 5 * [False] + 3 * [True]
    assert len(set(drawn)) == 3
    seeds = {noise_seed(seed, epoch) for seed in range(20) for epoch in range(20)}
    assert len(seeds) == 400


def test_later_phases_start_with_a_new_adam(frames):
    def steps_of(restart: bool) -> list[int]:
        recipe = Recipe(epochs=2, learning_rate=1e-2, **{**STAGES, "restart_adam": restart})
        fit, steps = Fit(patched_video(), frames, recipe), []
        fit.run(lambda row: steps.append(int(next(iter(fit.optimiser.state.values()))["step"])))
        return steps

    assert steps_of(False) == [5, 10, 15, 20, 25, 30, 35, 40]
    assert steps_of(True) == [5, 10, 5, 10, 15, 5, 10, 15]


@pytest.mark.slow
@pytest.mark.parametrize("patch", [(6, 8), None])
def test_an_interrupted_fit_of_three_phases_ends_in_the_same_weights(frames, tmp_path, patch):
    """Interrupted in every epoch, also where a stage begins; states are saved every other one."""
    recipe = Recipe(epochs=3, learning_rate=1e-2, save_every=2, loss="L2", **STAGES)
    whole = patched_video(patch)
    Fit(whole, frames, recipe, seed=1).run()

    def make() -> Fit:
        return Fit(patched_video(patch), frames, recipe, seed=1, state_dir=tmp_path)

    interrupt_after_every_epoch(make, 8)
    resumed = patched_video(patch)
    assert len(Fit(resumed, frames, recipe, seed=1, state_dir=tmp_path).run()) == 9
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name
    pruned = [int((p == 0).sum()) for p in resumed.network.parameters()]
    assert sum(pruned) >= int(0.15 * sum(p.numel() for p in resumed.network.parameters()))
    other = patched_video(patch)
    Fit(other, frames, recipe, seed=2).run()
    assert not torch.equal(other.network.head.weight, whole.network.head.weight)


class Pair(nn.Module):
    """Two numbers, one a thousand times as steep as the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, 0.0]))

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        shade = self.weight[0] + 1000 * self.weight[1]
        return shade.expand(len(time), 3, 2, 2)


def test_pruned_weights_do_not_count_in_the_gradients_norm():
    """The first weight moves as far as if the second did not exist: by the whole norm."""
    network = Pair()
    video = FramewiseVideo(network, frames=1, height=2, width=2)
    masks = Masks([network.weight], [torch.tensor([True, False])])
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    for pruned, moved in ((masks, 0.01), (None, 1e-5)):
        with torch.no_grad():
            network.weight.copy_(torch.tensor([0.5, 0.0]))
        target = torch.ones(1, 3, 2, 2)
        train_step(
            video,
            optimiser,
            torch.tensor([0]),
            target,
            learning_rate=1.0,
            loss="L1",
            clip_gradient=0.01,
            masks=pruned,
        )
        assert network.weight[0].item() - 0.5 == pytest.approx(moved, rel=1e-2)
        assert (network.weight[1].item() == 0) == (pruned is not None)


def test_a_step_of_the_last_phase_does_not_read_from_the_device(frames):
    video = patched_video()
    recipe = Recipe(epochs=1, learning_rate=1e-2)
    optimiser = make_optimiser(video, recipe)
    scores = video.pruning_scores()
    masks = Masks(list(scores), [score > 0.01 for score in scores.values()])
    video.add_noise(bits=6, rate=0.9, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([3, 9, 10, 17])
    video.targets(frames, index)  # fills the cache of patch positions
    with pytest.raises(AssertionError), NoReading():
        index.sum().item()
    with NoReading():
        target = video.targets(frames, index)
        loss, squared = train_step(
            video, optimiser, index, target, learning_rate=1e-2, loss="L2", clip_gradient=1.0, masks=masks
        )
    assert squared.sum().item() / target.numel() == pytest.approx(loss.item(), rel=1e-5)


def shown_psnr_db(clip: Clip, folder, **settings) -> float:
    """Of a real stream of the official recipe, shortened, decoded."""
    config = registry.codec_config("hinerv-official")
    short = {**config.test, "channels": 16, "learning_rate": 1e-2, "epochs": 40}
    short |= {"prune": {"ratio": 0.15, "epochs": 8}, "quantiser": {"name": "symmetric", "bits": 3}}
    settings = registry.resolve_settings(config, {}, {**short, **settings})
    path = folder / "stream.bin"
    encode(EncodePlan(config=config, point="x", settings=settings, clip=clip, out=path, device="cpu"))
    stream = read_stream(path)
    shown = np.stack(list(decode(stream, codec_of(stream), device="cpu", clock=StageClock())))
    return float(10 * np.log10(255**2 / np.square(shown - clip.rgb_array().astype(float)).mean()))


@pytest.mark.slow
def test_noise_compensates_coarse_codes(tiny_clip, tmp_path):
    """Three bits, after the same epochs at the same rates with noise and next to none."""
    stage = {"epochs": 10, "bits": 3, "learning_rate": 2e-3}
    with_noise = shown_psnr_db(tiny_clip, tmp_path, quantise={**stage, "noise": 0.9})
    without = shown_psnr_db(tiny_clip, tmp_path, quantise={**stage, "noise": 1e-9})
    assert with_noise > without + 2
