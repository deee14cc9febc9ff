"""`bench import`: checkpoints of the official codes as streams, for each method through the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from checkpoint_data import AFFINE, FLOAT32, SIZES, Case, command, golden_case, parametrised
from safetensors.torch import save_file
from torch import Tensor

import bench
from baselines.hnerv.model import HNeRV
from baselines.hnerv.official import config_from_official
from baselines.hnerv.official import official_name as hnerv_name
from baselines.nerv.official import official_name as nerv_name
from bench.base.paths import ROOT
from bench.base.stage_clock import StageClock
from bench.cli import main
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.inr.network import runtime
from bench.scoring.record import Record
from bench.video.clip import Clip


@pytest.fixture
def case(golden_dir: Path, make_clip: Callable[..., Clip]) -> Callable[[str], Case]:
    return partial(golden_case, golden_dir=golden_dir, make_clip=make_clip)


def decoded(path: Path) -> np.ndarray:
    stream = read_stream(path)
    return np.stack(list(decode(stream, codec_of(stream), device="cpu", clock=StageClock())))


def official_frames(case: Case, official: Any) -> np.ndarray:
    """8-bit frames of the official forward, one by one, in the memory layout that decoders use.

    With it a convolution rounds as in decoding, so that frames agree to the last level.
    """
    runtime.move(official, "cpu")
    count = case.clip.info.frames
    index = [torch.tensor([i]) for i in range(count)]
    with torch.no_grad():
        if case.family == "ffnerv":
            outputs = [official((i.double() / count).float()) for i in index]
            black = torch.zeros(1, *outputs[0][1][0, :3].shape)
            key_frames = torch.cat([*(images[:, :3] for _, images in outputs), black]).half()
            frames = [official.aggregate(o, key_frames, i).final for o, i in zip(outputs, index, strict=True)]
        elif case.family == "hnerv":
            clip = torch.from_numpy(case.clip.rgb_array()).permute(0, 3, 1, 2).contiguous().float().div_(255)
            frames = [official(frame)[0] for frame in clip.split(1)]
        elif case.family == "hinerv":
            frames = [official(torch.tensor([[i, 0, 0]]))[:, :, 0] for i in range(count)]
        else:
            last = count if case.family == "nerv" else count - 1
            frames = [official((i.double() / last).float())[-1] for i in index]
    return np.stack([runtime.to_8_bit(frame[0]) for frame in frames])


def golden_frames(case: Case) -> dict[int, np.ndarray]:
    """Frames that the official code itself computed: number -> (H, W, 3) in [0, 255], not rounded."""
    arrays = case.arrays
    if case.family == "hinerv":
        numbers, frames = arrays["eval/idx"][:, 0], arrays["eval/out"][:, :, 0]
    elif case.family in ("nerv", "enerv"):
        numbers, frames = case.arguments["batch"], arrays["out/0"]
    else:  # of other frames than the clip's
        return {}
    return {int(i): 255 * frame.transpose(1, 2, 0) for i, frame in zip(numbers, frames, strict=True)}


@pytest.mark.parametrize("family", SIZES)
def test_a_stream_shows_the_official_frames(case, tmp_path: Path, family: str) -> None:
    made = case(family)
    assert main(command(made, tmp_path, "--set", FLOAT32)) == 0
    shown = decoded(tmp_path / "out" / "stream.bin")
    official = bench.import_official(family, made.arguments, made.weights)
    assert np.array_equal(shown, official_frames(made, official))
    for number, frame in golden_frames(made).items():  # 1e-3 levels: where another machine may round
        assert np.abs(shown[number] - frame).max() <= 0.5 + 1e-3
    report = json.loads((tmp_path / "out" / "encode.json").read_text())
    details = report["details"]
    assert details["fit_log"] == []
    assert details["imported"]["checkpoint"] == "model.pth"
    assert details["imported"] == report["provenance"]["imported"]
    assert details["parameters"] == sum(p.numel() for p in coded_parameters(made))
    assert report["stream_bytes"] == pytest.approx(4 * details["parameters"], abs=600)


def coded_parameters(case: Case) -> list[Tensor]:
    """The weights that a decoder needs; HNeRV's with embeddings in the place of the encoder."""
    kept = [value for name, value in case.weights.items() if not name.startswith(("encoder.", "xy_coord"))]
    if case.family != "hnerv":
        return kept
    return [*kept, torch.empty(6, *case.arrays["embedding"].shape[1:])]


