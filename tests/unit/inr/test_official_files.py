"""Official weight files as their repositories publish them: quantised, in folders, with older names."""

from __future__ import annotations

import argparse
import math
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_data import FLOAT32, Case, command, golden_case
from torch import Tensor

from bench.base.errors import BenchError
from bench.cli import main
from bench.codec.container import read_stream
from bench.codec.decode import codec_of
from bench.inr.importing.checkpoint import read_checkpoint
from bench.video.clip import Clip


@pytest.fixture
def case(golden_dir: Path, make_clip: Callable[..., Clip]) -> Callable[[str], Case]:
    return partial(golden_case, golden_dir=golden_dir, make_clip=make_clip)


def quantised(tensor: Tensor, axis: int | None) -> dict[str, Tensor]:
    """A tensor as HNeRV's evaluator stores it: 8-bit codes, and float16 ranges along an axis."""
    least = tensor.min() if axis is None else tensor.amin(axis, keepdim=True)
    most = tensor.max() if axis is None else tensor.amax(axis, keepdim=True)
    scale = (most - least).clamp(min=1e-6) / 255
    if axis is not None:
        least, scale = least.half(), scale.half()
    codes = ((tensor - least) / scale).round().clamp(0, 255).to(torch.uint8)
    return {"quant": codes, "min": least, "scale": scale}


def decoder_weights(path: Path) -> Mapping[str, Tensor]:
    stream = read_stream(path)
    codec: Any = codec_of(stream)
    return codec.restore(stream).network.state_dict()


def write_quantised_hnerv(made: Case, path: Path, *, frames: int) -> dict[str, Any]:
    """quant_vid.pth: decoder and embeddings, without the encoder."""
    decoder = {name: value for name, value in made.weights.items() if "encoder" not in name}
    settings = made.arguments.get("args", made.arguments)
    side = math.prod(settings["enc_strds"])
    channels = int(str(settings["enc_dim"]).split("_")[1])
    shape = (frames, channels, made.clip.info.height // side, made.clip.info.width // side)
    embeddings = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    model = {name: quantised(value, 0 if value.ndim > 1 else None) for name, value in decoder.items()}
    saved = {"embed": quantised(embeddings, 0), "model": model}
    torch.save(saved, path)
    return saved


def test_the_quantised_file_of_hnerv(case, tmp_path: Path) -> None:
    """Embeddings and decoder are min + scale * quant; the clip's frames are not needed."""
    made = case("hnerv")
    words = command(made, tmp_path, "--set", FLOAT32)
    saved = write_quantised_hnerv(made, tmp_path / "model.pth", frames=made.clip.info.frames)
    at = words.index("--clip")
    assert main(words[:at] + words[at + 2 :]) == 0
    header, info = read_stream(tmp_path / "out" / "stream.bin").header, made.clip.info
    assert (header.width, header.height, header.frames) == (info.width, info.height, info.frames)
    weights = decoder_weights(tmp_path / "out" / "stream.bin")
    stem = saved["model"]["decoder.0.conv.downconv.weight"]
    for name, part in {"embeddings": saved["embed"], "decoder.stem.weight": stem}.items():
        expected = part["min"].float() + part["scale"].float() * part["quant"]
        assert torch.equal(weights[name], expected)


def test_a_quantised_file_of_another_network_is_refused(
    case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = case("hnerv")
    words = command(made, tmp_path, "--set", FLOAT32)
    saved = write_quantised_hnerv(made, tmp_path / "model.pth", frames=3)
    assert main(words) == 2
    assert f"frames is {made.clip.info.frames}, full_data_length 3" in capsys.readouterr().err
    saved["embed"]["min"] = torch.zeros(5)
    torch.save(saved, tmp_path / "model.pth")
    assert main(words) == 2
    assert "has a quantised tensor of contradicting shapes" in capsys.readouterr().err
    saved["embed"] = quantised(torch.zeros(3, 7, 2, 2), None)
    torch.save(saved, tmp_path / "model.pth")
    assert main(words) == 2
    assert "embed: has the shape [3, 7, 2, 2]" in capsys.readouterr().err


def test_older_names_of_hnerv(case, tmp_path: Path) -> None:
    """The official code removes `blocks.0.` from names when it reads a file."""
    made = case("hnerv")
    words = command(made, tmp_path, "--set", FLOAT32)
    assert main(words) == 0
    expected = decoder_weights(tmp_path / "out" / "stream.bin")
    old = {name.replace("decoder.", "decoder.blocks.0."): value for name, value in made.weights.items()}
    assert old.keys() != made.weights.keys()
    torch.save({"state_dict": old, "epoch": 300}, tmp_path / "model.pth")
    assert main(words) == 0
    weights = decoder_weights(tmp_path / "out" / "stream.bin")
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "pytorch_model/mp_rank_00_model_states.pt"]
)
def test_a_checkpoint_folder_of_accelerate(case, name: str, tmp_path: Path) -> None:
    """HiNeRV's script saves folders with the weights, optimiser, scheduler and random states."""
    from safetensors.torch import save_file

    made = case("hinerv")
    words = command(made, tmp_path, "--set", FLOAT32)
    folder = tmp_path / "checkpoints" / "checkpoint_best"
    (folder / name).parent.mkdir(parents=True)
    if name.endswith(".safetensors"):
        save_file(made.weights, folder / name)
    else:
        torch.save({"module": made.weights} if "/" in name else made.weights, folder / name)
    (folder / "random_states_0.pkl").write_bytes(b"not read")
    torch.save({"state": {}}, folder / "optimizer.bin")
    words[words.index("--checkpoint") + 1] = str(folder)
    assert main(words) == 0
    assert len(decoder_weights(tmp_path / "out" / "stream.bin")) > 3
    assert set(read_checkpoint(folder)) == set(made.weights)


