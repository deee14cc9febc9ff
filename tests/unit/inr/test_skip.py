"""`INRCodec.skip`: which points a plan skips or refuses, without importing torch."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.hinerv.pruning import is_prunable
from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.codec import registry
from bench.inr.codec import INRCodec
from bench.inr.network.representation import HasNoise
from bench.video.clip import ClipInfo

FAMILIES = ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"]


def clip_info(width: int = 64, height: int = 48, frames: int = 9) -> ClipInfo:
    return ClipInfo(name="tiny", sequence="x", width=width, height=height, frames=frames, fps=Fraction(25))


def codec_and_settings(codec_id: str, changes: dict[str, Any]) -> tuple[INRCodec, dict[str, Any]]:
    config = registry.codec_config(codec_id)
    codec = registry.load_family(config.family)
    assert isinstance(codec, INRCodec)
    # Not by `resolve_settings`, whose typed models refuse some of these values before.
    defaults = codec.settings_model().default_values()
    return codec, {**defaults, **config.settings, **config.test, **changes}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("recipe", ["matched", "official"])
def test_the_test_settings_of_every_network_can_code_the_tiny_clip(family: str, recipe: str) -> None:
    codec, settings = codec_and_settings(f"{family}-{recipe}", {})
    assert codec.skip(clip_info(), settings) is None


UNSUITABLE = [
    (
        "hinerv-matched",
        {"local_levels": 3},
        {"frames": 2},
        "local_levels: 3 levels need 4 frames, the clip has 2",
    ),
    (
        "hinerv-matched",
        {"base_length": None, "base_levels": 3},
        {"frames": 3},
        "base_levels: 3 levels need 4",
    ),
    ("hinerv-official", {}, {"height": 64}, "patch: [24, 32] must divide the frame of 64x64"),
    ("hinerv-official", {}, {"height": 44}, "patch: the frame of 44x64 must not need padding to 48x64"),
    ("hinerv-official", {"prune": {"ratio": 0.99, "epochs": 1}}, {}, "prune: ratio: 0.99 is above 0."),
    ("enerv-matched", {"strides": [4, 4, 3]}, {"width": 48}, "leave 1 tokens, a latent of 1x1"),
    ("nerv-matched", {"strides": [5, 5, 2]}, {}, "product 50 is larger than a side of the 64x48 frame"),
    ("hnerv-matched", {"encoder_strides": [2, 4, 8]}, {}, "product 64 is larger than a side of the 64x48"),
    ("hnerv-official", {"model_size": 0.0005}, {}, "model_size: 500 parameters are too few for 9 frames"),
    ("hnerv-official", {"embedding_channels": 0.001}, {}, "embedding_channels: a share of 0.001"),
    ("nerv-matched", {"loss": "Fusion10"}, {}, "loss: Fusion10 needs sides of 161 pixels or more, not 64x48"),
    ("nerv-matched", {"loss": "Fusion10-win5"}, {}, "loss: Fusion10-win5 needs sides of 65 pixels or more"),
    ("ffnerv-matched", {}, {"height": 8}, "loss: Fusion6 needs sides of 11 pixels or more"),
    (
        "nerv-matched",
        {"fit_every": 9},
        {},
        "fit_every: 9 must be smaller than the clip's number of frames, 9",
    ),
]


@pytest.mark.parametrize(("codec_id", "changes", "clip", "reason"), UNSUITABLE)
def test_a_clip_that_a_network_cannot_code_has_a_reason(
    codec_id: str, changes: dict[str, Any], clip: dict[str, int], reason: str
) -> None:
    codec, settings = codec_and_settings(codec_id, changes)
    info = clip_info(**clip)
    assert reason in (codec.skip(info, settings) or "")
    with pytest.raises(BenchError, match=r"clip tiny: .*; choose another point or clip"):
        codec.resolve(info, settings)


AFFINE = {"name": "affine"}
INVALID = [
    ("nerv-matched", {"strides": [5, 0, 2]}, "strides: .* must be a whole number from 1"),
    ("nerv-matched", {"strides": []}, "strides: .* must be a whole number from 1"),
    ("nerv-matched", {"channels": 2.5}, "channels: 2.5 must be a whole number from 1"),
    ("nerv-matched", {"activation": "gleu"}, "activation: unknown value 'gleu'; use one of relu, "),
    ("nerv-matched", {"expansion": float("nan")}, "expansion: nan must be a finite number"),
    ("nerv-matched", {"loss": "Fusion13"}, "loss: unknown name 'Fusion13'; the losses are L1, L2"),
    ("nerv-matched", {"batch_size": 2.5}, "batch_size: 2.5 must be a whole number from 1"),
    ("nerv-matched", {"epochs": 1.5}, "epochs: 1.5 must be a whole number from 1"),
    ("nerv-matched", {"learning_rate": float("nan")}, "learning_rate: nan must be a number from 0"),
    ("nerv-matched", {"precision": "fp16"}, "precision: unknown value 'fp16'"),
    ("nerv-matched", {"betas": [0.9]}, "betas: .* must be two numbers"),
    ("nerv-matched", {"prune": {"epochs": 2, "ratio": 0.5}, "rounding": None, "quantiser": AFFINE},
     "quantiser: affine moves the zeros"),
    ("nerv-matched", {"quantise": {"epochs": 1, "bits": 6}, "rounding": None}, "does not train with"),
    ("nerv-matched", {"quantiser": {"name": "affine"}}, "need the quantiser {name: uniform}"),
    ("nerv-matched", {"rounding": None, "quantiser": {"name": "afine"}}, "quantiser 'afine'; try affine"),
    ("nerv-matched", {"rounding": None, "quantiser": {"name": "affine", "bits": 11}}, "bits: 11 must be"),
    ("nerv-matched", {"rounding": None, "quantiser": {"name": "affine", "overrides": {"steam": {"bits": 6}}}},
     "the network has no part 'steam'; use stem, stages, heads"),
    ("ffnerv-matched", {"strides": [2, 2]}, "strides: .* must be three or more"),
    ("ffnerv-matched", {"bits": 7}, "bits: 7 trains for the quantiser tanh, not for uniform"),
    ("ffnerv-official", {"bits": 7}, "bits: 7 in training must equal 8 of the quantiser tanh"),
    ("hinerv-matched", {"depths": [1]}, "depths: 1 values for 3 strides"),
    ("hinerv-matched", {"base_length": 1}, "base_length: 1 must be 2 or more for 2 base_levels"),
    ("hinerv-official", {"patch": [12, 16]}, "patch: loss: Fusion6|patch: .* must be multiples of 8"),
    ("hinerv-official", {"patch": [8, 8]}, "patch: loss: Fusion6 needs sides of 11 pixels or more, not 8x8"),
    ("hnerv-matched", {"model_size": 1.0}, "channels or model_size: give one of the two"),
    ("hnerv-official", {"reduction": -1}, "model_size: the size rule needs a fixed reduction"),
    ("hnerv-matched", {"encoder_strides": [3, 2]}, "must be a multiple of the product"),
]  # fmt: skip


@pytest.mark.parametrize(("codec_id", "changes", "problem"), INVALID)
def test_settings_that_are_wrong_for_every_clip_are_an_error(
    codec_id: str, changes: dict[str, Any], problem: str
) -> None:
    codec, settings = codec_and_settings(codec_id, changes)
    with pytest.raises(BenchError, match=problem) as caught:
        codec.skip(clip_info(width=128, height=96, frames=20), settings)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "codec_id", [f"{family}-{recipe}" for family in FAMILIES for recipe in ("matched", "official")]
)
def test_coded_parts_are_those_of_the_network(codec_id: str) -> None:
    for changes in PART_CHANGES.get(codec_id, [{}]):
        codec, settings = codec_and_settings(codec_id, changes)
        config = codec.resolve(clip_info(), settings).config
        with torch.device("meta"):
            network = codec.receive(config, frames=9, height=48, width=64).network
        names = {name.split(".")[0] for name, _ in network.named_parameters()}
        assert set(codec.coded_parts(config)) == names


PART_CHANGES: dict[str, list[dict[str, Any]]] = {
    "ffnerv-matched": [{}, {"offsets": []}, {"grid_lengths": [], "hidden": 8}],
    "enerv-matched": [{}, {"channels": 32}],
    "hnerv-matched": [{}, {"embed": "pe_1.25_8"}],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_is_declared_by_the_networks_that_implement_it(family: str) -> None:
    codec, settings = codec_and_settings(f"{family}-matched", {})
    assert codec.trains_with_noise == isinstance(codec.start(clip_info(), settings), HasNoise)


@pytest.mark.parametrize("changes", [{}, {"base_length": None}, {"depths": [3, 2, 2], "local_levels": 3}])
def test_hinervs_prunable_share_is_that_of_its_parameters(changes: dict[str, Any]) -> None:
    codec, settings = codec_and_settings("hinerv-matched", changes)
    network = codec.start(clip_info(), settings).network
    sizes = {name: weight.numel() for name, weight in network.named_parameters()}
    prunable = sum(weight.numel() for name, weight in network.named_parameters() if is_prunable(name, weight))
    share = codec.resolve(clip_info(), settings).config.prunable_share(9)
    assert share == pytest.approx(prunable / sum(sizes.values()), rel=1e-12)


CONDITION = """
title: skips
clips:
  whole: {sequence: discs-tiny}
  pair: {sequence: discs-tiny, trim: [0, 2]}
