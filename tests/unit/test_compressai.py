"""Learned codecs: streams, weights and skips."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.compressai import weights
from baselines.compressai.codec import CompressaiCodec
from baselines.compressai.payload import ARCHITECTURES, Payload, varint
from bench.clip import Clip
from bench.clock import StageClock
from bench.codec import EncodeJob
from bench.container import Header, Stream, read_stream, write_stream
from bench.errors import BenchError, StreamError
from bench.registry import codec_configs, resolve_settings
from tests.contract.tiny_weights import make_tiny_weights

IMAGES = [name for name, kind in ARCHITECTURES.items() if not kind.other_strings]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with tiny weights of every architecture that has small ones."""
    path = tmp_path_factory.mktemp("weights")
    for architecture in IMAGES:
        make_tiny_weights(path, architecture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(weights.VARIABLE, str(path))
        yield path


def settings(architecture: str, **others: Any) -> dict[str, Any]:
    tiny = {"architecture": architecture, "quality": 1, "weights": "tiny"}
    return {**CompressaiCodec.defaults, **tiny, **others}


def code(clip: Clip, path: Path, **chosen: Any) -> tuple[Stream, dict[str, Any]]:
    """Encode a clip into `path`; the stream and the encoder's details."""
    job = EncodeJob(
        settings=settings(**chosen), state_dir=path.parent, progress=lambda _: None, clock=StageClock()
    )
    encoded = CompressaiCodec().encode(clip, job)
    header = Header.of_clip(clip.info, family="compressai", pixel_format=encoded.pixel_format)
    write_stream(path, header, encoded.payload)
    return read_stream(path), dict(encoded.details)


def decoded(stream: Stream, **bounds: Any) -> list[np.ndarray]:
    return list(CompressaiCodec().decode(stream, device="cpu", clock=StageClock(), **bounds))


def altered(stream: Stream, at: int, value: bytes) -> Stream:
    """The stream with other bytes in its payload, and nothing that tells of it."""
    payload = bytearray(stream.payload)
    payload[at : at + len(value)] = value
    return replace(stream, payload=memoryview(bytes(payload)))


# --- weights ---------------------------------------------------------------------------------------


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


def test_published_weights_that_are_not_here_are_a_reason(folder: Path, tiny_clip: Clip) -> None:
    codec, wanted = CompressaiCodec(), settings("mbt2018-mean", weights="zoo", quality=2)
    reason = codec.skip(tiny_clip.info, wanted)
    assert reason == "mbt2018-mean-2-e54a039d.pth.tar is not here: bench fetch-weights downloads it"
    [missing] = codec.downloads(wanted)
    missing.path.parent.mkdir()
    missing.path.touch()
    assert codec.skip(tiny_clip.info, wanted) is None
    assert codec.encoder_files(tiny_clip.info, wanted) == [missing.path]
    missing.path.unlink()


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"architecture": "mbt2019"}, "architecture 'mbt2019' is none of"),
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
def test_what_cannot_be_coded_has_a_reason(
    folder: Path, tiny_clip: Clip, chosen: dict[str, Any], reason: str
) -> None:
    assert reason in str(CompressaiCodec().skip(tiny_clip.info, settings(**chosen)))


