"""`bench import` of invalid input: one line that names the problem, and no file is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_data import AFFINE, FLOAT32, Case, command, golden_case

from bench.base.errors import BenchError
from bench.cli import main
from bench.codec import registry
from bench.inr.coding.quantisers import build_quantiser
from bench.inr.importing.weights import plain_names
from bench.video.clip import Clip


class Evil:
    """Unpickled, it makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil",)


@pytest.fixture
def case(golden_dir: Path, make_clip: Callable[..., Clip]) -> Callable[[str], Case]:
    return partial(golden_case, golden_dir=golden_dir, make_clip=make_clip)


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Checks the exit status 2, the words of the one error line, and that no output file exists."""

    def check(words: list[str], *message: str) -> None:
        assert main(words) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        for text in message:
            assert text in lines[0]
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]

    return check


def replaced(words: list[str], **values: object) -> list[str]:
    """The command with other values of some options."""
    words = list(words)
    for name, value in values.items():
        words[words.index(f"--{name}") + 1] = str(value)
    return words


def test_codecs_without_a_network(case, tmp_path: Path, refused) -> None:
    words = command(case("nerv"), tmp_path)
    refused(replaced(words, codec="nerv-oficial"), "unknown codec 'nerv-oficial'", "nerv-official")
    refused(
        replaced(words, codec="x264-medium"),
        "x264-medium: must be a fitted network, is classical",
        "hnerv-official",
    )
    refused(replaced(words, codec="mean-frame"), "mean-frame: must be a fitted network, is control")
    refused(replaced(words, codec="enerv-official"), "the argument 'fc_hw_dim' is missing")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("quantiser=affine", ("quantiser", "must be a table")),
        ("quantiser={name: magic}", ("settings: quantiser", "magic")),
        ("quantiser={name: affine, overrides: {stm: {bits: 6}}}", ("no part 'stm'", "stem")),
        ("channels=20", ("--set channels", "follows from the weights")),
    ],
)
def test_settings(case, tmp_path: Path, refused, values: str, message: tuple[str, ...]) -> None:
    refused(command(case("nerv"), tmp_path, "--set", values), *message)


def test_invalid_checkpoints_are_refused(case, tmp_path: Path, refused, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = case("nerv")
    words = command(made, tmp_path)
    whole = (tmp_path / "model.pth").read_bytes()
    refused(replaced(words, checkpoint=tmp_path / "other.pth"), "other.pth: no such file")
    for content in (b"", b"no weights", whole[: len(whole) // 2]):
        (tmp_path / "model.pth").write_bytes(content)
        refused(words, "model.pth: is damaged, or not a file of torch.save")
    (tmp_path / "model.safetensors").write_bytes(whole)
    refused(replaced(words, checkpoint=tmp_path / "model.safetensors"), "model.safetensors: cannot be read")
    for more, name in ((Evil(), "posix.mkdir"), (np.float64(1), "numpy")):
        torch.save({"state_dict": made.weights, "more": more}, tmp_path / "model.pth")
        refused(
            words, "model.pth: must contain only weights and plain values", name, "save only its state dict"
        )
    assert not (tmp_path / "evil").exists()
    for saved, printed in (({"epoch": 3, "ema": made.weights}, "epoch, ema"), ([1], "list"), ({}, "nothing")):
        torch.save(saved, tmp_path / "model.pth")
        refused(words, f"model.pth: has no state dict ({printed})")


def test_invalid_argument_files_are_refused(case, tmp_path: Path, refused) -> None:
    words = command(case("nerv"), tmp_path)
    config = tmp_path / "official.yaml"
    refused(replaced(words, config=tmp_path / "other.yaml"), "other.yaml: no such file")
    refused(replaced(words, clip=tmp_path / "clip.json"), "clip.json: no such file")
    for text, printed in (("[1, 2]", "must be a table"), ("a: [", "line "), ("", "must be a table")):
        config.write_text(text)
        refused(words, "official.yaml", printed)
    config.with_suffix(".json").write_text("[]")
    refused(replaced(words, config=config.with_suffix(".json")), "official.json", "must be an object")


def test_weights_that_are_of_another_network(case, tmp_path: Path, refused) -> None:
    made = case("nerv")
    first = "stem.0.weight"
    fewer = {name: value for name, value in made.weights.items() if name != first}
    refused(command(made, tmp_path, checkpoint=fewer), f"{first}: missing in the state dict")
    wrong = {**made.weights, first: torch.zeros(3, 4)}
    refused(command(made, tmp_path, checkpoint={"state_dict": wrong}), f"{first}: has the shape (3, 4)")
    diverged = {**made.weights, first: made.weights[first] * float("nan")}
    refused(command(made, tmp_path, checkpoint=diverged), "stem.0.weight", "not finite")


@pytest.mark.parametrize(
    ("family", "size", "message"),
    [
        ("nerv", (64, 50, 9), "height is 50, the network's is 48"),
        ("enerv", (66, 48, 8), "width is 66, the network's is 64"),
        ("ffnerv", (32, 48, 7), "width is 32, the network's is 64"),
        ("hinerv", (48, 36, 5), "frames is 5, the network's is 6"),
        ("hinerv", (48, 48, 6), "height is 48, the network's is 36"),
        ("hnerv", (80, 40, 5), "frames is 5, full_data_length 6"),
        ("hnerv", (80, 60, 6), "height times width is 4800, final_size 3200"),
        ("hnerv", (64, 50, 6), "height is 50, which must be a multiple of the encoder's 20"),
    ],
)
def test_another_clip(case, make_clip, tmp_path: Path, refused, family: str, size, message: str) -> None:
    made = case(family)
    width, height, frames = size
    other = make_clip(width=width, height=height, frames=frames, name="other")
    words = command(made, tmp_path)
    refused(replaced(words, clip=other.path.with_name("clip.json")), f"clip other: {message}")


@pytest.mark.parametrize(
    ("bits", "quantiser", "message"),
    [
        (8, FLOAT32, "8 trains for the quantiser tanh, not for float32"),
        (8, AFFINE, "8 trains for the quantiser tanh, not for affine"),
        (6, "quantiser={name: tanh, bits: 8}", "6 in training must equal 8 of the quantiser tanh"),
        (32, "quantiser={name: tanh}", "None in training must equal 8 of the quantiser tanh"),
    ],
)
def test_weights_trained_for_another_quantiser(
    case, tmp_path: Path, refused, bits, quantiser, message
) -> None:
    """Their stream would decode to other frames than the network was trained to make."""
    made = case("ffnerv")
    arguments = {**made.arguments, "wbit": bits}
    refused(command(made, tmp_path, "--set", quantiser, arguments=arguments), f"settings: bits: {message}")


def test_a_fit_with_other_bits_is_refused(tiny_clip: Clip) -> None:
    config = registry.codec_config("ffnerv-official")
    settings = registry.resolve_settings(config, {"channels": 8}, {"quantiser": {"name": "float32"}})
    with pytest.raises(BenchError, match="8 trains for the quantiser tanh, not for float32"):
        registry.load_family("ffnerv").resolve(tiny_clip.info, settings)
    floats = registry.load_family("ffnerv").resolve(tiny_clip.info, {**settings, "bits": None})
    assert build_quantiser(floats.quantiser) is None


@pytest.mark.slow
def test_networks_that_no_stream_can_hold_are_refused(case, tmp_path: Path, refused) -> None:
    """Batch norm has statistics; a number that changes no width makes a network, but no decoder takes it."""
    made = case("nerv")
    generator = made.arguments["generator"]
    normed = {**made.arguments, "generator": {**generator, "norm": "bn"}}
    statistics = {
        f"layers.{i}.norm.{name}": torch.ones(width)
        for i, width in enumerate((10, 6, 6, 6))
        for name in ("weight", "bias", "running_mean", "running_var")
    } | {f"layers.{i}.norm.num_batches_tracked": torch.tensor(1) for i in range(4)}
    words = command(made, tmp_path, checkpoint={**made.weights, **statistics}, arguments=normed)
    refused(words, "running_mean: is a statistic", "batch norm")
    beyond = {**made.arguments, "generator": {**generator, "reduction": 70_000}}
    refused(command(made, tmp_path, arguments=beyond), "official configuration", "reduction")


@pytest.mark.parametrize(
    ("family", "arguments", "more", "message"),
    [
        ("hnerv", {}, [], ("--clip: is missing: the embeddings", "give its clip.json")),
        ("nerv", {"N": None}, [], ("--clip: is missing", "give --frames")),
        ("nerv", {"N": "nine"}, [], ("--clip: is missing", "give --frames")),
        ("nerv", {}, ["--frames", "0"], ("--frames: frames must be 1 to",)),
        ("hinerv", {}, ["--frames", "5"], ("frames is 5, the network's is 6",)),
    ],
)
def test_without_a_clip(case, tmp_path: Path, refused, family: str, arguments, more, message) -> None:
    made = case(family)
    words = command(made, tmp_path, *more, arguments={**made.arguments, **arguments})
    at = words.index("--clip")
    refused([*words[:at], *words[at + 2 :]], *message)


@pytest.mark.slow
def test_an_old_stream_outlives_a_refusal(case, tmp_path: Path, capsys) -> None:
    made = case("nerv")
    assert main(command(made, tmp_path)) == 0
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("stream.bin", "encode.json")}
    assert main(command(made, tmp_path, checkpoint={"state_dict": {"a": torch.ones(1)}})) == 2
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_names_and_masks_of_torch() -> None:
    weight, mask = torch.ones(2, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    entries = {
        "module._orig_mod.a.weight_orig": weight,
        "module._orig_mod.a.weight_mask": mask,
        "b.parametrizations.weight.original": weight,
        "b.parametrizations.weight.0.mask": mask.bool(),
        "b.parametrizations.weight.1.bitwidth": torch.tensor(8.0),
        "c.parametrizations.weight.original": weight,
        "modules.bias_original": weight,
    }
    plain = plain_names(entries)
    assert set(plain) == {"a.weight", "b.weight", "c.weight", "modules.bias_original"}
    assert torch.equal(plain["a.weight"], mask)
    assert torch.equal(plain["b.weight"], mask)
    assert plain_names(plain) == plain
    with pytest.raises(BenchError, match=r"a\.weight: has a mask of the shape \(1,\)"):
        plain_names({"a.weight_orig": weight, "a.weight_mask": torch.ones(1)})
