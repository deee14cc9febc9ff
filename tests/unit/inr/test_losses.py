"""Losses and SSIM against the official values and pytorch-msssim."""

from __future__ import annotations

import json

import numpy as np
import pytest
import pytorch_msssim
import torch
from float64 import UNIT_ROUNDOFF, like, measure_rounding
from torch import nn

from bench.inr.network.loss_catalogue import CATALOGUE
from bench.inr.network.losses import losses, mean_ssim

pytestmark = pytest.mark.numeric


class Given(nn.Module):
    """An array in the type that the module has; no weight: L1's gradient jumps where a pixel is exact."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("given", torch.from_numpy(array))


@pytest.fixture(scope="module")
def golden(golden_dir):
    values = json.loads((golden_dir / "losses_metrics.json").read_text())
    return np.load(golden_dir / "losses_metrics.npz"), values


#: HiNeRV's loss: the official scripts' catalogue has 11 taps everywhere.
FIVE_TAPS = "Fusion10-win5"


@pytest.mark.parametrize("name", sorted(CATALOGUE.keys() - {FIVE_TAPS}))
def test_values_and_gradients_are_official(golden, name):
    arrays, values = golden

    def evaluate(module):
        prediction = module.given.requires_grad_()
        loss = losses(name, [prediction], like(module, torch.from_numpy(arrays["target"])))[0]
        (gradient,) = torch.autograd.grad(loss, prediction)
        return {"loss": loss, "gradient": gradient}

    found = measure_rounding(evaluate, Given(arrays["pred"]))
    found["loss"].check("loss", np.array(values[name]), ceiling=1e-6, floor=UNIT_ROUNDOFF, scale=1)
    gradient = found["gradient"]
    gradient.check("gradient", gradient.exact, ceiling=1e-5)
    # The golden norm is a float32 sum of 1e5 squares, which by itself rounds by up to some 3e-4.
    assert np.linalg.norm(gradient.exact) == pytest.approx(float(arrays[f"gradnorm/{name}"]), rel=5e-4)


def test_the_catalogue_is_complete(golden):
    assert set(CATALOGUE) == {*golden[1], FIVE_TAPS}


def test_ms_ssim_with_five_taps_is_official(golden):
    arrays, _ = golden
    prediction, target = torch.from_numpy(arrays["pred"]), torch.from_numpy(arrays["target"])
    expected = 0.7 * arrays["loss/L1"] + 0.3 * (1 - arrays["ms_ssim_win5_per_image"].mean())
    assert losses(FIVE_TAPS, [prediction], target)[0].item() == pytest.approx(float(expected), abs=2e-7)
    small = (slice(None), slice(None), slice(0, 80), slice(0, 80))  # a patch that 11 taps do not fit
    assert 0 < losses(FIVE_TAPS, [prediction[small]], target[small])[0].item() < 1


def test_several_predictions_share_a_target():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 3, 40, 56, generator=generator)
    predictions = [torch.rand(2, 3, 40, 56, generator=generator).requires_grad_() for _ in range(3)]
    together = mean_ssim(predictions, target)
    weights = torch.tensor([0.1, 0.5, 1.0])
    gradients = torch.autograd.grad((together * weights).sum(), predictions)
    for prediction, value, weight, gradient in zip(predictions, together, weights, gradients, strict=True):
        alone = pytorch_msssim.ssim(prediction, target, data_range=1)
        (expected,) = torch.autograd.grad(weight * alone, prediction)
        assert value.item() == pytest.approx(alone.item(), abs=1e-6)
        assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-9)


def test_ssim_gradient_is_the_derivative():
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(1, 2, 13, 12, generator=generator, dtype=torch.float64)
    prediction = torch.rand(1, 2, 13, 12, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: mean_ssim([x], target), prediction)


def test_a_side_shorter_than_the_window_is_not_filtered():
    """As in the official metric: filtering along that side is left out rather than refused."""
    generator = torch.Generator().manual_seed(2)
    target, prediction = (torch.rand(1, 3, 8, 40, generator=generator, dtype=torch.float64) for _ in range(2))
    prediction.requires_grad_()
    assert mean_ssim([target], target).item() == pytest.approx(1)
    assert torch.autograd.gradcheck(lambda x: mean_ssim([x], target), prediction)
