"""Learned codecs' streams: what is decoded, what a payload holds, and which are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compressai_data import IMAGES, code, decoded, tiny_weights

from baselines.compressai.codec import CompressaiCodec
from baselines.compressai.payload import Payload, varint
from bench.base.errors import BenchError, StreamError
from bench.codec.container import Header, Stream, read_stream, write_stream
from bench.codec.registry import codec_configs, resolve_settings
from bench.video.clip import Clip
from tests.contract.tiny_weights import make_tiny_weights

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Clip) -> Iterator[Path]:
    with tiny_weights(tmp_path_factory.mktemp("weights"), tiny_clip) as path:
        yield path


def altered(stream: Stream, at: int, value: bytes) -> Stream:
    """The stream with other bytes in its payload, and nothing that tells of it."""
    payload = bytearray(stream.payload)
    payload[at : at + len(value)] = value
    return replace(stream, payload=memoryview(bytes(payload)))


@pytest.mark.parametrize("architecture", IMAGES)
def test_decoded_frames_equal_those_of_the_encoder(
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


@pytest.mark.slow
def test_video_has_the_requested_keyframes(
    folder: Path, make_clip: Callable[..., Clip], tmp_path: Path
) -> None:
    clip = make_clip(frames=5)
    make_tiny_weights(folder, "ssf2020", clip)
    stream, _ = code(clip, tmp_path / "s", architecture="ssf2020", keyint=2)
    assert CompressaiCodec().describe(stream)["keyframes"] == 3
    everything = decoded(stream)
    for first, stop in [(3, 5), (2, 3), (1, 2)]:
        for one, other in zip(decoded(stream, first=first, stop=stop), everything[first:stop], strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(BenchError, match="keyint: -1 must be 0 or more"):
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
        (0, b"\x63", "has the unknown architecture code 99"),
        (0, b"\1", "keyframe|words|after its last frame|cut short"),
        (37, b"\2", "codes 2x1 units of 64, which contradicts its header"),
        (39, b"\2", "has a keyframe every 2 frames"),
        (40, b"\1", "has a string of 1 words"),
        (40, b"\xff\xff\xff\xff\xff", "has a length of more than 35 bits"),
        (40, b"\xff\xff\xff\xff\x0f", "has a string of 4294967295 words"),
        (33, b"\0\0\0\0", "decodes to other latents than the encoder's"),
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


def test_a_short_string_is_followed_by_zeros(folder: Path, tiny_clip: Clip, tmp_path: Path) -> None:
    """CompressAI's decoder reads past the end of what it is given: there it finds zeros."""
    stream, _ = code(tiny_clip, tmp_path / "s", architecture="mbt2018-mean")
    payload = Payload.of_stream(stream)
    for junk in (bytes(8), b"\xff" * 8, b"\xff" * 4000):
        frames = [[junk, junk]] * tiny_clip.info.frames
        chunks = replace(payload, frames=frames).chunks(height=48, width=64)
        write_stream(tmp_path / "t", stream.header, chunks)
        with pytest.raises(StreamError, match="decodes to other latents"):
            decoded(read_stream(tmp_path / "t"))


def test_settings_resolve_for_every_point() -> None:
    for config in codec_configs().values():
        if config.family == "compressai":
            for point in config.points.values():
                assert resolve_settings(config, {}, point)["quality"] == point["quality"]


def test_a_stream_of_another_family_form_is_refused(folder: Path, tiny_clip: Clip) -> None:
    header = Header.of_clip(tiny_clip.info, family="compressai", pixel_format="yuv420p")
    stream = Stream(Path("s"), header, memoryview(bytes(100)), 100)
    with pytest.raises(StreamError, match="pixel_format is yuv420p, must be rgb24"):
        CompressaiCodec().describe(stream)
