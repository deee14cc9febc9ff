"""HNeRV as a codec: published sizes, settings, and what is in a stream."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from baselines.hnerv.codec import HNeRVCodec
from baselines.hnerv.config import HNeRVConfig
from baselines.hnerv.model import CodedHNeRV, Decoder, HNeRV
from baselines.hnerv.official import config_from_official
from baselines.hnerv.parameter_budget import share_channels, solve_channels
from baselines.hnerv.rate import published_bits
from baselines.hnerv.video import HNeRVFitting
from bench.base.errors import BenchError, StreamError
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.inr.coding.huffman import huffman_bits
from bench.inr.coding.quantiser_description import QuantiserDescription, parse_description
from bench.inr.fitting.optimiser import Muon, make_optimiser
from bench.inr.fitting.recipe import Recipe
from bench.video.clip import Clip, ClipInfo

pytestmark = pytest.mark.numeric


BUNNY, UVG = (640, 1280, 132), (960, 1920, 600)


def count(module: nn.Module | None) -> int:
    return sum(parameter.numel() for parameter in module.parameters()) if module else 0


def clip_info(height: int, width: int, frames: int) -> ClipInfo:
    return ClipInfo(
        name="x", sequence="x", width=width, height=height, frames=frames, fps=Fraction(25), sha256="0" * 64
    )


def configured(**settings) -> HNeRVConfig:
    settings = {**HNeRVCodec.settings_model().default_values(), **settings}
    return HNeRVCodec().configure(clip_info(180, 320, 132), settings)


def test_paper_rate_of_a_stream_is_the_published_one_where_the_quantiser_is():
    config, codec = configured(channels=20, embedding_channels=2), HNeRVCodec()
    network = CodedHNeRV(Decoder(config), frames=3, embeddings=torch.randn(3, *config.latent_shape))
    description = {"name": "hnerv", "bits": 8, "overrides": {"embeddings": {"bits": 6}}}

    def described(description: dict) -> QuantiserDescription:
        return parse_description(description, codec.quantisers)

    assert codec.paper_bits(network, described(description), []) == published_bits(network)
    codes = [np.array([1, 1, 2])]
    assert codec.paper_bits(network, described({"name": "affine"}), codes) == huffman_bits(codes)
    assert codec.paper_bits(network, described({"name": "float32"}), []) is None


def test_the_size_rule_gives_the_golden_network(golden_dir):
    described = json.loads((golden_dir / "hnerv.json").read_text())
    inputs = described["solver_inputs"]
    config = config_from_official({**described["args"], "fc_dim": 1}, size=inputs["final_hw"])
    assert inputs["N"] * np.prod(config.latent_shape) == described["args"]["embed_param"]
    solved = solve_channels(1e6 * inputs["modelsize"], config=config, frames=inputs["N"])
    assert solved == described["args"]["fc_dim"]


def test_saturated_stages_count_as_constants():
    """With every later stage at the floor the rule is exact but for its own omissions."""
    config = HNeRVConfig(base=(2, 4), channels=1, decoder_strides=(2, 2), embed="pe_1.25_8", lower_width=10)
    # a = 1 / 1.2 * 4 * 1, b = 16 * 8, c = 100 * 4 * 9
    root = (-128 + (128**2 + 4 * (4 / 1.2) * (20000 - 3600)) ** 0.5) / (2 * 4 / 1.2)
    assert solve_channels(20000, config=config, frames=5, saturated_from=1) == int(root)


def test_embedding_channels_may_be_a_share():
    assert share_channels(0.1, parameters=1.5e6, frames=132, grid=(2, 4)) == 142


def test_too_small_a_model_is_refused():
    config = HNeRVConfig(base=(2, 4), channels=1, decoder_strides=(5, 4), encoder_strides=(5, 4))
    with pytest.raises(ValueError, match="too few"):
        solve_channels(100, config=config, frames=600)


@pytest.mark.parametrize(
    ("point", "clip", "channels", "head", "total", "encoder"),
    [
        ("bunny-0.35M", BUNNY, 32, 327, 329_726, 306_160),
        ("bunny-0.75M", BUNNY, 48, 516, 736_152, 306_160),
        ("bunny-1.5M", BUNNY, 68, 759, 1_505_172, 306_160),
        ("bunny-3.0M", BUNNY, 97, 1_083, 3_029_582, 306_160),
        ("uvg-1.5M", UVG, 63, 678, 1_422_567, 326_640),
        ("uvg-2.0M", UVG, 74, 813, 2_012_041, 326_640),
        ("uvg-3.0M", UVG, 91, 975, 2_914_265, 326_640),
        ("uvg-5.0M", UVG, 118, 1_299, 4_908_044, 326_640),
        ("uvg-10M", UVG, 168, 1_839, 9_988_265, 326_640),
        ("bunny-pe-0.75M", BUNNY, 30, 327, 756_768, 0),
        ("bunny-pe-1.5M", BUNNY, 54, 327, 1_507_868, 0),
        ("bunny-pe-3.0M", BUNNY, 91, 327, 2_986_591, 0),
    ],
)
def test_published_points_have_the_published_sizes(point, clip, channels, head, total, encoder):
    config = registry.codec_config("hnerv-official")
    height, width, frames = clip
    settings = registry.resolve_settings(config, {}, config.points[point])
    made = HNeRVCodec().configure(clip_info(height, width, frames), settings)
    assert made.channels == channels
    with torch.device("meta"):
        received = HNeRVCodec().receive(made, frames=frames, height=height, width=width).network
        fitted = HNeRV(made)
    assert count(received.decoder.head) == head
    assert count(received) == total
    assert count(fitted.encoder) == encoder
    assert made.padded_size == (height, width)


def test_a_small_frame_gets_a_large_embedding():
    config = configured(channels=40, embedding_channels=2)
    assert config.latent_shape == (2, 9, 16)
    assert config.padded_size == (180, 320)


def test_an_encoder_may_go_further_down_than_the_decoder_goes_up():
    config = configured(channels=12, encoder_strides=[5, 4, 2], embedding_channels=4)
    assert config.latent_shape == (4, 5, 8)
    assert config.padded_size == (200, 320)
    torch.manual_seed(0)
    fitting = HNeRVFitting(HNeRV(config), frames=2, height=180, width=320)
    target = torch.rand(1, 3, 180, 320)
    _, shown = fitting.step(torch.tensor([1]), target, "L2")
    assert shown.shape == target.shape


def test_padding_repeats_the_edge():
    config = configured(channels=12, encoder_strides=[5, 4, 2], embedding_channels=4)
    fitting = HNeRVFitting(HNeRV(config), frames=2, height=180, width=320)
    target = torch.rand(2, 3, 180, 320)
    padded = fitting.padded(target)
    assert torch.equal(padded[:, :, :180], target)
    assert torch.equal(padded[:, :, 180:], target[:, :, -1:].expand(-1, -1, 20, -1))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "channels or model_size"),
        ({"channels": 20, "model_size": 1}, "channels or model_size"),
        ({"channels": 20, "kernels": [1, 4]}, "kernels"),
        ({"channels": 20, "embed": "pe_0_80"}, "frequencies"),
        ({"channels": 20, "embed": "pe_9_80"}, "frequencies"),
        ({"channels": 20, "embed": "1.25_80"}, "pe_b_L"),
        ({"channels": 20, "encoder_strides": [5, 2]}, "multiple"),
        ({"channels": 20, "embed": "pe_1.25_80", "encoder_strides": [5, 2]}, "no encoder"),
        ({"channels": 20, "reduction": 0}, "reduction"),
        ({"channels": 2.5}, "whole number"),
        ({"model_size": 0.001}, "too few"),
        ({"model_size": 1, "reduction": -1}, "fixed reduction"),
    ],
)
def test_invalid_settings_are_named(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        configured(**settings)


def test_the_encoder_starts_small_and_the_decoder_as_usual():
    torch.manual_seed(0)
    network = HNeRV(configured(channels=40))
    conv = network.encoder.downsamplers[0][0]
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not conv.bias.any()
    block = network.encoder.stages[0][0]
    assert block.widen.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert torch.equal(block.scale, torch.full((64,), 1e-6))
    weight = network.decoder.stages[-1].weight
    bound = weight[0].numel() ** -0.5
    assert 0.98 * bound < weight.abs().max().item() <= bound


def test_the_published_schedule():
    recipe = Recipe(epochs=300, learning_rate=1e-3, warmup=0.1, betas=(0.9, 0.999), loss="L2")
    for epoch in (0, 3.5, 29.99, 30, 100, 299.5):
        x = epoch / 300
        rise = 0.1 + 0.9 * x / 0.1
        expected = rise if x < 0.1 else 0.5 * (1 + np.cos(np.pi * (x - 0.1) / 0.9))
        assert recipe.rate_at(epoch) == pytest.approx(1e-3 * expected)


TINY = {"epochs": 2, "learning_rate": 5e-3, "loss": "L2", "strides": [2, 2, 2], "lower_width": 4}
TINY |= {"rounding": None, "channels": 10, "embedding_channels": 2, "encoder_width": 8}


def recorded(clip: Clip, folder: Path, **settings) -> tuple[Path, dict]:
    config = registry.codec_config("hnerv-matched")
    complete = registry.resolve_settings(config, {}, {**TINY, **settings})
    out = folder / "stream.bin"
    plan = EncodePlan(config=config, point="x", settings=complete, clip=clip, out=out, device="cpu")
    return out, encode(plan)


def decoded(path: Path) -> np.ndarray:
    stream = read_stream(path)
    return np.stack(list(decode(stream, codec_of(stream), device="cpu", clock=StageClock())))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"embed": "pe_1.25_8", "quantiser": {"name": "affine", "bits": 8}},
        {"encoder_strides": [2, 4, 4], "decoder_blocks": 2, "head": "0.5", "reduction": -1},
        {"quantiser": {"name": "hnerv", "bits": 8, "overrides": {"embeddings": {"bits": 6}}}},
    ],
    ids=["encoder", "positional", "deeper-encoder", "official-quantiser"],
)
@pytest.mark.slow
def test_a_stream_decodes_to_the_fitted_frames(tiny_clip, tmp_path, settings):
    """The same fit with float32 weights, which is exact, differs by the quantiser's steps alone."""
    path, report = recorded(tiny_clip, tmp_path, **settings)
    shown = decoded(path).astype(int)
    exact, message = recorded(tiny_clip, tmp_path, **{**settings, "quantiser": {"name": "float32"}})
    assert report["details"]["parameters"] == message["details"]["parameters"]
    assert np.abs(shown - decoded(exact)).max() <= 6
    assert message["details"]["rate_bpp_paper"] is None


