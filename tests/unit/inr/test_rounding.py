"""The rounding phase: quality, streams, pruning beside it, and interrupted fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interruption import interrupt_after_every_epoch

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from bench.base.errors import BenchError
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of
from bench.codec.encode import EncodePlan, encode
from bench.inr.coding.quantisers import ByName
from bench.inr.coding.uniform import FixedStepQuantiser, StepQuantiser
from bench.inr.fitting.recipe import Pruning, Recipe, Rounding
from bench.inr.fitting.trainer import Fit
from bench.inr.network.representation import FramewiseVideo
from bench.video.clip import Clip

pytestmark = pytest.mark.numeric


FLOATS = {"ffnerv": {"bits": None}}  # its own quantisation-aware training is another way to the same end
FAMILIES = ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_stream_holds_the_very_weights_that_were_trained(
    family: str, tiny_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but an HNeRV's embeddings, which its encoder makes after the fit."""
    fits: list[Fit] = []
    run = Fit.run
    monkeypatch.setattr(Fit, "run", lambda fit, *rest: fits.append(fit) or run(fit, *rest))
    config = registry.codec_config(f"{family}-matched")
    changes = {"rounding": {"epochs": 2}, "quantiser": {"name": "uniform", "bits": 3.5, "allocate": True}}
    settings = registry.resolve_settings(config, {}, {**config.test, **FLOATS.get(family, {}), **changes})
    out = tmp_path / "stream.bin"
    encode(EncodePlan(config=config, point="x", settings=settings, clip=tiny_clip, out=out, device="cpu"))
    stream = read_stream(out)
    held = dict(codec_of(stream).restore(stream).network.named_parameters())
    trained = dict(fits[0].representation.network.named_parameters())
    shared = [name for name in held if name != "embeddings"]
    assert shared == [name for name in trained if not name.startswith("encoder.")]
    for name in shared:
        assert torch.equal(held[name], trained[name]), name
        assert len(trained[name].unique()) <= 2**10


COARSE = StepQuantiser(3)


def small_nerv() -> FramewiseVideo:
    torch.manual_seed(0)
    config = NeRVConfig(base=(4, 4), channels=12, strides=(2, 2, 2), lower_width=8, stem_width=24)
    return FramewiseVideo(NeRV(config), frames=6, height=32, width=32)


@pytest.fixture
def frames() -> torch.Tensor:
    ramp = torch.linspace(0, 255, 32)
    return torch.stack([(ramp * (i + 1) / 6).expand(3, 32, 32) for i in range(6)]).to(torch.uint8)


def psnr_db(video: FramewiseVideo, frames: torch.Tensor) -> float:
    shown = torch.stack([frame.clone() for frame in video.render(0, 6)])
    return float(-10 * (shown - frames / 255).square().mean().log10())


@pytest.mark.slow
def test_the_rounding_phase_recovers_the_loss_of_rounding(frames: torch.Tensor) -> None:
    """Weights of three bits: decibels below those that are not rounded, and above them after the stage."""
    exact, trained = small_nerv(), small_nerv()
    Fit(exact, frames, Recipe(epochs=60, learning_rate=5e-3)).run()
    before = psnr_db(exact, frames)
    with torch.no_grad():
        for weight in exact.network.parameters():
            weight.copy_(COARSE.dequantise(COARSE.quantise(weight)))
    recipe = Recipe(epochs=60, learning_rate=5e-3, rounding=Rounding(epochs=30))
    fit = Fit(trained, frames, recipe, choose_quantiser=lambda network: COARSE)
    log = fit.run()
    assert psnr_db(exact, frames) < before - 1
    assert psnr_db(trained, frames) > before
    # What the last epoch saw, at a rate of next to nothing, is what is left.
    assert psnr_db(trained, frames) == pytest.approx(log[-1].psnr_rgb_db, abs=1)
    assert fit.quantiser is not None
    for name, weight in trained.network.named_parameters():
        known = fit.quantiser.of(name)
        assert isinstance(known, FixedStepQuantiser)
        assert torch.equal(known.dequantise(known.quantise(weight)), weight), name


def test_a_tensor_of_zeros_stays_one(frames: torch.Tensor) -> None:
    """It has no step, so that a stream could not hold what else it became."""
    video = small_nerv()
    bias = video.network.heads[-1].bias

    def zero_the_bias(network: object) -> StepQuantiser:
        bias.data.zero_()
        return COARSE

    recipe = Recipe(epochs=1, learning_rate=5e-3, rounding=Rounding(epochs=2))
    Fit(video, frames, recipe, choose_quantiser=zero_the_bias).run()
    assert not video.network.heads[-1].bias.any()


def test_an_interrupted_fit_ends_in_the_same_weights(frames: torch.Tensor, tmp_path: Path) -> None:
    """With pruned weights beside it; a finished fit is read again with its steps."""
    recipe = Recipe(
        epochs=3,
        learning_rate=5e-3,
        save_every=2,
        prune=Pruning(ratio=0.3, epochs=3),
        rounding=Rounding(epochs=4),
    )
    whole = small_nerv()
    Fit(whole, frames, recipe, choose_quantiser=lambda network: COARSE).run()

    def make() -> Fit:
        state = {"state_dir": tmp_path, "inputs": {"seed": 0}}
        return Fit(small_nerv(), frames, recipe, **state, choose_quantiser=lambda network: COARSE)

    interrupt_after_every_epoch(make, 9)
    resumed = make()
    resumed.run()
    again = make()
    again.run()
    for name, weight in whole.network.named_parameters():
        assert torch.equal(weight, resumed.representation.network.get_parameter(name)), name
        assert torch.equal(weight, again.representation.network.get_parameter(name)), name
    assert list(again.representation.network.state_dict()) == list(whole.network.state_dict())
    assert isinstance(again.quantiser, ByName)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantiser": {"name": "affine", "bits": 6}}, "need the quantiser {name: uniform}"),
        ({"rounding": {"epochs": 0}}, "rounding: epochs: 0 must be at least 1"),
        ({"rounding": {"bits": 6}}, "rounding: unknown key 'bits'"),
    ],
)
def test_settings_that_exclude_rounding_are_refused(changes: dict, message: str, tiny_clip: Clip) -> None:
    config = registry.codec_config("nerv-matched")
    codec = registry.load_family("nerv")
    with pytest.raises(BenchError, match=message):
        codec.resolve(
            tiny_clip.info,
            registry.resolve_settings(config, {}, {**config.test, "rounding": {"epochs": 2}, **changes}),
        )
