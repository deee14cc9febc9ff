"""Step sizes for each tensor: what they keep, how they are found, and that frames are the better for it."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from quantiser_data import make_quantiser
from torch import Tensor, nn

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from bench.inr.coding.allocation import allocate
from bench.inr.coding.payload import Payload, coded_weights, load
from bench.inr.coding.quantisers import ByName
from bench.inr.coding.uniform import StepQuantiser
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.trainer import Fit
from bench.inr.network.representation import FramewiseVideo, Representation

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("bits", [2, 5.5, 10])
def test_a_weight_is_off_by_half_a_step_at_most_and_zeros_stay(bits: float) -> None:
    weight = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)) * 0.2
    weight[::2] = 0
    quantiser = StepQuantiser(bits)
    quantised = quantiser.quantise(weight)
    assert quantised.side.shape == quantiser.side_shape((40, 30))
    assert quantised.side.dtype == np.float16
    step, back = float(quantised.side[0]), quantiser.dequantise(quantised)
    span = float(weight.max() - weight.min())
    assert step == pytest.approx(span / 2**bits, rel=2**-10)
    assert not back[::2].any()
    assert (back - weight).abs().max() <= 0.5 * step * 1.0001
    assert np.abs(quantised.codes).max() <= min(2 ** math.ceil(bits), 1023)


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0])
def test_a_tensor_of_equal_entries_is_decoded(value: float) -> None:
    tensor = torch.full((3, 2), value)
    quantised = StepQuantiser(6).quantise(tensor)
    assert torch.allclose(StepQuantiser(6).dequantise(quantised), tensor, rtol=0.01)


class TwoPlanes(nn.Module):
    """Frames that are the sum of two pictures, of which one counts `weight` times."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.light = nn.Parameter(torch.rand(1, 3, 12, 16, generator=generator) / weight)
        self.heavy = nn.Parameter(torch.rand(1, 3, 12, 16, generator=generator) / weight)
        self.small = nn.Parameter(torch.rand(1, 3, 1, 1, generator=generator) / weight)
        self.weight = weight

    def forward(self, time: Tensor) -> Tensor:
        return (self.light + self.weight * self.heavy + self.small).expand(len(time), -1, -1, -1)


class Shown(FramewiseVideo):
    """Its frames as they are."""

    def render(self, first: int, stop: int):
        for _ in range(first, stop):
            yield self.visible(self.network(torch.zeros(1)))[0]


def test_a_tensor_that_counts_eightfold_has_three_bits_more() -> None:
    network = TwoPlanes(8.0)
    before = [parameter.clone() for parameter in network.parameters()]
    found = allocate(Shown(network, frames=3, height=12, width=16), network, 6)
    widths = {name: found.of(name).bits for name, _ in network.named_parameters()}
    assert widths["heavy"] - widths["light"] == pytest.approx(3, abs=0.1)
    # Each of its 3 weights is in 192 pixels, where one of a picture is in one.
    assert widths["small"] - widths["light"] > 2
    sizes = [parameter.numel() for parameter in network.parameters()]
    assert np.average(list(widths.values()), weights=sizes) == pytest.approx(6)
    for parameter, kept in zip(network.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)


def squared_error(representation: Representation, quantiser: ByName | StepQuantiser) -> tuple[float, int]:
    """What quantising does to a clip's frames, and the bytes of the weights.

    They are read as a decoder does, which knows of no widths.
    """
    network = representation.network
    exact = list(representation.render(0, representation.frames))
    kept = copy.deepcopy(network.state_dict())
    side, weights, _ = coded_weights(network, quantiser)
    load(network, StepQuantiser(), Payload({}, {}, side, weights))
    made = list(representation.render(0, representation.frames))
    network.load_state_dict(kept)
    total = sum(float((a - b).square().sum()) for a, b in zip(made, exact, strict=True))
    return total, len(side) + len(weights)


@pytest.mark.slow
def test_a_trained_network_is_hurt_less_in_as_many_bytes() -> None:
    torch.manual_seed(0)
    config = NeRVConfig(base=(4, 4), channels=12, strides=(2, 2, 2), lower_width=8, stem_width=24)
    video = FramewiseVideo(NeRV(config), frames=6, height=32, width=32)
    ramp = torch.linspace(0, 255, 32)
    frames = torch.stack([(ramp * (i + 1) / 6).expand(3, 32, 32) for i in range(6)]).to(torch.uint8)
    Fit(video, frames, Recipe(epochs=10, learning_rate=5e-3)).run()
    plain = StepQuantiser(6)
    alike, alike_bytes = squared_error(video, plain)
    allocated, allocated_bytes = squared_error(video, allocate(video, video.network, 6))
    assert allocated < 0.6 * alike
    assert allocated_bytes == pytest.approx(alike_bytes, rel=0.02)


@pytest.mark.parametrize(
    "description",
    [
        {"name": "uniform", "allocate": "yes"},
        {"name": "uniform", "bits": True},
        {"name": "uniform", "bits": 10.5},
        {"name": "uniform", "axis": 0},
        {"name": "affine", "allocate": True},
        {"name": "affine", "bits": 6.5},
        {"name": "uniform", "allocate": True, "overrides": {"head": {"bits": 8}}},
    ],
)
def test_invalid_descriptions_are_refused(description: dict) -> None:
    with pytest.raises(ValueError, match="quantiser"):
        make_quantiser(description)
