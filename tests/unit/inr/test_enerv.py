"""E-NeRV against arrays that the official code computed (tests/golden/README.md), and its published size."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from float64 import GRADIENT_FLOOR, UNIT_ROUNDOFF, assert_parity, like

from baselines.enerv.codec import ENeRVCodec
from baselines.enerv.config import ENeRVConfig
from baselines.enerv.model import ENeRV, modulated_norm
from baselines.enerv.official import config_from_official, network_from_official, official_name
from baselines.enerv.video import ENeRVVideo
from bench.base.errors import BenchError
from bench.codec import registry
from bench.inr.network.layers import positional_encoding
from bench.inr.network.live_memory import LiveMemory
from bench.inr.network.losses import losses
from bench.video.clip import ClipInfo

pytestmark = pytest.mark.numeric

#: Largest rounding error of our float32 arrays, relative to an array's maximum (`float64.assert_parity`).
FORWARD = 1e-5
#: The instance norm cancels most of a gradient before it, so that rounding is a larger part of the rest.
GRADIENT = 5e-4

#: The authors' file for Big Buck Bunny.
BUNNY = {
    "pos_b": 1.25,
    "pos_l": 80,
    "xypos_b": 1.25,
    "xypos_l": 80,
    "pos_b_tm": 1.25,
    "pos_l_tm": 80,
    "stem_dim_num": "512",
    "fc_hw_dim": "9_16_196",
    "act": "gelu",
    "stride_list": [5, 2, 2, 2, 2],
    "expansion": 3,
    "reduction": 2,
    "lower_width": 96,
    "num_blocks": 1,
    "bias": True,
    "norm": "none",
    "conv_type": "conv",
    "sin_res": True,
    "sigmoid": True,
    "block_dim": 256,
    "mlp_dim": 128,
}


@pytest.fixture(scope="module")
def golden(golden_dir):
    arrays = dict(np.load(golden_dir / "enerv.npz"))
    return arrays, json.loads((golden_dir / "enerv.json").read_text())


@pytest.fixture(scope="module")
def weights(golden):
    return {name[2:]: array for name, array in golden[0].items() if name.startswith("w/")}


@pytest.fixture
def module(golden, weights):
    return network_from_official(golden[1]["model"], weights)


def small(**changes) -> ENeRVConfig:
    values = {"base": (3, 4), "channels": 8, "strides": (2, 2), "lower_width": 4, "stem_widths": (8,)}
    values |= {"token_width": 8, "mlp_width": 8, "head_width": 4, "modulation_width": 8, "expansion": 1.5}
    values |= {f"{name}_encoding": (1.25, 6) for name in ("time", "position", "modulation")}
    return ENeRVConfig(**(values | changes))


def test_positional_encodings(golden, module):
    arrays, _ = golden
    time = torch.from_numpy(arrays["t"])
    config = module.network.config
    found = {
        "pos_enc_t": positional_encoding(time, *config.time_encoding),
        "pos_enc_tm": positional_encoding(time, *config.modulation_encoding),
        "xy_pos_enc": module.network.positions(),
    }
    for name, encoding in found.items():  # in float32: the phases agree to the last bit, sines to two ulp
        assert np.abs(encoding.numpy() - arrays[name]).max() < 2.5e-7, name


def test_times_reach_one(golden):
    arrays, described = golden
    video = ENeRVVideo(ENeRV(small()), frames=described["N"], height=12, width=16)
    assert video.times(torch.tensor(described["batch"])).tolist() == arrays["t"].tolist()


def test_every_intermediate_value(golden, module):
    arrays, _ = golden
    names = set()

    def evaluate(network):
        seen = {}

        def watch(layer: torch.nn.Module, name: str, what: str = "output") -> None:
            layer.register_forward_hook(
                lambda _, inputs, output: seen.update({name: inputs[0] if what == "input" else output})
            )

        watch(network.time_stem, "stem_t_out")
        watch(network.time_features, "t_branch_out")
        watch(network.position_stem, "stem_xy_out")
        watch(network.spatial, "trans1_out")
        watch(network.temporal, "trans2_in", "input")
        watch(network.temporal, "trans2_out")
        watch(network.to_latent, "toconv_out")
        for index, stage in enumerate(network.stages):
            watch(stage.modulation, f"t_feat/{index}")
            watch(stage.convs, f"block_in/{index}", "input")
            watch(stage, f"block_out/{index}")
        network(torch.from_numpy(arrays["t"]))
        names.update(seen)
        return seen

    assert_parity(evaluate, module.network, arrays, ceiling=FORWARD)
    assert len(names) == 7 + 3 * 4


def test_outputs_loss_and_gradients(golden, module):
    arrays, described = golden
    time, target = (torch.from_numpy(arrays[name]) for name in ("t", "target"))

    def forward(module):
        images = module(time)
        assert len(images) == 1
        loss = losses(described["loss"], images, like(module, target)).sum()
        return {"out/0": images[0], "loss_total": loss}

    def gradients(module):
        forward(module)["loss_total"].backward()
        named = module.network.named_parameters()
        return {f"grad/{official_name(name, module.network.config)}": p.grad for name, p in named}

    assert_parity(forward, module, arrays, ceiling=FORWARD)
    assert_parity(gradients, module, arrays, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


def test_parameters_of_the_golden_network(golden, module, weights):
    _, described = golden
    trainable = sum(parameter.numel() for parameter in module.parameters())
    assert trainable == described["trainable"]
    assert trainable + weights["xy_coord"].size == described["params"]


def test_the_whole_description_is_a_configuration_too(golden, weights):
    _, described = golden
    assert config_from_official(described) == config_from_official(described["model"])
    tensors = {name: torch.from_numpy(array) for name, array in weights.items() if name != "xy_coord"}
    network_from_official(described, tensors)


def test_the_published_configuration_has_its_published_size():
    config = config_from_official(BUNNY)
    with torch.device("meta"):
        network = ENeRV(config)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == 12_490_314
    assert parameters + 2 * config.positions == 12_490_602  # the authors count the coordinates


def test_the_point_of_the_codec_is_the_published_configuration():
    codec = registry.codec_config("enerv-official")
    settings = registry.resolve_settings(codec, {}, codec.points["bunny-720p"])
    clip = ClipInfo(
        name="bunny", sequence="bigbuckbunny", width=1280, height=720, frames=132, fps=Fraction(25)
    )
    assert ENeRVCodec().configure(clip, settings) == config_from_official(BUNNY)


def refusal(config: dict, weights: dict) -> str:
    with pytest.raises(BenchError) as refused:
        network_from_official(config, weights)
    return str(refused.value)


def test_weights_that_do_not_fit_are_named(golden, weights):
    model = golden[1]["model"]
    for name in ("trans1.attn.to_qkv.weight", "layers.0.conv1.conv.bias", "t_layers.3.0.weight"):
        message = refusal(model, {key: array for key, array in weights.items() if key != name})
        assert message.startswith(f"{name}: missing")
        assert refusal(model, weights | {name: weights[name][:-1]}).startswith(f"{name}: has the shape")
    assert refusal(model, weights | {"xy_coord": weights["xy_coord"].T}).startswith("xy_coord: has the shape")
    assert refusal(model, weights | {"head_layers.0.weight": np.zeros(3)}).startswith("head_layers.0.weight")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": "ln"}, "norm: unknown value 'ln'"),
        ({"conv_type": "compact"}, "upsampling: unknown value 'compact'"),
        ({"act": "tanh"}, "activation: unknown value 'tanh'"),
        ({"fc_hw_dim": "9_16"}, "expected 3"),
        ({"pos_b": -1}, "time_encoding"),
    ],
)
def test_unsupported_configurations_are_named(golden, weights, changes, message):
    assert message in refusal(golden[1]["model"] | changes, weights)


def test_a_missing_argument_is_named(golden, weights):
    given = {key: value for key, value in golden[1]["model"].items() if key != "xypos_l"}
    assert "'xypos_l' is missing" in refusal(given, weights)


def test_names_of_the_other_branches(golden):
    """A first stage that narrows, a head a stage, tokens as wide as the latent and as one head."""
    changes = {"expansion": 0.5, "sin_res": False, "block_dim": 64, "fc_hw_dim": "3_4_64", "sigmoid": False}
    given = golden[1]["model"] | changes | {"stem_dim_num": "24_5", "stride_list": [2, 1, 2]}
    config = config_from_official(given)
    names = {official_name(name, config): p for name, p in ENeRV(config).named_parameters()}
    modules = {name.rpartition(".")[0] for name in names}
    assert modules == {
        *("stem_t.0", "stem_t.2", "stem_t.4", "t_branch.0", "t_branch.2", "stem_xy.0"),
        *("trans1.attn.to_qkv", "trans1.ffn.net.0", "trans1.ffn.net.3"),
        *("trans2.attn.to_qkv", "trans2.attn.to_out.0", "trans2.ffn.net.0", "trans2.ffn.net.3"),
        *("layers.0.conv1", "layers.0.conv2.conv", "layers.1.conv.conv", "layers.2.conv.conv"),
        *("t_layers.0.0", "t_layers.1.0", "t_layers.2.0"),
        *("head_layers.0", "head_layers.1", "head_layers.2"),
    }
    assert names["layers.0.conv1.weight"].shape == (32, 64, 3, 3)
    assert names["layers.0.conv2.conv.weight"].shape == (128, 32, 3, 3)
    assert names["layers.1.conv.conv.weight"].shape == (32, 32, 3, 3)  # stride 1 does not narrow
    module = network_from_official(given, {name: p.detach() for name, p in names.items()})
    time = torch.tensor([0.0, 0.5])
    images = module(time)
    assert [tuple(image.shape) for image in images] == [(2, 3, 6, 8), (2, 3, 6, 8), (2, 3, 12, 16)]
    assert torch.equal(module.network(time), images[-1])
    assert all(image.min() >= 0 and image.max() <= 1 for image in images)


def test_frames_in_a_row_share_the_tokens():
    torch.manual_seed(0)
    network = ENeRV(small())
    calls = []
    network.spatial.register_forward_hook(lambda *_: calls.append(1))
    video = ENeRVVideo(network, frames=5, height=11, width=15)
    frames = torch.stack(list(video.render(0, 5)))
    assert len(calls) == 1
    assert frames.shape == (5, 3, 11, 15)
    assert_parity(
        lambda network: {"frames": video.visible(network(video.times(torch.arange(5))))},
        network,
        {"frames": frames.numpy()},
        ceiling=FORWARD,
    )
    calls.clear()
    assert torch.equal(torch.stack(list(video.render(3, 5))), frames[3:])
    assert (frames[0] - frames[4]).abs().max() > 1e-4  # the network hears of time


def test_a_clip_of_one_frame():
    video = ENeRVVideo(ENeRV(small()), frames=1, height=12, width=16)
    assert video.times(torch.tensor([0])).tolist() == [0.0]
    loss, frames = video.step(torch.tensor([0]), torch.rand(1, 3, 12, 16), "L2")
    loss.backward()
    assert torch.isfinite(frames).all()
    assert all(torch.isfinite(p.grad).all() for p in video.network.parameters())
    (frame,) = video.render(0, 1)
    assert frame.shape == (3, 12, 16)


def test_the_norm_is_exact_on_large_maps():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 180, 320, generator=generator) + 1
    x = x.contiguous(memory_format=torch.channels_last)
    gain, offset = torch.randn(2, 2, 6, generator=generator)
    exact = F.instance_norm(x.double(), eps=1e-5) * gain[:, :, None, None] + offset[:, :, None, None]
    ours = modulated_norm(x, gain, offset)
    # Five roundings (the mean, the variance, a difference, a factor, a sum); a plain sum has thousands.
    assert (ours - exact).abs().max() < 5 * UNIT_ROUNDOFF * exact.abs().max()
    assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 3}, "channels: 3 must be 4 or more"),
        ({"expansion": 0.1}, "channels: 8 times the expansion 0.1"),
        ({"base": (1, 1)}, "strides: .* leave 1 tokens"),
        ({"base": (64, 65), "strides": (5, 2)}, "leave 4160 tokens, .* 2 to 4096"),
        ({"base": (16, 17), "strides": (1, 2)}, "leave 272 tokens, .* 2 to 256"),
        ({"strides": (2, 0)}, r"strides: \(2, 0\)"),
        ({"head_width": 0}, "head_width: 0"),
        ({"mlp_width": 8.5}, "mlp_width: 8.5"),
        ({"activation": "tanh"}, "activation: unknown value 'tanh'"),
        ({"time_encoding": (1.25,)}, "time_encoding"),
        ({"position_encoding": (math.nan, 8)}, "position_encoding"),
        ({"modulation_encoding": (65536.0, 80)}, "modulation_encoding: .* float32 cannot represent"),
    ],
)
def test_configurations_without_a_network_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_the_tokens_are_in_the_bound_of_memory():
    """Wide heads need more memory than the last stage's output."""
    peaks = {}
    for head_width in (1, 400):
        config = small(head_width=head_width)
        with torch.device("meta"):
            network = ENeRV(config)
            with LiveMemory(network.parameters()) as memory:
                network(torch.tensor([0.0]))
        peaks[head_width] = memory.peak
    assert peaks[400] - peaks[1] > 4 * 3 * 8 * 399 * config.positions
