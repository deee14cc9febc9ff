"""End-to-end rate-distortion training: the rate model, learned steps, the target rate, interrupted fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interruption import interrupt_after_every_epoch

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from bench.base.errors import BenchError
from bench.codec import registry
from bench.codec.container import read_stream
from bench.inr.coding.payload import Payload, coded_weights
from bench.inr.coding.rate_model import tensor_bits
from bench.inr.coding.uniform import FixedStepQuantiser, StepQuantiser
from bench.inr.coding.weight_coder import encode_tensors
from bench.inr.coding.weight_model import LARGEST_CODE
from bench.inr.fitting.optimiser import Muon, make_optimiser
from bench.inr.fitting.rate_distortion import OVERHEAD_BYTES
from bench.inr.fitting.recipe import RateTarget, Recipe
from bench.inr.fitting.trainer import Fit
from bench.inr.network.representation import FramewiseVideo
from bench.inr.study.bit_breakdown import codes_of, shapes_of
from bench.video.clip import Clip

pytestmark = pytest.mark.numeric

ROOT = Path(__file__).parents[3]
STREAMS = ROOT / "results" / "reference" / "demo-v1" / "bunny-320x180"
FRAMES, SIDE = 6, 32
PIXELS = FRAMES * SIDE**2


def small_nerv() -> FramewiseVideo:
    torch.manual_seed(0)
    config = NeRVConfig(base=(4, 4), channels=12, strides=(2, 2, 2), lower_width=8, stem_width=24)
    return FramewiseVideo(NeRV(config), frames=FRAMES, height=SIDE, width=SIDE)


def small_fit(*, epochs: int, target_bpp: float = 2.5, **changes: Any) -> Fit:
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 3, 8, 8), dtype=np.uint8)
    frames = torch.from_numpy(noise).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    recipe = Recipe(epochs=epochs, learning_rate=5e-3, save_every=3, rate=RateTarget(bpp=target_bpp))
    return Fit(small_nerv(), frames, recipe, choose_quantiser=lambda network: StepQuantiser(6), **changes)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["nerv", "ffnerv"])
def test_the_model_tracks_the_weight_coder(codec: str) -> None:
    """Within 2 % for another step size, after one comparison at that of the stream, on trained weights."""
    stream = read_stream(STREAMS / f"{codec}-matched" / "bpp0.12" / "seed0" / "stream.bin")
    codes = codes_of(stream, shapes_of(registry.load_family(codec), stream).values())
    coarser = [np.rint(code / 2**0.5).astype(np.int32) for code in codes]

    def ratio(coded_bytes: int, tensors: list[np.ndarray]) -> float:
        return 8 * coded_bytes / sum(float(tensor_bits(torch.from_numpy(code).float())) for code in tensors)

    of_stream = ratio(len(Payload.from_bytes(stream.payload).weights), codes)
    assert ratio(len(encode_tensors(coarser)), coarser) == pytest.approx(of_stream, rel=0.02)
    assert 0.9 < of_stream < 1.05


def test_the_gradient_of_the_rate_is_that_of_its_value() -> None:
    """With the mean magnitudes fixed, as the gradient assumes: one entry of many barely changes them."""
    torch.manual_seed(0)
    codes = torch.randn(40, 50, dtype=torch.float64) * 3
    codes[3, 4], codes[5, 6] = 0.2, -4.0
    codes.requires_grad_(True)
    (gradient,) = torch.autograd.grad(tensor_bits(codes), codes)
    for position in [(3, 4), (5, 6)]:
        change = torch.zeros_like(codes)
        change[position] = 1e-4
        difference = (tensor_bits(codes + change) - tensor_bits(codes - change)).detach()
        # A larger entry also raises the means, which saves bits elsewhere: at their optimum, nothing in sum.
        assert float(difference) / 2e-4 == pytest.approx(float(gradient[position]), abs=0.1)
    assert gradient[3, 4] > 0 > gradient[5, 6]


def test_a_coarser_step_saves_one_bit_a_weight_for_each_octave() -> None:
    codes = torch.randn(100, 100) * 50
    saved = (tensor_bits(codes) - tensor_bits(codes / 2)) / codes.numel()
    assert float(saved) == pytest.approx(1, abs=0.01)
    assert float(tensor_bits(torch.zeros(100, 100))) < 0.01 * codes.numel()


def test_slices_of_a_grid_are_predicted_from_the_slice_before() -> None:
    still = torch.randn(1, 2, 8, 8).expand(20, 2, 8, 8) * 30
    assert tensor_bits(still) < tensor_bits(still[torch.randperm(20), :, :, :].flatten(1)) / 3


@pytest.mark.slow
def test_an_interrupted_fit_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = small_fit(epochs=8)
    log = whole.run()
    assert [row.rate_bpp is None for row in log] == [True, True] + [False] * 6

    def make() -> Fit:
        return small_fit(epochs=8, state_dir=tmp_path, inputs={"recipe": {"epochs": 8}})

    interrupt_after_every_epoch(make, 8)
    resumed, again = make(), None
    resumed.run()
    again = make()
    again.run()
    for fit in (resumed, again):
        assert fit.quantiser == whole.quantiser
        for name, weight in whole.representation.network.named_parameters():
            assert torch.equal(weight, fit.representation.network.get_parameter(name)), name


@pytest.mark.slow
@pytest.mark.parametrize("target_bpp", [2.0, 3.0])
def test_a_fit_meets_its_target(target_bpp: float) -> None:
    """The coded size is within 3 % of the target, and the stream holds the weights that were trained."""
    fit = small_fit(epochs=150, target_bpp=target_bpp)
    log = fit.run()
    network = fit.representation.network
    side, weights, codes = coded_weights(network, fit.quantiser)
    bpp = 8 * (len(side) + len(weights) + OVERHEAD_BYTES) / PIXELS
    assert bpp == pytest.approx(target_bpp, rel=0.03)
    assert log[-1].rate_bpp == pytest.approx(bpp, rel=0.03)
    assert fit.quantiser is not None
    for (name, weight), code in zip(network.named_parameters(), codes, strict=True):
        single = fit.quantiser.of(name)
        assert isinstance(single, FixedStepQuantiser)
        assert torch.equal(torch.from_numpy(code) * single.step, weight.detach()), name


@pytest.mark.slow
def test_a_target_beyond_reach_saturates_no_code() -> None:
    """This network cannot use 40 bits a pixel: its steps must not shrink until weights are cut off."""
    fit = small_fit(epochs=30, target_bpp=40)
    log = fit.run()
    _, _, codes = coded_weights(fit.representation.network, fit.quantiser)
    assert max(int(np.abs(code).max()) for code in codes) < LARGEST_CODE
    before = log[fit.recipe.rate_from - 1].psnr_rgb_db
    assert log[-1].psnr_rgb_db > before


def test_muon_updates_matrices_in_place_and_adam_the_rest() -> None:
    video = small_nerv()
    matrices = video.prunable()
    before = [weight.detach().clone() for weight in video.network.parameters()]
    recipe = Recipe(epochs=1, learning_rate=0.01, optimiser="muon")
    optimiser = make_optimiser(video, recipe)
    assert isinstance(optimiser, Muon)
    for weight in video.network.parameters():
        weight.grad = torch.randn_like(weight)
    optimiser.step()
    for weight, old in zip(video.network.parameters(), before, strict=True):
        change = (weight.detach() - old).flatten()
        # Adam's first update is the learning rate in every entry; Muon's has its root mean square, times 0.2.
        rms = float(change.square().mean().sqrt())
        expected = 0.002 if any(weight is matrix for matrix in matrices) else 0.01
        assert rms == pytest.approx(expected, rel=0.5), weight.shape


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": {"bpp": 0}}, "rate: bpp"),
        ({"rate": {"bpp": 0.1, "start": 1}}, "rate: start"),
        ({"rate": {"bpp": 0.1}, "rounding": {"epochs": 2}}, "rate: cannot be combined with rounding"),
        ({"rate": {"bpp": 0.1}, "epochs": 1}, "rate: needs two epochs"),
        ({"rate": {"bpp": 0.1}, "quantiser": {"name": "affine"}}, "need the quantiser {name: uniform}"),
        ({"optimiser": "sgd"}, "optimiser"),
    ],
)
def test_settings_that_exclude_a_target_are_refused(changes: dict, message: str, tiny_clip: Clip) -> None:
    config = registry.codec_config("nerv-matched")

    def resolve() -> None:
        settings = registry.resolve_settings(config, {}, {**config.test, "rounding": None, **changes})
        registry.load_family("nerv").resolve(tiny_clip.info, settings)

    with pytest.raises(BenchError, match=message):
        resolve()
