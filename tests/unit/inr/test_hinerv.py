"""HiNeRV against arrays that the official code computed (tests/golden/README.md)."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from float64 import GRADIENT_FLOOR, assert_parity, like
from patch_data import cut_patches, join_patches

import bench
from baselines.hinerv.codec import HiNeRVCodec
from baselines.hinerv.config import WIRE_DEFAULTS, HiNeRVConfig
from baselines.hinerv.grids import base_position, local_position, read_in_time
from baselines.hinerv.model import HiNeRV
from baselines.hinerv.official import config_from_official, network_from_official, official_name
from baselines.hinerv.video import HiNeRVVideo
from bench.base.errors import BenchError
from bench.codec import registry
from bench.inr.coding.payload import config_from_values, config_values
from bench.inr.network.losses import losses

pytestmark = pytest.mark.numeric

#: Largest rounding error of our float32 arrays, relative to an array's maximum (`float64.assert_parity`).
FORWARD, GRADIENT = 5e-5, 1e-4


@pytest.fixture(scope="module")
def golden(golden_dir):
    arrays = np.load(golden_dir / "hinerv.npz")
    return dict(arrays), json.loads((golden_dir / "hinerv.json").read_text())


@pytest.fixture
def official(golden):
    arrays, described = golden
    return network_from_official(
        described, {name[2:]: array for name, array in arrays.items() if name[:2] == "w/"}
    )


@pytest.fixture
def video(official):
    frames, height, width = 6, 36, 48
    return HiNeRVVideo(official.network, frames=frames, height=height, width=width)


def intermediate_outputs(network: HiNeRV) -> dict[str, torch.Tensor]:
    """Fills itself, by the names of the official arrays, in the forward that comes next."""
    seen: dict[str, torch.Tensor] = {}

    def watch(module: torch.nn.Module, name: str) -> None:
        module.register_forward_hook(lambda _module, _inputs, output: seen.__setitem__(name, output))

    network.stem.register_forward_pre_hook(lambda _, inputs: seen.__setitem__("encoding_out", inputs[0]))
    watch(network.stem, "stem_out")
    for i, stage in enumerate(network.stages):
        for j, module in enumerate([stage.upsample, stage.encoding, *stage.blocks]):
            watch(module, f"block{i}_{j}")
    return seen


def test_whole_frames(golden, official):
    arrays, described = golden

    def evaluate(official):
        return {"eval/out": official(torch.from_numpy(arrays["eval/idx"]))}

    assert_parity(evaluate, official, arrays, ceiling=FORWARD)
    assert sum(p.numel() for p in official.parameters()) == described["params"]


def test_patches_layer_by_layer(golden, official):
    """Margins included: also what is computed beyond the frame and near a patch's own edge."""
    arrays, _ = golden
    expected = {name for name in arrays if name.startswith(("train/encoding", "train/stem", "train/block"))}

    def evaluate(official):
        seen = intermediate_outputs(official.network)
        out = official.patches(torch.from_numpy(arrays["train/idx"]))
        values = {f"train/{name}": value[:, None] for name, value in seen.items()}
        assert set(values) == expected
        return {"train/out": out} | values

    assert_parity(evaluate, official, arrays, ceiling=FORWARD)


