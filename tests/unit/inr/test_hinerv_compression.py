"""HiNeRV's quantiser, quantisation noise and pruning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.hinerv.config import HiNeRVConfig
from baselines.hinerv.model import HiNeRV
from baselines.hinerv.pruning import is_prunable
from baselines.hinerv.qat import QuantNoise, SymmetricQuantiser, add_noise, fake_quantise, scale_axis
from baselines.hinerv.video import HiNeRVVideo
from bench.inr.fitting.pruning import prune_masks

pytestmark = pytest.mark.numeric


@pytest.fixture
def network() -> HiNeRV:
    torch.manual_seed(0)
    config = HiNeRVConfig(
        base=(3, 4), channels=24, strides=(2, 2), depths=(1, 1), expansions=(2.0, 1.0), local_levels=2
    )
    return HiNeRV(config, frames=50)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((20, 20), None), ((21, 20), 0), ((20, 21), 1), ((40, 40), 0), ((64, 1, 3, 3), 0), ((8, 32, 3, 3), 1)],
)
def test_the_longest_axis_above_20_shares_a_scale(shape, axis):
    assert scale_axis(shape) == axis


@pytest.mark.parametrize("bits", [6, 8])
def test_codes_and_scales_are_those_of_the_formula(bits):
    weight = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    weight[:, 2] = 0
    quantised = SymmetricQuantiser(bits).quantise(weight)
    values = weight.double().numpy()
    scale = 2 * np.abs(values).max(axis=0) / (2**bits - 1) + 1e-6
    assert np.allclose(quantised.side, scale[None], rtol=1e-3, atol=1e-7)
    expected = np.clip(np.rint(values / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert np.array_equal(quantised.codes, expected)
    assert np.abs(quantised.codes[:, 2]).max() == 0


@pytest.mark.parametrize("shape", [(7,), (30, 4), (4, 3), (5, 8, 3), (24, 1, 3, 3), (8, 30, 3, 3)])
def test_a_streams_weights_are_those_of_the_noise(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    quantiser = SymmetricQuantiser(6)
    quantised = quantiser.quantise(weight)
    assert quantised.side.shape == quantiser.side_shape(shape)
    assert quantised.codes.shape == shape
    expected = weight if len(shape) == 1 else fake_quantise(weight, 6)
    # Apart from the scales' float16.
    assert torch.allclose(quantiser.dequantise(quantised), expected, rtol=1e-3, atol=0)


def test_a_base_grid_has_a_scale_a_channel():
    """As in the official layout, where a row is a place at a time."""
    grid = torch.randn(5, 8, 3, generator=torch.Generator().manual_seed(2))
    flat = SymmetricQuantiser(6).quantise(grid.flatten(0, 1))
    kept = SymmetricQuantiser(6).quantise(grid)
    assert np.array_equal(kept.codes.reshape(40, 3), flat.codes)
    assert np.array_equal(kept.side, flat.side)


def test_the_gradient_passes_through_the_scale_only():
    """d(code * scale) = code * d(scale): the largest entry of a column gets it all."""
    weight = torch.randn(30, 2, generator=torch.Generator().manual_seed(3)).requires_grad_()
    quantised = fake_quantise(weight, 6)
    quantised.sum().backward()
    scale = 2 * weight.detach().abs().amax(0) / 63 + 1e-6
    codes = (weight.detach() / scale).round().clamp(-32, 31)
    expected = torch.zeros_like(weight)
    for column in range(2):
        row = weight.detach()[:, column].abs().argmax()
        expected[row, column] = weight.detach()[row, column].sign() * codes[:, column].sum() * 2 / 63
    assert torch.allclose(weight.grad, expected, rtol=1e-5)


def test_noise_quantises_the_given_share():
    weight = torch.randn(300, 100, generator=torch.Generator().manual_seed(4)).requires_grad_()
    noisy = add_noise(weight, 6, rate=0.9, generator=torch.Generator().manual_seed(0))
    quantised = fake_quantise(weight, 6)
    kept = noisy == weight
    assert 0.09 < kept.float().mean() < 0.11
    assert torch.equal(noisy[~kept], quantised[~kept])
    again = add_noise(weight, 6, rate=0.9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noisy, again)
    assert torch.equal(add_noise(weight, 6, rate=1.0), quantised)
    assert torch.equal(add_noise(weight, 6, rate=0.0), weight)


def test_a_step_with_noise_is_a_step_of_the_quantised_network(network):
    """At a rate of 1 the step sees what a stream would hold; grids and layers are in it, biases not."""
    video = HiNeRVVideo(network, frames=50, height=12, width=16)
    target = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    plain = video.step(torch.tensor([7]), target, "L2")[0].item()
    video.noise = QuantNoise(bits=4, rate=1.0)
    loss, _ = video.step(torch.tensor([7]), target, "L2")
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(fake_quantise(parameter, 4))
    video.noise = None
    assert video.step(torch.tensor([7]), target, "L2")[0].item() == pytest.approx(loss.item(), abs=1e-7)
    assert abs(loss.item() - plain) > 1e-5


def test_pruning_removes_a_share_of_all_parameters_from_the_layers(network):
    video = HiNeRVVideo(network, frames=50, height=12, width=16)
    scores = video.pruning_scores()
    total = sum(parameter.numel() for parameter in network.parameters())
    masks = dict(
        zip(scores, prune_masks(list(scores.values()), 0.15, round_count=video.pruned_count), strict=True)
    )
    assert sum(int((~mask).sum()) for mask in masks.values()) == int(0.15 * total)
    removed, stayed = [], []
    for name, parameter in network.named_parameters():
        if is_prunable(name, parameter):
            relative = (parameter.detach().abs() / parameter.numel() ** 0.5).flatten()
            removed.append(relative[~masks[parameter].flatten()])
            stayed.append(relative[masks[parameter].flatten()])
        else:
            assert masks[parameter].all(), name
    assert torch.cat(removed).max() <= torch.cat(stayed).min() * 1.001


def test_prunable_weights(network):
    names = {name for name, weight in network.named_parameters() if is_prunable(name, weight)}
    blocks = {
        f"stages.{i}.blocks.0.{part}.weight" for i in range(2) for part in ("spatial", "widen", "narrow")
    }
    assert names == {"stem.weight", "head.weight", *blocks}
