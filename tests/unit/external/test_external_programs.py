"""Programs of a distribution as codecs: x265, SVT-AV1, aomenc, vpxenc and rav1e, and their decoders.

Their library versions differ from those of the bundled ffmpeg, so the streams differ, too. What must agree is
the video: ffmpeg's decoder and the external one decode each other's streams to the same frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines.external.payload import Packed, pack, unpack
from baselines.ffmpeg.formats import FORMATS, pack_ivf
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import Header, Stream, parse_stream, read_stream, write_stream
from bench.codec.decode import codec_of, decode
from bench.codec.decoder_process import time_decode
from bench.codec.encode import EncodePlan, encode
from bench.scoring.frame_pair import mse
from bench.scoring.psnr import psnr_db
from bench.video.clip import Clip
from tests.conftest import FRAMES, moving_frames, write_clip

pytestmark = pytest.mark.slow

#: Codec id -> format of its stream, and the counterpart in ffmpeg.
PROGRAMS = {
    "x265-program": ("hevc", "x265-medium"),
    "svtav1-program": ("av1", "svtav1-p8"),
    "aomenc-program": ("av1", "aom-cpu6"),
    "vpxenc-program": ("vp9", "vp9-cpu2"),
    "rav1e-program": ("av1", "rav1e-s6"),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tmp_path_factory.mktemp("clip")
    return write_clip(folder, moving_frames(128, 96, FRAMES), width=128, height=96)


@pytest.fixture(scope="module")
def encoded(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that returns the stream of a codec id, which is encoded once."""
    folder = tmp_path_factory.mktemp("streams")

    def encode_once(codec: str) -> Path:
        config = registry.codec_config(codec)
        point = next(iter(config.points.values())) | config.test
        settings = registry.resolve_settings(config, {}, point)
        if reason := registry.load_family(config.family).skip(clip.info, settings):
            pytest.skip(reason)  # with the command that installs the program
        out = folder / f"{codec}.bin"
        report = out.with_suffix(".json")
        if not out.exists():
            encode(EncodePlan(config=config, point="p", settings=settings, clip=clip, out=out, report=report))
        return out

    return encode_once


def frames_of(stream: Stream) -> list[np.ndarray]:
    return list(decode(stream, codec_of(stream), device="cpu", clock=StageClock()))


def as_ffmpeg_stream(stream: Stream, format_: str) -> Stream:
    """The same bitstream as one of the family `ffmpeg`."""
    (_, data), *_ = unpack(stream.payload).files
    data = bytes(data)
    if data[:4] == b"DKIF":
        data = pack_ivf(data) if format_ == "vp9" else b"".join(ivf_frames(data))
    out = stream.path.with_suffix(".ffmpeg")
    header = Header(**{**vars(stream.header), "family": "ffmpeg"})
    write_stream(out, header, [bytes([FORMATS[format_].code]), data])
    return read_stream(out)


def ivf_frames(data: bytes) -> list[bytes]:
    frames, at = [], 32
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        frames.append(data[at + 12 : at + 12 + size])
        at += 12 + size
    return frames


@pytest.mark.parametrize("codec", PROGRAMS)
def test_both_decoders_decode_both_streams_alike(
    codec: str, clip: Clip, encoded: Callable[[str], Path], tmp_path: Path
) -> None:
    """The program's decoder and that of ffmpeg, on the program's stream and on that of ffmpeg's encoder."""
    stream = read_stream(encoded(codec))
    frames = frames_of(stream)
    for true, frame in zip(clip.frames(), frames, strict=True):
        assert psnr_db(mse(true, frame)) > 25
    format_, counterpart = PROGRAMS[codec]
    again = frames_of(as_ffmpeg_stream(stream, format_))
    assert [frame.tobytes() for frame in again] == [frame.tobytes() for frame in frames]

    theirs = read_stream(encoded(counterpart))
    data = bytes(theirs.payload[1:])
    if format_ == "vp9":
        data = b"".join(map(bytes, FORMATS["vp9"].unpack(theirs.payload[1:], theirs.header)))
    header = Header(**{**vars(theirs.header), "family": "external"})
    out = tmp_path / "external.bin"
    write_stream(out, header, pack(Packed(codec, {}, (), (("", data),))))
    frames = frames_of(read_stream(out))
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in frames_of(theirs)]


@pytest.mark.parametrize("codec", PROGRAMS)
def test_the_rate_is_that_of_the_programs_file_and_a_header(
    codec: str, clip: Clip, encoded: Callable[[str], Path]
) -> None:
    """The files of IVF lose their headers of 12 bytes per frame; the decoder gets them back."""
    out = encoded(codec)
    stream = read_stream(out)
    (_, data), *_ = unpack(stream.payload).files
    written = len(data) - (11 * clip.info.frames if bytes(data[:4]) == b"DKIF" else 0)
    assert 0 < stream.bytes - written < 90 + clip.info.frames
    report = json.loads(out.with_suffix(".json").read_text())
    for program in report["programs"].values():
        assert program["version"]
        assert len(program["sha256"]) == 64
    assert report["peak_memory_bytes"] > 1 << 20


def test_a_separate_process_decodes_the_stream(clip: Clip, encoded: Callable[[str], Path]) -> None:
    out = encoded("aomenc-program")
    stream = read_stream(out)
    cost, checksums = time_decode(out, stream.header, "cpu")
    assert len(checksums) == clip.info.frames
    assert cost.reported["isolation"] in ("bubblewrap", "unshare", "folder")
    assert cost.reported["programs"]["aomdec"]["version"]
    assert 0 < cost.reported["stages"]["decode"]["wall_s"] <= cost.wall_s


def test_a_stream_names_no_command(encoded: Callable[[str], Path], tmp_path: Path) -> None:
    """A stream with the id of another family, or of no codec, is refused."""
    stream = read_stream(encoded("aomenc-program"))
    for codec, printed in (("x264-medium", "is not of the family external"), ("../x", "invalid codec id")):
        data = b"".join(pack(Packed(codec, {}, (), (("", b"x"),))))
        out = tmp_path / "other.bin"
        write_stream(out, stream.header, [data])
        with pytest.raises(Exception, match=printed):
            frames_of(parse_stream(out.read_bytes(), out))
