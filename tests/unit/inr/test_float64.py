"""The tolerance of parity tests: rounding in another order passes, a wrong computation fails."""

from __future__ import annotations

import functools
import json
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from float64 import UNIT_ROUNDOFF, assert_parity, in_float64, like, magnitude, measure_rounding
from torch import nn

import bench
import ffnerv.official
from ffnerv.flow import aggregate

pytestmark = pytest.mark.numeric

CEILING = 1e-5


@pytest.fixture
def hinerv(golden_dir):
    """HiNeRV, what it computes, and the golden arrays: `assert_parity`'s arguments."""
    arrays = dict(np.load(golden_dir / "hinerv.npz"))
    described = json.loads((golden_dir / "hinerv.json").read_text())
    weights = {name[2:]: array for name, array in arrays.items() if name.startswith("w/")}
    index = torch.from_numpy(arrays["eval/idx"])
    module = bench.import_official("hinerv", described, weights)
    return (lambda module: {"eval/out": module(index)}), module, arrays


@pytest.fixture
def hnerv(golden_dir):
    arrays = dict(np.load(golden_dir / "hnerv.npz"))
    described = json.loads((golden_dir / "hnerv.json").read_text())
    weights = {name[2:]: array for name, array in arrays.items() if name.startswith("w/")}
    frames = torch.from_numpy(arrays["frames_u8"]).permute(0, 3, 1, 2).float().div(255)
    target = frames[torch.from_numpy(arrays["frame_index"])]
    module = bench.import_official("hnerv", described, weights)
    return (lambda module: {"out": module(like(module, target))[0]}), module, arrays


@pytest.fixture
def warping(golden_dir):
    """FFNeRV with five neighbours."""
    stored = np.load(golden_dir / "options.npz")
    described = json.loads((golden_dir / "options.json").read_text())["ffnerv_odd"]
    prefix = "ffnerv_odd/"
    arrays = {name.removeprefix(prefix): stored[name] for name in stored.files if name.startswith(prefix)}
    weights = {name[2:]: array for name, array in arrays.items() if name.startswith("w/")}

    def evaluate(module):
        outputs = module(torch.from_numpy(arrays["t"]))
        mixed = module.aggregate(outputs, arrays["key_frames_f16"], described["batch"])
        return {"aggregated": mixed.aggregated}

    return evaluate, bench.import_official("ffnerv", described, weights), arrays


def refused(arguments, problem: str = "golden - float64") -> None:
    with pytest.raises(AssertionError, match=re.escape(problem)):
        assert_parity(*arguments, ceiling=CEILING)


def test_the_unchanged_networks_pass(hinerv, hnerv, warping):
    for arguments in (hinerv, hnerv, warping):
        assert_parity(*arguments, ceiling=CEILING)


def test_gelu_by_tanh_fails(hinerv, monkeypatch):
    monkeypatch.setattr(F, "gelu", functools.partial(F.gelu, approximate="tanh"))
    refused(hinerv)


@pytest.mark.parametrize("layer", ["head", "stem", "stages.1"])
def test_a_missing_bias_fails(hnerv, layer):
    _, module, _ = hnerv
    with torch.no_grad():
        module.network.decoder.get_submodule(layer).bias.zero_()
    refused(hnerv)


def test_another_epsilon_of_a_norm_fails(hnerv):
    _, module, _ = hnerv
    for layer in module.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.eps = 1e-5
    refused(hnerv)


def test_a_warp_that_is_half_a_pixel_off_fails(warping, monkeypatch):
    monkeypatch.setattr(ffnerv.official, "aggregate", functools.partial(aggregate, exact=True))
    refused(warping)


def test_weights_that_are_off_by_a_part_in_a_thousand_fails(hinerv):
    _, module, _ = hinerv
    with torch.no_grad():
        module.network.head.weight.mul_(1 + 1e-3)
    refused(hinerv)


def test_a_network_that_computes_with_fewer_bits_fails(hnerv):
    """The golden array is then within the rounding error of the network, whose ceiling refuses it."""
    _, module, _ = hnerv

    def round_to_half(layer, inputs, output):
        return output.half().float() if output.dtype == torch.float32 else output

    module.network.decoder.stages[0].register_forward_hook(round_to_half)
    refused(hnerv, "float32 - float64")


def test_the_order_of_a_sum_passes():
    """A dot product of 4096 terms, and the same in sixteen parts."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(4096, 8)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(8, 4096, generator=generator))
    x = torch.randn(4, 4096, generator=generator)
    parts = [F.linear(a, b) for a, b in zip(x.split(256, 1), layer.weight.split(256, 1), strict=True)]
    theirs = {"y": (torch.stack(parts).sum(0) + layer.bias).detach().numpy()}
    assert_parity(lambda layer: {"y": layer(x)}, layer, theirs, ceiling=1e-5)
    other = {"y": theirs["y"] + 100 * UNIT_ROUNDOFF * magnitude(theirs["y"])}
    with pytest.raises(AssertionError, match="golden"):
        assert_parity(lambda layer: {"y": layer(x)}, layer, other, ceiling=1e-5)


def test_a_copy_in_float64_leaves_the_module_alone():
    module = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
    with torch.no_grad():
        module[0].weight.fill_(1), module[0].bias.fill_(0)
    x = torch.tensor([[0.5]])
    assert in_float64(module)(x).item() == pytest.approx(math.tanh(0.5), rel=1e-15)
    assert module(x).dtype == torch.float32
    rounding = measure_rounding(lambda module: {"y": module(x)}, module)["y"]
    assert 0 < rounding.error < 4 * UNIT_ROUNDOFF
