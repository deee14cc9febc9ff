"""`bench.import_official`: the way in for weights of the methods' official code."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import baselines.nerv.official
import bench
import ffnerv.official
from baselines.nerv.model import NeRV
from bench.base.errors import BenchError
from ffnerv.model import FFNeRV

pytestmark = pytest.mark.numeric


#: As published for Big Buck Bunny at 1280x720.
NERV_S = """python train_nerv.py -e 300 --lower-width 96 --num-blocks 1 --dataset bunny --frame_gap 1 --outf x
    --embed 1.25_40 --stem_dim_num 512_1 --reduction 2 --fc_hw_dim 9_16_26 --expansion 1 --single_res
    --loss_type Fusion6 --warmup 0.2 --lr_type cosine --strides 5 2 2 2 2 --conv_type conv -b 1 --lr 0.0005
    --norm none --act swish"""

#: First letters stand for a flag in published commands, too.
FFNERV_COMPRESSION = "--fc-hw 9_16_48 --conv compact --lower 24 --t-d 300 600 --agg -2 -1 1 2 --wbit 8"


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


def test_errors_name_the_argument_or_weight(nerv):
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
    with pytest.raises(BenchError, match="upsampling: unknown value 'magic'"):
        bench.import_official("nerv", config | {"generator": wrong}, weights)


def test_weights_of_several_gpus_are_accepted_for_every_method(golden_dir):
    config = json.loads((golden_dir / "enerv.json").read_text())
    arrays = np.load(golden_dir / "enerv.npz")
    weights = {f"module.{name[2:]}": arrays[name] for name in arrays.files if name.startswith("w/")}
    network = bench.import_official("enerv", config, weights)
    assert network(torch.from_numpy(arrays["t"]))[-1].shape[1] == 3


@pytest.mark.parametrize("name", ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"])
def test_weights_of_another_network_are_not_dropped(golden_dir, name):
    """An additional weight means that the arguments belong to other weights."""
    stem = {"ffnerv": "ffnerv_conv"}.get(name, name)
    config = json.loads((golden_dir / f"{stem}.json").read_text())
    arrays = np.load(golden_dir / f"{stem}.npz")
    weights = {key[2:]: arrays[key] for key in arrays.files if key.startswith("w/")}
    bench.import_official(name, config, weights)
    with pytest.raises(BenchError, match="stray: is not a weight of this network"):
        bench.import_official(name, config, weights | {"module.stray": np.zeros(1)})


def test_arguments_of_another_network_are_refused(nerv):
    config, weights, _ = nerv
    for change, message in (
        ({"bias": False}, r"\.bias: is not a weight"),
        ({"expansion": -1}, r"channels: 10 times the expansion -1\.0 leaves"),
    ):
        with pytest.raises(BenchError, match=message):
            bench.import_official("nerv", config | {"generator": config["generator"] | change}, weights)


def test_a_missing_argument_of_hinerv_is_named():
    with pytest.raises(BenchError, match="the argument 'flags' is missing"):
        bench.import_official("hinerv", {"video_size": [6, 36, 48]}, {})


def test_a_command_line_replaces_the_arguments(golden_dir):
    described = json.loads((golden_dir / "ffnerv_conv_traj.json").read_text())
    run = np.load(golden_dir / "ffnerv_conv_traj.npz")
    weights = {name[3:]: run[name] for name in run.files if name.startswith("w0/")}
    network = bench.import_official("ffnerv", described, weights).network
    named = json.loads((golden_dir / "ffnerv_conv.json").read_text())
    assert network.config == ffnerv.official.config_from_official(named)


@pytest.mark.parametrize(
    ("method", "network", "argv", "parameters"),
    [
        ("ffnerv", FFNeRV, [], 85_265_748),
        ("ffnerv", FFNeRV, FFNERV_COMPRESSION, 11_308_169),
        ("nerv", NeRV, [], 97_247_311),
        ("nerv", NeRV, NERV_S, 3_201_905),
    ],
)
def test_published_command_lines_and_defaults_have_the_published_sizes(method, network, argv, parameters):
    official = {"ffnerv": ffnerv.official, "nerv": baselines.nerv.official}[method]
    with torch.device("meta"):
        made = network(official.config_from_official({"argv": argv}))
    assert sum(parameter.numel() for parameter in made.parameters()) == parameters


def test_an_invalid_command_line_is_refused():
    with pytest.raises(BenchError, match=r"--expansion: invalid float value: 'wide'"):
        bench.import_official("nerv", {"argv": "--expansion wide"}, {})
    with pytest.raises(BenchError, match="--strides: expected at least one argument"):
        bench.import_official("ffnerv", {"argv": ["--strides"]}, {})