@pytest.mark.slow
@pytest.mark.parametrize("family", SIZES)
def test_eight_bits_a_weight(case, tmp_path: Path, family: str) -> None:
    made = case(family)
    assert main(command(made, tmp_path, "--set", FLOAT32)) == 0
    exact = decoded(tmp_path / "out" / "stream.bin").astype(int)
    assert main(command(made, tmp_path, "--set", AFFINE)) == 0
    report = json.loads((tmp_path / "out" / "encode.json").read_text())
    details = report["details"]
    assert report["settings"] == {"quantiser": {"name": "affine", "bits": 8}}
    bits = 8 * report["stream_bytes"] / details["parameters"]
    assert 4 < bits < 10, "a small network's ranges and configuration weigh up to 2 bits a weight"
    # Weights as they are initialised fill their ranges evenly, so that a Huffman code saves next to nothing.
    assert 4 < details["rate_bpp_paper"] * made.clip.info.pixels / details["parameters"] < 8.2
    assert details["macs_per_pixel"] > 0
    assert 0 < np.abs(decoded(tmp_path / "out" / "stream.bin") - exact).mean() < 2


@pytest.mark.slow
def test_the_stream_equals_that_of_a_fit_with_these_weights(tiny_clip: Clip, tmp_path: Path) -> None:
    """Byte for byte on one machine: a network is fitted, its weights saved by official names, imported."""
    condition = {
        "title": "x",
        "clips": {"tiny": {"sequence": "discs-tiny"}},
        "codecs": {
            "nerv-official": {
                "settings": {"epochs": 2, "channels": 8, "strides": [2, 2, 2], "lower_width": 4},
                "points": {"exact": {"quantiser": {"name": "float32"}}, "coded": {}},
            }
        },
    }
    (tmp_path / "test-v0.yaml").write_text(yaml.safe_dump(condition))
    clip_json = str(tiny_clip.path.with_name("clip.json"))
    for point in ("exact", "coded"):
        words = ["encode", "--codec", "nerv-official", "--condition", str(tmp_path / "test-v0.yaml")]
        words += ["--point", point, "--clip", clip_json, "--device", "cpu", "--out", str(tmp_path / point)]
        assert main(words) == 0
    stream = read_stream(tmp_path / "exact")
    network = codec_of(stream).restore(stream).network
    weights = {nerv_name(name, network.config): value for name, value in network.state_dict().items()}
    arguments = {
        "embed": "1.25_40",
        "generator": {
            "stem_dim_num": "128_1",
            "fc_hw_dim": "6_8_8",
            "stride_list": [2, 2, 2],
            "expansion": 1.0,
            "reduction": 2,
            "lower_width": 4,
            "act": "swish",
            "sigmoid": False,
            "sin_res": True,
        },
    }
    made = Case("nerv", arguments, weights, None, tiny_clip)
    assert main(command(made, tmp_path)) == 0
    assert (tmp_path / "out" / "stream.bin").read_bytes() == (tmp_path / "coded").read_bytes()


@pytest.mark.parametrize("family", ["ffnerv", "nerv", "enerv", "hinerv"])
def test_a_clip_is_not_needed_if_the_arguments_have_its_length(case, tmp_path: Path, family: str) -> None:
    made = case(family)
    words = command(made, tmp_path, "--set", FLOAT32)
    assert main(words) == 0
    seen = read_stream(tmp_path / "out" / "stream.bin")
    at = words.index("--clip")
    assert main([*words[:at], *words[at + 2 :]]) == 0
    unseen = read_stream(tmp_path / "out" / "stream.bin")
    assert unseen.payload == seen.payload
    assert unseen.header == replace(seen.header, fps=Fraction(25))