def test_a_folder_without_weights_is_refused(
    case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(case("hinerv"), tmp_path)
    (tmp_path / "checkpoints" / "checkpoint_1").mkdir(parents=True)
    words[words.index("--checkpoint") + 1] = str(tmp_path / "checkpoints")
    assert main(words) == 2
    line = capsys.readouterr().err
    assert "checkpoints: is a folder without model.safetensors, pytorch_model.bin" in line
    assert "give one of its folders: checkpoint_1" in line


def test_objects_beside_the_weights_are_refused_with_the_command_that_converts_the_file(
    case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = case("nerv")
    words = command(made, tmp_path)
    torch.save({"state_dict": made.weights, "args": argparse.Namespace(lr=1e-3)}, tmp_path / "model.pth")
    assert main(words) == 2
    line = capsys.readouterr().err
    assert "must contain only weights and plain values (argparse.Namespace)" in line
    monkeypatch.chdir(tmp_path)
    exec(line.split('python -c "')[1].rpartition('"')[0], {})
    words[words.index("--checkpoint") + 1] = str(tmp_path / "weights.pth")
    assert main(words) == 0


def test_the_bitstream_of_hinerv_is_named(case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = command(case("hinerv"), tmp_path)
    with zipfile.ZipFile(tmp_path / "model.pth", "w") as archive:
        archive.writestr("model_compressed.pth.tar", b"x")
    assert main(words) == 2
    assert "is a bitstream of HiNeRV's code, which only that code decodes" in capsys.readouterr().err


def test_weights_that_are_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    """Compressed entries, strides of 0 and sparse tensors: a few bytes can stand for any amount of memory."""
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("archive/data/0", bytes(4 << 20))
    with pytest.raises(BenchError, match=r"has 0\.0 MB, but unpacks to 4\.2 MB"):
        read_checkpoint(path)
    wide = torch.zeros(1).expand(1 << 40)
    quantised_wide = {"quant": wide, "min": torch.zeros(1), "scale": torch.ones(1)}
    sparse = torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (1 << 40,), check_invariants=True)
    for value, message in (
        (wide, "plain tensor"),
        (quantised_wide, "contradicting"),
        (sparse, "plain tensor"),
    ):
        torch.save({"a.weight": value}, path)
        with pytest.raises(BenchError, match=message):
            read_checkpoint(path)
