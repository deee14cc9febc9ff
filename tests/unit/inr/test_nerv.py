"""NeRV against arrays that the official code computed (tests/golden/README.md)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from float64 import GRADIENT_FLOOR, assert_parity, like

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from baselines.nerv.official import config_from_official, network_from_official, official_name
from bench.inr.coding.quantisers import AffineQuantiser
from bench.inr.fitting.pruning import Masks, prune_masks
from bench.inr.network.layers import positional_encoding
from bench.inr.network.losses import losses
from bench.inr.network.representation import FramewiseVideo

pytestmark = pytest.mark.numeric

#: Largest rounding error of our float32 arrays, relative to an array's maximum (`float64.assert_parity`).
FORWARD, GRADIENT = 5e-6, 1e-4


@pytest.fixture(scope="module")
def golden(golden_dir):
    arrays = np.load(golden_dir / "nerv.npz")
    return arrays, json.loads((golden_dir / "nerv.json").read_text())


@pytest.fixture
def network(golden):
    arrays, described = golden
    weights = {name[2:]: arrays[name] for name in arrays.files if name.startswith("w/")}
    return network_from_official(described, weights).network


@pytest.mark.parametrize("frames", [132, 600])
@pytest.mark.parametrize("count", [40, 80])
def test_positional_encoding(golden_dir, frames, count):
    arrays = np.load(golden_dir / "positional_encoding.npz")
    ours = positional_encoding(torch.from_numpy(arrays[f"t_{frames}"]), 1.25, count)
    assert np.abs(ours.numpy() - arrays[f"pe_1.25_{count}_N{frames}"]).max() < 2.5e-7  # two ulp


def test_forward_loss_and_gradients(golden, network):
    arrays, described = golden
    time, target = (torch.from_numpy(arrays[name]) for name in ("t", "target"))

    def forward(network):
        frames = network(time)
        return {"out/0": frames, "loss_total": losses(described["loss"], [frames], like(network, target))[0]}

    def gradients(network):
        forward(network)["loss_total"].backward()
        named = network.named_parameters()
        return {f"grad/{official_name(name, network.config)}": p.grad for name, p in named}

    assert_parity(forward, network, arrays, ceiling=FORWARD)
    assert_parity(gradients, network, arrays, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


#: Official arguments of 720p NeRV (README) and of the argparse defaults at 1080p.
BUNNY = {"expansion": 1, "act": "swish", "reduction": 2, "stride_list": [5, 2, 2, 2, 2], "lower_width": 96}
BUNNY |= {"stem_dim_num": "512_1", "sigmoid": False, "sin_res": True}
UVG = {"expansion": 8, "act": "gelu", "reduction": 2, "stride_list": [5, 3, 2, 2, 2], "lower_width": 32}
UVG |= {"stem_dim_num": "1024_1", "sigmoid": False, "fc_hw_dim": "9_16_128", "embed": "1.25_80"}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (BUNNY | {"fc_hw_dim": "9_16_26", "embed": "1.25_40"}, 3_201_905),
        (BUNNY | {"fc_hw_dim": "9_16_58", "embed": "1.25_40"}, 6_282_001),
        (BUNNY | {"fc_hw_dim": "9_16_112", "embed": "1.25_80"}, 12_565_523),
        (UVG | {"sin_res": True}, 97_241_539),
        (UVG | {"sin_res": False}, 97_247_311),
    ],
)
def test_published_sizes(arguments, count):
    with torch.device("meta"):
        network = NeRV(config_from_official(arguments))
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("upsampling", ["conv", "deconv", "bilinear"])
def test_every_upsampling_makes_every_resolution(upsampling):
    config = NeRVConfig(
        base=(3, 4), channels=8, strides=(2, 3), stem_width=8, lower_width=4, frequencies=4,
        upsampling=upsampling, multi_resolution=True, norm="in",
    )  # fmt: skip
    network, time = NeRV(config), torch.tensor([0.0, 0.5])
    images = network.images(time)
    assert [tuple(image.shape) for image in images] == [(2, 3, 6, 8), (2, 3, 18, 24)]
    assert torch.equal(images[-1], network(time))


@pytest.mark.parametrize(
    ("bits", "axis", "key"),
    [(8, 0, "b8_axis0"), (8, 1, "b8_axis1"), (8, None, "b8_axis-1"), (6, 0, "b6_axis0")],
)
def test_post_training_quantisation_is_exact(golden, network, bits, axis, key):
    arrays, _ = golden
    quantiser = AffineQuantiser(bits=bits, axis=axis)
    for name, parameter in network.named_parameters():
        codes, values = quantiser.official(parameter)
        official = official_name(name, network.config)
        assert np.array_equal(codes.numpy(), arrays[f"ptq/{key}/code/{official}"]), name
        assert np.abs(values.numpy() - arrays[f"ptq/{key}/deq/{official}"]).max() < 1e-6, name


def test_an_invalid_axis_is_refused():
    with pytest.raises(ValueError, match="axis 2"):
        AffineQuantiser(axis=2)


def test_pruning_keeps_the_weights_that_the_official_code_keeps(golden, network):
    """60 % of the stem's and the stages' weights go, ranked together; then the frames."""
    arrays, _ = golden
    video = FramewiseVideo(network, frames=9, height=48, width=64)
    scores = video.pruning_scores()
    kept = prune_masks(list(scores.values()), 1 - 0.4)
    names = {weight: name for name, weight in network.named_parameters()}
    for weight, mask in zip(scores, kept, strict=True):
        official = official_name(names[weight], network.config)
        assert np.array_equal(mask.numpy(), arrays[f"prune0.4/{official}_mask"]), official
    Masks(list(scores), kept).apply()

    def forward(network):
        return {"prune0.4/out_last": network(torch.from_numpy(arrays["t"]))}

    assert_parity(forward, network, arrays, ceiling=FORWARD)


@pytest.mark.parametrize("axis", [None, 0])
def test_a_streams_quantiser_is_within_a_step(axis):
    generator = torch.Generator().manual_seed(0)
    tensor = torch.randn(12, 5, 3, 3, generator=generator) * 0.2
    quantiser = AffineQuantiser(bits=8, axis=axis)
    quantised = quantiser.quantise(tensor)
    assert quantised.side.shape == quantiser.side_shape(tuple(tensor.shape))
    assert quantised.codes.min() >= -128
    assert quantised.codes.max() <= 127
    _, step = quantiser.ranges(tensor)
    error = (quantiser.dequantise(quantised) - tensor).abs()
    assert (quantiser._slices(error) <= 1.6 * step).all()  # half a step, and the clamped topmost


def test_an_all_zero_tensor_survives():
    quantiser = AffineQuantiser()
    assert torch.equal(quantiser.dequantise(quantiser.quantise(torch.zeros(4))), torch.zeros(4))