def test_patch_loss_and_gradients(golden, official):
    arrays, described = golden
    ((name, weight),) = described["loss"]

    def forward(official):
        out = official.patches(torch.from_numpy(arrays["train/idx"]))[:, :, 0]
        target = like(official, torch.from_numpy(arrays["train/target"])[:, :, 0])
        pairs = zip(out.split(1), target.split(1), strict=True)
        each = [weight * losses(name.upper(), [made], aim)[0] for made, aim in pairs]
        return {"train/loss_per_frame": torch.stack(each)}

    def gradients(official):
        forward(official)["train/loss_per_frame"].mean().backward()
        named = [(f"grad/{official_name(name)}", p) for name, p in official.network.named_parameters()]
        return {name: p.grad.reshape(arrays[name].shape) for name, p in named}

    golden_losses = {"train/loss_per_frame": arrays["train/loss_per_frame"][:, 0]}
    assert_parity(forward, official, golden_losses, ceiling=FORWARD)
    assert_parity(gradients, official, arrays, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


def test_margins_and_grids_are_the_official_ones(golden):
    _, described = golden
    config = config_from_official(described)
    stem, *stages = config.margins
    assert [0, stem, stem] == described["stem_paddings"]
    assert [[0, margin, margin] for margin in stages] == described["paddings"]
    network = HiNeRV(config, frames=described["video_size"][0])
    assert network.base.channels == described["base_channels"]
    for level, (time, height, width, channels) in zip(
        network.base.levels, described["base_grid_sizes"], strict=True
    ):
        assert level.shape == (time, height * width, channels)
    for stage, sizes in zip(network.stages, described["enc_grid_sizes"], strict=True):
        for level, (time, *_, places_y, places_x, channels) in zip(stage.encoding.levels, sizes, strict=True):
            assert level.shape == (time, places_y * places_x * channels)


@pytest.mark.parametrize(
    ("strides", "depths", "margins"),
    [
        ((5, 3, 2, 2), (3, 3, 3, 1), [3, 6, 6, 4, 1]),  # UVG and MCL-JCV
        ((5, 3, 2, 2), (4, 4, 4, 1), [3, 7, 7, 5, 1]),
        ((5, 3, 2, 2), (5, 5, 5, 1), [4, 9, 9, 6, 1]),
        ((5, 2, 2, 2), (3, 3, 3, 1), [3, 7, 6, 4, 1]),  # bunny
        ((5, 4, 3, 2), (3, 3, 3, 1), [3, 5, 5, 4, 1]),
        ((5, 4, 2, 2), (3, 3, 3, 1), [3, 6, 6, 4, 1]),
        ((5, 4, 2, 2), (2, 1, 1, 1), [3, 4, 3, 2, 1]),
    ],
)
def test_published_margins(strides, depths, margins):
    assert HiNeRVConfig(base=(1, 1), channels=8, strides=strides, depths=depths).margins == margins


def small_network(**changes) -> HiNeRV:
    torch.manual_seed(0)
    settings = {"strides": (3, 2), "depths": (2, 1), "expansions": (2.0, 1.0), "local_levels": 2}
    settings |= {"base_length": 4, "patch": (6, 6), **changes}
    config = HiNeRVConfig(base=(4, 5), channels=10, **settings)
    network = HiNeRV(config, frames=7)
    with torch.no_grad():  # the initial grids are next to nothing
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return network


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"upsample_norm": False},
        {"strides": (6, 1)},
        {"strides": (2, 3), "depths": (3, 3)},
        {"patch": (24, 6)},
        {"base_length": None, "base_levels": 3},
    ],
)
def test_patches_are_parts_of_the_frame(changes):
    """In float32 to rounding, and the parts of a frame are joined exactly."""
    network = small_network(**changes)
    index = torch.tensor([0, 3, 6])
    frames = network(index)
    patch = network.config.patch
    expected = cut_patches(frames, patch)
    rows, columns = (size // part for size, part in zip(network.config.padded_size, patch, strict=True))
    numbers = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))

    def evaluate(network):
        return {"patches": network(index.repeat_interleave(len(numbers)), numbers.repeat(3, 1))}

    assert_parity(evaluate, network, {"patches": expected.detach().numpy()}, ceiling=FORWARD)
    assert torch.equal(join_patches(expected, network.config.padded_size), frames)