def test_planning_imports_no_torch(tmp_path: Path) -> None:
    program = """
import sys
from fractions import Fraction
from bench.clip import ClipInfo
from bench.registry import load_family
codec = load_family("compressai")
info = ClipInfo(name="a", sequence="bikes", width=64, height=64, frames=1, fps=Fraction(25))
for weights in ("zoo", "without-{sequence}"):
    codec.skip(info, codec.defaults | {"architecture": "ssf2020", "quality": 1, "weights": weights})
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
    with pytest.raises(BenchError, match="is no set's name"):
        weights.find_weights(name, "mbt2018-mean", 1)


def test_a_file_that_is_not_what_its_name_says_is_refused(
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
        with pytest.raises(StreamError, match=r"needs weights of sha256 .*, which are not here"):
            decoded(stream)
        assert CompressaiCodec().describe(stream)["weights_bytes"] is None
    finally:
        path.write_bytes(whole)


def test_a_stream_of_published_weights_says_how_to_get_them(folder: Path) -> None:
    with pytest.raises(StreamError, match=r"ssf2020-mse-3-9c8b998d\.pth\.tar: bench fetch-weights"):
        weights.locate("9c8b998d" + "0" * 56, where="s")


# --- streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", IMAGES)
def test_what_is_decoded_is_what_the_encoder_coded(
    folder: Path, tiny_clip: Clip, tmp_path: Path, architecture: str
) -> None:
    """Decoded frames are those that CompressAI's own decompress gives of its own compress."""
    import torch
    from torch.nn import functional as F

    from baselines.compressai.networks import load_trained

    stream, details = code(tiny_clip, tmp_path / "s", architecture=architecture)
    [path] = CompressaiCodec().decoder_files(stream)
    network = load_trained(architecture, path).network
    for source, frame in zip(tiny_clip.rgb(), decoded(stream), strict=True):
        x = torch.from_numpy(source).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            coded = network.compress(F.pad(x, (0, 0, 0, 16), mode="replicate"))
            expected = network.decompress(coded["strings"], coded["shape"])["x_hat"][0, :, :48]
        np.testing.assert_array_equal(frame, (expected * 255).round().byte().permute(1, 2, 0).numpy())
    assert details["parameters"] < sum(p.numel() for p in network.parameters())
    assert 0 < details["decoder_weights_bytes"] < path.stat().st_size
    assert details["macs_per_pixel"] > 0


@pytest.mark.parametrize(("width", "height"), [(66, 50), (128, 64), (2, 2)])
def test_any_size_is_padded_and_cropped(
    folder: Path, make_clip: Callable[..., Clip], tmp_path: Path, width: int, height: int
) -> None:
    clip = make_clip(width=width, height=height, frames=2)
    stream, _ = code(clip, tmp_path / "s", architecture="mbt2018-mean")
    assert [frame.shape for frame in decoded(stream)] == [(height, width, 3)] * 2


