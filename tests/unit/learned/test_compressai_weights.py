"""Learned codecs' weights: which there are, which a codec refuses or skips, and how they are fetched."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compressai_data import code, decoded, settings, tiny_weights

from baselines.compressai import weights
from baselines.compressai.codec import CompressaiCodec
from bench.base.errors import BenchError, StreamError
from bench.codec.registry import codec_configs
from bench.video.clip import Clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Clip) -> Iterator[Path]:
    with tiny_weights(tmp_path_factory.mktemp("weights"), tiny_clip) as path:
        yield path


@pytest.mark.slow
def test_the_zoo_is_that_of_compressai(folder: Path) -> None:
    from baselines._torchvision import prepare_torchvision

    prepare_torchvision()
    from compressai.zoo import image, video

    urls = image.model_urls | video.model_urls
    for name, model in weights.ZOO.items():
        qualities = range(1, len(model.digests) + 1)
        here = {quality: weights.download(name, quality).url for quality in qualities}
        assert here == urls[name]["mse"]
        for quality, url in here.items():
            assert url.endswith(f"-{weights.download(name, quality).sha256}.pth.tar")


def test_codec_ids_have_a_point_for_each_published_quality() -> None:
    for config in codec_configs().values():
        if config.family == "compressai" and "weights" not in config.settings:
            model = weights.ZOO[config.settings["architecture"]]
            assert [point["quality"] for point in config.points.values()] == [
                *range(1, len(model.digests) + 1)
            ]


def test_missing_published_weights_are_a_reason(folder: Path, tiny_clip: Clip) -> None:
    codec, wanted = CompressaiCodec(), settings("mbt2018-mean", weights="zoo", quality=2)
    reason = codec.skip(tiny_clip.info, wanted)
    assert reason == "mbt2018-mean-2-e54a039d.pth.tar is not installed: bench fetch-weights downloads it"
    [missing] = codec.downloads(wanted)
    missing.path.parent.mkdir()
    missing.path.touch()
    assert codec.skip(tiny_clip.info, wanted) is None
    assert codec.encoder_files(tiny_clip.info, wanted) == [missing.path]
    missing.path.unlink()


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"architecture": "mbt2019"}, "unknown architecture 'mbt2019'; use one of"),
        ({"architecture": "ssf2020", "weights": "zoo", "quality": 10}, "has the qualities 1 to 9, not 10"),
        (
            {"architecture": "mbt2018-mean", "quality": 7},
            "the set tiny has no weights of mbt2018-mean at quality 7",
        ),
        (
            {"architecture": "mbt2018-mean", "weights": "without-{sequence}"},
            "the set without-test has no weights",
        ),
    ],
)
def test_a_clip_that_cannot_be_coded_has_a_reason(
    folder: Path, tiny_clip: Clip, chosen: dict[str, Any], reason: str
) -> None:
    assert reason in str(CompressaiCodec().skip(tiny_clip.info, settings(**chosen)))


def test_planning_imports_no_torch(tmp_path: Path) -> None:
    program = """
import sys
from fractions import Fraction
from bench.video.clip import ClipInfo
from bench.codec.registry import load_family
codec = load_family("compressai")
info = ClipInfo(name="a", sequence="bikes", width=64, height=64, frames=1, fps=Fraction(25))
defaults = codec.settings_model().default_values()
for weights in ("zoo", "without-{sequence}"):
    codec.skip(info, defaults | {"architecture": "ssf2020", "quality": 1, "weights": weights})