@pytest.mark.slow
def test_the_encoder_is_not_in_the_stream(tiny_clip, tmp_path):
    """A wider encoder makes other embeddings, not a larger file."""
    float32 = {"name": "float32"}
    narrow = recorded(tiny_clip, tmp_path, quantiser=float32)[1]["stream_bytes"]
    wide = recorded(tiny_clip, tmp_path, quantiser=float32, encoder_width=200)[1]["stream_bytes"]
    assert abs(wide - narrow) < 10  # the width itself, in the configuration


@pytest.mark.slow
def test_a_stream_that_promises_more_embeddings_than_it_can_hold_is_refused(tiny_clip, tmp_path):
    path, _ = recorded(tiny_clip, tmp_path)
    stream = read_stream(path)
    longer = replace(stream, header=replace(stream.header, frames=1 << 20))
    with pytest.raises(StreamError, match="parameters in"):
        list(decode(longer, codec_of(longer), device="cpu", clock=StageClock()))


def test_pruning_leaves_encoder_and_head_alone():
    network = HNeRV(configured(channels=20))
    prunable = HNeRVFitting(network, frames=2, height=180, width=320).prunable()
    assert len(prunable) == 4  # the stem and three stages
    assert {id(weight) for weight in prunable} < {id(weight) for weight in network.decoder.parameters()}