def test_video_has_keyframes_where_they_are_asked_for(
    folder: Path, make_clip: Callable[..., Clip], tmp_path: Path
) -> None:
    make_tiny_weights(folder, "ssf2020")
    clip = make_clip(frames=5)
    stream, _ = code(clip, tmp_path / "s", architecture="ssf2020", keyint=2)
    assert CompressaiCodec().describe(stream)["keyframes"] == 3
    everything = decoded(stream)
    for first, stop in [(3, 5), (2, 3), (1, 2)]:
        for one, other in zip(decoded(stream, first=first, stop=stop), everything[first:stop], strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(BenchError, match="keyint: is -1"):
        code(clip, tmp_path / "t", architecture="ssf2020", keyint=-1)


def test_payload_in_and_out(tiny_clip: Clip, tmp_path: Path) -> None:
    frames = [[bytes(8), bytes(range(16)) * 600]] * tiny_clip.info.frames
    made = Payload(architecture="mbt2018-mean", digest="ab" * 32, latents_crc=7, keyint=1, frames=frames)
    header = Header.of_clip(tiny_clip.info, family="compressai", pixel_format="rgb24")
    write_stream(tmp_path / "s", header, made.chunks(height=48, width=64))
    assert Payload.of_stream(read_stream(tmp_path / "s")) == made


@pytest.mark.parametrize(("value", "coded"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2")])
def test_varints(value: int, coded: bytes) -> None:
    assert varint(value) == coded


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (0, b"\x63", "names the unknown network 99"),
        (0, b"\1", "keyframe|words|after its last frame|cut short"),
        (37, b"\2", "codes 2x1 units of 64, unlike its header"),
        (39, b"\2", "has a keyframe every 2 frames"),
        (40, b"\1", "has a string of 1 words"),
        (40, b"\xff\xff\xff\xff\xff", "has a length beyond any"),
        (40, b"\xff\xff\xff\xff\x0f", "has a string of 4294967295 words"),
        (33, b"\0\0\0\0", "decodes to other latents than were coded"),
    ],
)
def test_altered_payloads_are_refused(
    folder: Path, tiny_clip: Clip, tmp_path: Path, at: int, value: bytes, problem: str
) -> None:
    stream, _ = code(tiny_clip, tmp_path / "s", architecture="mbt2018-mean")
    with pytest.raises(StreamError, match=problem):
        decoded(altered(stream, at, value))


def test_a_stream_cut_anywhere_is_refused(folder: Path, tiny_clip: Clip, tmp_path: Path) -> None:
    stream, _ = code(tiny_clip, tmp_path / "s", architecture="bmshj2018-factorized")
    for length in range(0, len(stream.payload), 7):
        with pytest.raises(StreamError, match=r"cut short|has a string of \d+ words"):
            Payload.of_stream(replace(stream, payload=stream.payload[:length]))


def test_a_string_that_is_too_short_ends_within_its_guard(
    folder: Path, tiny_clip: Clip, tmp_path: Path
) -> None:
    """CompressAI's decoder reads past the end of what it is given: there it finds zeros."""
    stream, _ = code(tiny_clip, tmp_path / "s", architecture="mbt2018-mean")
    payload = Payload.of_stream(stream)
    for junk in (bytes(8), b"\xff" * 8, b"\xff" * 4000):
        frames = [[junk, junk]] * tiny_clip.info.frames
        chunks = replace(payload, frames=frames).chunks(height=48, width=64)
        write_stream(tmp_path / "t", stream.header, chunks)
        with pytest.raises(StreamError, match="decodes to other latents"):
            decoded(read_stream(tmp_path / "t"))


# --- downloads -------------------------------------------------------------------------------------


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

    from bench.cli.fetch_weights import fetch
    from bench.codec import Download

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url, served = server
    (served / "net.pth.tar").write_bytes(b"weights")
    digits = hashlib.sha256(b"weights").hexdigest()[:8]
    good = Download(url=f"{url}/net.pth.tar", path=tmp_path / "here" / "net.pth.tar", sha256=digits)
    fetch(good)
    assert good.path.read_bytes() == b"weights"
    fetch(good)
    bad = replace(good, path=tmp_path / "there" / "net.pth.tar", sha256="00000000")
    with pytest.raises(BenchError, match=f"its sha256 begins with {digits}, not with 00000000"):
        fetch(bad)
    assert not list(bad.path.parent.iterdir())


def test_what_is_fetched_is_what_the_points_need(folder: Path) -> None:
    from bench.cli.fetch_weights import wanted_files

    everything = wanted_files(codec_configs())
    assert len(everything) == sum(len(model.digests) for model in weights.ZOO.values())
    assert {item.path.parent for item in everything} == {folder / "zoo"}
    [one] = wanted_files(["ssf2020"], ["q3"])
    assert one.path.name == "ssf2020-mse-3-9c8b998d.pth.tar"
    with pytest.raises(BenchError, match="unknown point of ssf2020"):
        wanted_files(["ssf2020"], ["q33"])


def test_settings_resolve_for_every_point() -> None:
    for config in codec_configs().values():
        if config.family == "compressai":
            for point in config.points.values():
                assert resolve_settings(config, {}, point)["quality"] == point["quality"]


def test_a_stream_of_another_family_form_is_refused(folder: Path, tiny_clip: Clip) -> None:
    header = Header.of_clip(tiny_clip.info, family="compressai", pixel_format="yuv420p")
    stream = Stream(Path("s"), header, memoryview(bytes(100)), 100)
    with pytest.raises(StreamError, match="pixel_format is yuv420p, not rgb24"):
        CompressaiCodec().describe(stream)
