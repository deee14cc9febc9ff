"""The example in the documentation of the codec contract, run as it is printed there."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest

from bench.base.errors import StreamError
from bench.base.stage_clock import StageClock
from bench.codec import contract
from bench.codec.container import Header, parse_stream, read_stream, repair_checksum, write_stream
from bench.codec.contract import Codec, EncodeJob
from bench.video.clip import Clip, planes

SETTINGS = {"levels": 64}


@pytest.fixture(scope="module")
def codec() -> Codec:
    code = textwrap.dedent((contract.__doc__ or "").partition("three bytes per frame::\n")[2])
    namespace: dict[str, object] = {}
    exec(compile(code, "example", "exec"), namespace)
    return namespace["CODEC"]()


@pytest.fixture
def path(codec: Codec, tiny_clip: Clip, tmp_path: Path) -> Path:
    job = EncodeJob(settings=SETTINGS, state_dir=tmp_path, progress=lambda line: None, clock=StageClock())
    encoded = codec.encode(tiny_clip, job)
    header = Header.of_clip(tiny_clip.info, family="planemeans", pixel_format=encoded.pixel_format)
    write_stream(tmp_path / "stream.bin", header, encoded.payload)
    return tmp_path / "stream.bin"


def test_the_frames_are_the_plane_means(codec: Codec, path: Path, tiny_clip: Clip) -> None:
    stream = read_stream(path)
    clock = StageClock()
    decoded = list(codec.decode(stream, device="cpu", clock=clock))
    assert set(clock.seconds) == {"fill"}
    assert len(stream.payload) == 4 + 3 * tiny_clip.info.frames
    for source, frame in zip(tiny_clip.frames(), decoded, strict=True):
        assert (frame.shape, frame.dtype) == (stream.header.frame_shape, np.uint8)
        for a, b in zip(planes(source, 64, 48), planes(frame, 64, 48), strict=True):
            assert abs(a.mean() - b.mean()) <= 256 / SETTINGS["levels"] / 2 + 1
    part = list(codec.decode(stream, device="cpu", clock=clock, first=3, stop=6))
    assert np.array_equal(part, decoded[3:6])


def test_skip_gives_a_reason(codec: Codec, tiny_clip: Clip) -> None:
    assert codec.skip(tiny_clip.info, SETTINGS) is None
    assert codec.skip(tiny_clip.info, {"levels": 257}) == "levels must be 1 to 256"


@pytest.mark.parametrize("step", [np.nan, np.inf, 0, -1, 1e30])
def test_an_invalid_step_size_is_a_stream_error(codec: Codec, path: Path, step: float) -> None:
    data = bytearray(path.read_bytes())
    data[data[5] : data[5] + 4] = np.float32(step).tobytes()
    repair_checksum(data)
    with pytest.raises(StreamError, match="step size must be 1 to 256"):
        next(codec.decode(parse_stream(data, path), device="cpu", clock=StageClock()))


def test_a_short_payload_is_a_stream_error(codec: Codec, path: Path) -> None:
    data = path.read_bytes()[:-3]
    short = bytearray(data)
    repair_checksum(short)
    with pytest.raises(StreamError, match="needs 3 bytes"):
        next(codec.decode(parse_stream(short, path), device="cpu", clock=StageClock()))