def test_training_on_patches_is_training_on_frames():
    """A loss that is a mean over pixels: the same value, frames and gradients."""
    whole, parts = small_network(), small_network()
    whole.config = dataclasses.replace(whole.config, patch=None)
    target = torch.rand(2, 3, 24, 30, generator=torch.Generator().manual_seed(1))

    def train(network):
        video = HiNeRVVideo(network, frames=7, height=24, width=30)
        index, samples = torch.tensor([5, 2]), target
        if network.config.patch:
            count = video.samples_per_frame
            index = (index[:, None] * count + torch.arange(count)).flatten()
            samples = cut_patches(target, network.config.patch)
        loss, output = video.step(index, like(network, samples), "L2")
        loss.backward()
        frames = join_patches(output, (24, 30)) if network.config.patch else output
        return {"frames": frames, "loss": loss} | {name: p.grad for name, p in network.named_parameters()}

    expected = {name: value.detach().numpy() for name, value in train(whole).items()}
    assert_parity(train, parts, expected, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


def test_the_loss_sees_the_visible_area_only():
    network = small_network(patch=None)
    video = HiNeRVVideo(network, frames=7, height=20, width=26)
    target = torch.rand(1, 3, 20, 26, generator=torch.Generator().manual_seed(1))
    loss, frames = video.step(torch.tensor([2]), target, "L1")
    assert frames.shape == target.shape
    error = network(torch.tensor([2]))[..., :20, :26].detach() - target
    assert loss.item() == pytest.approx(error.abs().mean().item())


@pytest.mark.parametrize("position", [base_position, local_position])
def test_grids_are_read_at_the_middle_of_frames(position):
    grid = torch.tensor([[0.0], [10.0], [20.0]])
    read = read_in_time(grid, position(torch.arange(6), 6, 3))
    assert read.flatten().tolist() == pytest.approx([0, 2.5, 7.5, 12.5, 17.5, 20], abs=1e-5)
    middles = read_in_time(grid, position(torch.arange(3), 3, 3))
    # The detour over [-1, 1] rounds, in the official code too.
    assert torch.allclose(middles, grid, rtol=0, atol=0 if position is base_position else 1e-5)
    one = torch.tensor([[3.0]])
    assert torch.equal(read_in_time(one, position(torch.arange(1), 1, 1)), one)


#: Parameters of every published network as the official code makes it, for clips of so many frames.
PUBLISHED = {
    "bunny-xxs": 766_691, "bunny-xs": 1_585_666, "bunny-s": 3_249_819,
    "bunny-a-xxs": 760_067, "bunny-a-xs": 1_572_418, "bunny-a-s": 3_223_323,
    "bunny-b-xxs": 787_543, "bunny-b-xs": 1_572_527, "bunny-b-s": 3_250_395,
    "mcl-xxs": 766_115, "mcl-xs": 1_584_658, "mcl-s": 3_247_803, "mcl-m": 6_687_253, "mcl-l": 13_407_073,
    "uvg-s": 3_188_933, "uvg-m": 6_489_553, "uvg-l": 12_818_953,
    "uvg-xl": 25_649_557, "uvg-xxl": 50_726_919,
    "uvg-a-s": 3_223_133, "uvg-a-m": 6_557_953, "uvg-a-l": 12_955_753,
    "uvg-b-s": 3_222_643, "uvg-b-m": 6_395_595, "uvg-b-l": 13_082_963,
}  # fmt: skip
CLIPS = {"bunny": (132, 720, 1280), "mcl": (120, 1080, 1920), "uvg": (600, 1080, 1920)}
LONGER_MCL = {
    "mcl-xxs": 777_203, "mcl-xs": 1_606_482, "mcl-s": 3_291_451, "mcl-m": 6_774_549, "mcl-l": 13_581_665,
}  # fmt: skip


def parameters(point: str, *, frames: int, height: int, width: int) -> int:
    config = registry.codec_config("hinerv-official")
    settings = registry.resolve_settings(config, {}, config.points[point])
    codec = HiNeRVCodec()
    network = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings.items()
        if key in codec.network_settings()
    }
    scale = math.prod(network["strides"])
    made = HiNeRVConfig(base=(height // scale, width // scale), **network)
    made.check_clip(frames=frames, height=height, width=width)
    values = json.loads(json.dumps(config_values(made, WIRE_DEFAULTS)))
    assert config_from_values(HiNeRVConfig, values, WIRE_DEFAULTS) == made
    with torch.device("meta"):
        video = codec.represent(made, frames=frames, height=height, width=width)
    return sum(parameter.numel() for parameter in video.network.parameters())


def test_every_point_is_a_published_network():
    assert set(registry.codec_config("hinerv-official").points) == set(PUBLISHED)


@pytest.mark.parametrize("point", PUBLISHED)
def test_published_parameter_counts(point):
    frames, height, width = CLIPS[point.split("-")[0]]
    assert parameters(point, frames=frames, height=height, width=width) == PUBLISHED[point]


@pytest.mark.parametrize("point", LONGER_MCL)
def test_parameter_counts_of_longer_clips(point):
    assert parameters(point, frames=150, height=1080, width=1920) == LONGER_MCL[point]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"depths": (1,)}, "depths: 1 values for 2 strides"),
        ({"expansions": (1.0, -1.0)}, "expansions"),
        ({"expansions": (1.0, math.nan)}, "expansions"),
        ({"strides": (3, 0)}, "strides"),
        ({"depths": (1000, 1)}, "depths"),
        ({"patch": (5, 6)}, "multiples of 6"),
        ({"patch": (18, 6)}, "divide the frame of 24x30"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(changes, problem):
    with pytest.raises(ValueError, match=problem):
        small_network(**changes)


@pytest.mark.parametrize(
    ("frames", "height", "problem"), [(1, 24, "local_levels: 2 levels need 2 frames"), (7, 20, "24x30")]
)
def test_a_clip_that_cannot_be_fitted_is_refused(frames, height, problem):
    with pytest.raises(ValueError, match=problem):
        small_network().config.check_clip(frames=frames, height=height, width=30)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("--block-type convnext", "--block-type mlp", "--block-type"),
        ("--kernels 3 3 3", "--kernels 3 3 5", "--kernels"),
        ("--channels 12", "--channels twelve", "--channels"),
        ("--depths 2 1 1", "", "--depths"),
        ("--depths 2 1 1", "--depths 2 1", "depths"),
        ("--scales-t 1 1 1", "--scales-t 2 1 1", "--scales-t"),
        ("--model HiNeRV", "--modle HiNeRV", "--modle"),
        ("matmul-th-w", "matmul-th-w,align", "align is not implemented"),
    ],
)
def test_official_flags_that_cannot_be_had_are_named(golden, old, new, problem):
    _, described = golden
    assert old in described["flags"]
    with pytest.raises(BenchError, match=problem):
        config_from_official({**described, "flags": described["flags"].replace(old, new)})