sys.exit(bool({"torch", "compressai"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_weights_that_saw_the_clip_are_refused(folder: Path, tiny_clip: Clip) -> None:
    recipe = folder / "tiny" / "mbt2018-mean-1.json"
    before = recipe.read_text()
    recipe.write_text(json.dumps(json.loads(before) | {"sequences": ["bikes", "test"]}))
    try:
        reason = CompressaiCodec().skip(tiny_clip.info, settings("mbt2018-mean"))
    finally:
        recipe.write_text(before)
    assert reason == "mbt2018-mean-1.json of tiny was trained on test"
    assert CompressaiCodec().skip(tiny_clip.info, settings("mbt2018-mean")) is None


@pytest.mark.parametrize("name", ["../tiny", "", ".", "/etc"])
def test_a_set_is_a_folder_of_weights(folder: Path, name: str) -> None:
    with pytest.raises(BenchError, match="must be the name of a folder"):
        weights.find_weights(name, "mbt2018-mean", 1)


def test_a_file_whose_digest_contradicts_its_name_is_refused(
    folder: Path, tiny_clip: Clip, tmp_path: Path
) -> None:
    stream, _ = code(tiny_clip, tmp_path / "s", architecture="bmshj2018-factorized")
    [path] = CompressaiCodec().decoder_files(stream)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    from baselines.compressai.networks import load_trained

    load_trained.cache_clear()
    try:
        with pytest.raises(StreamError, match="its sha256 begins with"):
            decoded(stream)
        path.unlink()
        with pytest.raises(StreamError, match=r"needs weights of sha256 .*, which are not installed"):
            decoded(stream)
        assert CompressaiCodec().describe(stream)["weights_bytes"] is None
    finally:
        path.write_bytes(whole)


def test_a_stream_of_published_weights_names_their_download(folder: Path) -> None:
    with pytest.raises(StreamError, match=r"ssf2020-mse-3-9c8b998d\.pth\.tar: bench fetch-weights"):
        weights.locate("9c8b998d" + "0" * 56, where="s")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server on the loopback, and the folder that it serves."""
    import functools
    import http.server
    import threading

    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", served
        running.shutdown()


def test_weights_are_fetched_and_held_to_their_digest(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    from bench.codec.contract import Download
    from bench.sequences.fetch_weights import fetch_weights

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url, served = server
    (served / "net.pth.tar").write_bytes(b"weights")
    digits = hashlib.sha256(b"weights").hexdigest()[:8]
    good = Download(url=f"{url}/net.pth.tar", path=tmp_path / "here" / "net.pth.tar", sha256=digits)
    fetch_weights(good)
    assert good.path.read_bytes() == b"weights"
    fetch_weights(good)
    bad = replace(good, path=tmp_path / "there" / "net.pth.tar", sha256="00000000")
    with pytest.raises(BenchError, match=f"its sha256 begins with {digits}, not with 00000000"):
        fetch_weights(bad)
    assert not list(bad.path.parent.iterdir())


def test_what_is_fetched_is_what_the_points_need(folder: Path) -> None:
    from bench.sequences.fetch_weights import weight_files

    everything = weight_files(codec_configs())
    assert len(everything) == sum(len(model.digests) for model in weights.ZOO.values())
    assert {item.path.parent for item in everything} == {folder / "zoo"}
    [one] = weight_files(["ssf2020"], ["q3"])
    assert one.path.name == "ssf2020-mse-3-9c8b998d.pth.tar"
    with pytest.raises(BenchError, match="unknown point of ssf2020"):
        weight_files(["ssf2020"], ["q33"])


def test_a_checkpoint_of_the_training_script_codes_the_clip(
    folder: Path, tiny_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CompressAI's examples/train.py: state_dict beside optimisers, names of several GPUs, stale tables."""
    import torch

    from baselines.compressai.networks import load_trained

    path = weights.find_weights("tiny", "mbt2018-mean", 1)
    assert path is not None
    network = load_trained("mbt2018-mean", path).network
    state = {f"module.{key}": value.clone() for key, value in network.state_dict().items()}
    tables = [key for key in state if key.endswith("_quantized_cdf")]
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser)
    payloads = []
    for replaced in ({}, {key: state[key] // 2 for key in tables}, {key: state[key][:0] for key in tables}):
        checkpoint = {
            "epoch": 7,
            "state_dict": state | replaced,
            "loss": torch.tensor(1.5),
            "optimizer": optimiser.state_dict(),
            "aux_optimizer": optimiser.state_dict(),
            "lr_scheduler": schedule.state_dict(),
        }
        own = tmp_path / str(len(payloads)) / "mine"
        own.mkdir(parents=True)
        torch.save(checkpoint, own / "checkpoint.pth.tar")
        digest = hashlib.sha256((own / "checkpoint.pth.tar").read_bytes()).hexdigest()
        name = f"mbt2018-mean-1-{digest[:8]}.pth.tar"
        (own / "checkpoint.pth.tar").rename(own / name)
        (own / "mbt2018-mean-1.json").write_text(json.dumps({"file": name, "sequences": []}))
        monkeypatch.setenv(weights.VARIABLE, str(own.parent))
        stream, _ = code(tiny_clip, tmp_path / "s.bin", architecture="mbt2018-mean", weights="mine")
        assert len(decoded(stream)) == tiny_clip.info.frames
        payloads.append(bytes(stream.payload)[33:])  # after the architecture and the digest of the file
    assert payloads[0] == payloads[1] == payloads[2]