budget: {epochs: 2}
codecs:
  hinerv-matched:
    settings: {strides: [2, 2, 2], depths: [1, 1, 1], expansions: [1, 1, 1], channels: 8}
    points: [bpp0.12]
  nerv-matched: {settings: {strides: [2, 2, 2], channels: 8}, points: {low: {}, held-out: {fit_every: 2}}}
  enerv-matched: {settings: {strides: [2, 2, 2], channels: 8}, points: {low: {}}}
  hnerv-matched: {settings: {strides: [2, 2, 2], channels: 8}, points: {low: {}}}
  ffnerv-matched: {settings: {strides: [2, 2, 2], channels: 8, grid_lengths: [2]}, points: {low: {}}}
"""

PLAN = """
import json, sys
from bench.workflow.plan import make_plan
plan = make_plan(sys.argv[1])
skipped = {f"{skip.clip} {skip.codec} {skip.point}": skip.reason for skip in plan.skipped}
print(json.dumps({"skipped": skipped, "points": len(plan.points), "torch": "torch" in sys.modules}))
"""


def test_a_plan_skips_such_points_without_importing_torch(tmp_path: Path) -> None:
    (tmp_path / "skips.yaml").write_text(CONDITION)
    command = [sys.executable, "-c", PLAN, str(tmp_path / "skips.yaml")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["torch"] is False
    assert result["skipped"] == {
        "pair hinerv-matched bpp0.12": "local_levels: 3 levels need 4 frames, the clip has 2",
        "pair nerv-matched held-out": "fit_every: 2 must be smaller than the clip's number of frames, 2",
    }
    assert result["points"] == 10