def test_muon_updates_the_matrices_of_encoder_and_decoder():
    """With Adam for the encoder, fits of matched-v2 lost two decibels, or all."""
    network = HNeRV(configured(channels=20))
    video = HNeRVFitting(network, frames=2, height=180, width=320)
    optimiser = make_optimiser(video, Recipe(epochs=1, learning_rate=0.01, optimiser="muon"))
    assert isinstance(optimiser, Muon)
    by_muon = {id(weight) for weight, _ in optimiser.views}
    matrices = {id(weight) for weight in network.parameters() if weight.ndim > 1}
    assert by_muon == matrices - {id(network.decoder.head.weight)}
    assert all(view.data_ptr() == weight.data_ptr() for weight, view in optimiser.views)
    timed = HNeRVFitting(HNeRV(configured(channels=20, embed="pe_1.25_8")), frames=2, height=180, width=320)
    assert {id(weight) for weight in timed.matrices()} == {id(weight) for weight in timed.prunable()}


@pytest.mark.slow
def test_the_paper_rate_is_recorded_for_the_official_quantiser(tiny_clip, tmp_path):
    quantiser = {"name": "hnerv", "bits": 8, "overrides": {"embeddings": {"bits": 6}}}
    _, report = recorded(tiny_clip, tmp_path, quantiser=quantiser)
    _, plain = recorded(tiny_clip, tmp_path, quantiser={**quantiser, "name": "affine"})
    # One Huffman code for much the same codes, but here the ranges are paid for.
    assert report["details"]["rate_bpp_paper"] > plain["details"]["rate_bpp_paper"]


def test_a_misspelt_override_is_refused_before_the_fit(tiny_clip, tmp_path):
    quantiser = {"name": "affine", "overrides": {"embedding": {"bits": 6}}}
    with pytest.raises(BenchError, match="no part 'embedding'; use embeddings, decoder"):
        recorded(tiny_clip, tmp_path, quantiser=quantiser, epochs=10**6)