@pytest.mark.slow
def test_everything_can_be_done_with_an_imported_stream(case, tmp_path: Path, capsys) -> None:
    made = case("ffnerv")
    arguments = {**made.arguments, "wbit": 8}  # trained with quantised weights: the codec's own quantiser
    words = command(made, tmp_path, "--point", "paper", arguments=arguments)
    options = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}}
    ran = subprocess.run(
        [sys.executable, "-m", "bench", *words], capture_output=True, check=False, timeout=300, **options
    )
    assert ran.returncode == 0, ran.stderr
    stream = str(tmp_path / "out" / "stream.bin")
    official = bench.import_official("ffnerv", arguments, made.weights)
    assert np.array_equal(decoded(Path(stream)), official_frames(made, official))
    condition = {
        "title": "x",
        "clips": {"tiny": {"sequence": "discs-tiny"}},
        "codecs": {"x264-medium": {}},
        "metrics": ["psnr_rgb_db"],
    }
    (tmp_path / "test-v0.yaml").write_text(yaml.safe_dump(condition))
    clip_json = str(made.clip.path.with_name("clip.json"))
    own = ["--condition", str(tmp_path / "test-v0.yaml"), "--clip", clip_json]
    out = ["--out", str(tmp_path / "out" / "record.json"), "--frames-csv", str(tmp_path / "frames.csv")]
    place = ["--codec", "ffnerv-official", "--point", "paper", "--run", "seed0", "--device", "cpu"]
    report = ["--report", str(tmp_path / "out" / "encode.json")]
    assert main(["measure", "--stream", stream, *report, *place, *own, *out]) == 0
    record = Record.read(tmp_path / "out" / "record.json")
    assert record.epochs is None
    assert record.provenance["encode"]["imported"]["checkpoint"] == "model.pth"
    assert main(["verify", str(tmp_path / "out"), *own, "--device", "cpu"]) == 0
    assert "as recorded" in capsys.readouterr().out
    assert main(["describe", stream]) == 0
    assert json.loads(capsys.readouterr().out)["payload"]["quantiser"] == {"name": "tanh", "bits": 8}
    assert main(["inspect", stream, "--pictures", str(tmp_path / "parts.png"), "--device", "cpu"]) == 0
    assert "quantiser: name tanh, bits 8" in capsys.readouterr().out


def test_pruned_weights_stay_pruned(case, tmp_path: Path) -> None:
    """What torch's pruning keeps beside its mask, and the safetensors that accelerate writes."""
    made = case("hinerv")
    checkpoint = dict(parametrised(made.weights))
    for name, mask in checkpoint.items():
        if name.endswith(".mask"):
            mask.flatten()[::2] = False
    save_file(checkpoint, tmp_path / "model.safetensors")
    words = command(made, tmp_path, "--set", FLOAT32)
    words[words.index("--checkpoint") + 1] = str(tmp_path / "model.safetensors")
    assert main(words) == 0
    pruned = {name: value.clone() for name, value in made.weights.items()}
    for name in checkpoint:
        if name.endswith(".mask"):
            pruned[name.replace("parametrizations.weight.0.mask", "weight")].flatten()[::2] = 0
    official = bench.import_official("hinerv", made.arguments, pruned)
    assert np.array_equal(decoded(tmp_path / "out" / "stream.bin"), official_frames(made, official))


def test_hnerv_with_a_positional_encoding(case, tmp_path: Path) -> None:
    """Without an encoder the clip's frames are not looked at, and the arguments say the frame's size."""
    made = case("hnerv")
    args = {**made.arguments["args"], "embed": "pe_1.25_4", "enc_strds": [], "fc_hw": "2_4"}
    torch.manual_seed(0)
    network = HNeRV(config_from_official(args))
    weights = {hnerv_name(name): value for name, value in network.state_dict().items()}
    words = command(made, tmp_path, "--set", FLOAT32, checkpoint=weights, arguments={"args": args})
    assert main(words) == 0
    official = bench.import_official("hnerv", args, weights)
    runtime.move(official, "cpu")
    with torch.no_grad():
        frames = [official(torch.tensor([i]).double() / 6)[0][0] for i in range(6)]
    expected = np.stack([runtime.to_8_bit(frame) for frame in frames])
    assert np.array_equal(decoded(tmp_path / "out" / "stream.bin"), expected)