def test_official_defaults_may_be_written_out(golden):
    _, described = golden
    written = (
        " --block-norm layernorm-no-affine --block-act gelu --upsample-norm layernorm-no-affine"
        " --head-bias True --enc-align-corners False --eval-patch-size 1 12 12 --stem-type conv_stem"
    )
    flags = described["flags"].replace("--base-size -1 -1 -1", "--base-size 6 -1 4") + written
    assert config_from_official({**described, "flags": flags}) == config_from_official(described)
    plain = config_from_official({**described, "flags": described["flags"] + " --upsample-norm none"})
    assert not plain.upsample_norm


def test_a_clip_that_official_arguments_cannot_have_is_named(golden):
    arrays, described = golden
    weights = {name[2:]: array for name, array in arrays.items() if name[:2] == "w/"}
    bench.import_official("hinerv", {"args": described}, weights)
    for size, problem in (([6, 38, 48], "38x48 must be a multiple of 12"), ([1, 36, 48], "need 2 frames")):
        with pytest.raises(BenchError, match=problem):
            bench.import_official("hinerv", {**described, "video_size": size}, weights)
    with pytest.raises(BenchError, match="official configuration of hinerv"):
        bench.import_official("hinerv", {**described, "patch": []}, weights)


def test_patches_of_several_frames_are_refused(golden):
    with pytest.raises(BenchError, match="patch: has 2 frames"):
        config_from_official({**golden[1], "patch": [2, 12, 12]})


def test_official_weights_that_do_not_fit_are_named(golden):
    arrays, described = golden
    weights = {name[2:]: array for name, array in arrays.items() if name[:2] == "w/"}
    missing = {name: weight for name, weight in weights.items() if name != "decoder.head.linear.bias"}
    with pytest.raises(BenchError, match=r"decoder\.head\.linear\.bias: missing"):
        network_from_official(described, missing)
    grid = "encoding.grids.1.weight"
    with pytest.raises(BenchError, match=r"encoding\.grids\.1\.weight: has the shape"):
        network_from_official(described, {**weights, grid: weights[grid][:-1]})
    with pytest.raises(BenchError, match=r"decoder\.more: is not a weight"):
        network_from_official(described, {**weights, "decoder.more": np.zeros(1)})
