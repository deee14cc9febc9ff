"""`bench.import_official`: the way in for weights of the methods' official code."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import bench
from bench.errors import BenchError


@pytest.fixture(scope="module")
def nerv(golden_dir):
    arrays = np.load(golden_dir / "nerv.npz")
    weights = {name[2:]: arrays[name] for name in arrays.files if name.startswith("w/")}
    return json.loads((golden_dir / "nerv.json").read_text()), weights, arrays


def test_arrays_and_tensors_alike(nerv):
    config, weights, arrays = nerv
    outputs = bench.import_official("nerv", config, weights)(torch.from_numpy(arrays["t"]))
    assert np.abs(outputs[-1].detach().numpy() - arrays["out/0"]).max() < 2e-6
    tensors = {f"module.{name}": torch.from_numpy(value) for name, value in weights.items()}
    again = bench.import_official("nerv", config["generator"] | {"embed": config["embed"]}, tensors)
    assert torch.equal(again(torch.from_numpy(arrays["t"]))[-1], outputs[-1])


def test_what_is_wrong_is_named(nerv):
    config, weights, _ = nerv
    with pytest.raises(BenchError, match=r"stem\.0\.weight: missing"):
        bench.import_official("nerv", config, {k: v for k, v in weights.items() if k != "stem.0.weight"})
    with pytest.raises(BenchError, match=r"stem\.0\.bias: has the shape \(3,\)"):
        bench.import_official("nerv", config, weights | {"stem.0.bias": np.zeros(3, np.float32)})
    with pytest.raises(BenchError, match="the argument 'fc_hw_dim' is missing"):
        bench.import_official("nerv", {"generator": {"stem_dim_num": "32_1"}}, weights)
    with pytest.raises(BenchError, match="unknown method 'nervv'; try nerv"):
        bench.import_official("nervv", config, weights)
    wrong = config["generator"] | {"conv_type": "magic"}
    with pytest.raises(BenchError, match="upsampling: 'magic'"):
        bench.import_official("nerv", config | {"generator": wrong}, weights)


def test_weights_of_several_gpus_are_taken_for_every_method(golden_dir):
    config = json.loads((golden_dir / "enerv.json").read_text())
    arrays = np.load(golden_dir / "enerv.npz")
    weights = {f"module.{name[2:]}": arrays[name] for name in arrays.files if name.startswith("w/")}
    network = bench.import_official("enerv", config, weights)
    assert network(torch.from_numpy(arrays["t"]))[-1].shape[1] == 3
    with pytest.raises(BenchError, match="stray: is no weight of this network"):
        bench.import_official("enerv", config, weights | {"module.stray": np.zeros(1)})


def test_a_missing_argument_of_hinerv_is_named():
    with pytest.raises(BenchError, match="the argument 'flags' is missing"):
        bench.import_official("hinerv", {"video_size": [6, 36, 48]}, {})
