from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_data import prepare_sequence, write_clip

from baselines.ffmpeg import ENCODERS, FORMATS, FfmpegCodec
from bench.clip import Clip
from bench.clock import StageClock
from bench.codec import EncodeJob
from bench.container import Header, Stream, parse_stream, read_stream, repair_checksum, write_stream
from bench.errors import BenchError, StreamError
from bench.ffmpeg import pipe_bytes
from bench.metrics import mse, psnr_db
from bench.registry import codec_configs, resolve_settings

IDS = ("x264-medium", "x264-veryslow", "x265-medium", "x265-veryslow")
WIDTH, HEIGHT, FRAMES = 64, 48, 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return prepare_sequence(tmp_path_factory.mktemp("clips") / "discs", "discs-tiny")


def encode(clip: Clip, out: Path, *, threads: int = 1, **settings: object) -> Stream:
    codec, clock = FfmpegCodec(), StageClock()
    job = EncodeJob(
        settings={**codec.defaults, **settings},
        threads=threads,
        state_dir=out.parent,
        progress=lambda line: None,
        clock=clock,
    )
    encoded = codec.encode(clip, job)
    header = Header.of_clip(clip.info, family="ffmpeg", pixel_format=encoded.pixel_format)
    write_stream(out, header, encoded.payload)
    assert clock.seconds["encode"]["cpu_s"] > 0  # ffmpeg's own seconds, not only ours
    return read_stream(out)


def decode(stream: Stream, first: int = 0, stop: int | None = None) -> list[np.ndarray]:
    return list(FfmpegCodec().decode(stream, device="cpu", clock=StageClock(), first=first, stop=stop))


def with_payload(stream: Stream, payload: bytes, **fields: object) -> Stream:
    """The same header before other bytes, with a checksum that matches."""
    header = Header(**{**vars(stream.header), **fields})
    path = stream.path.with_name("other.bin")
    write_stream(path, header, [payload])
    return read_stream(path)


def elementary(encoder: str, size: str, pixel_format: str = "yuv420p", frames: int = 5) -> bytes:
    """An elementary stream of ffmpeg's test picture, with the byte that names its format."""
    made = FORMATS[ENCODERS[encoder].format]
    source = [
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=s={size}:r=25",
        "-frames:v",
        str(frames),
        "-pix_fmt",
        pixel_format,
    ]
    coded = pipe_bytes(
        [*source, "-c:v", f"lib{encoder}", "-preset", "ultrafast", "-f", made.demuxer, "pipe:1"]
    )
    return bytes([made.code]) + b"".join(coded)


@pytest.fixture(scope="module", params=["x264", "x265"])
def stream(request: pytest.FixtureRequest, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return encode(clip, tmp_path_factory.mktemp("streams") / "stream.bin", encoder=request.param, crf=28)


def encoder_of(stream: Stream) -> str:
    return {"h264": "x264", "hevc": "x265"}[FfmpegCodec().describe(stream)["format"]]


def test_the_codec_ids_have_complete_settings() -> None:
    configs = codec_configs()
    for name in IDS:
        config = configs[name]
        assert (config.family, config.kind, config.threads) == ("ffmpeg", "classical", 1)
        assert list(config.points) == ["crf23", "crf28", "crf33", "crf38", "crf43"]
        encoder, preset = name.split("-")
        settings = resolve_settings(config, {}, config.points["crf28"])
        assert settings == {"encoder": encoder, "preset": preset, "crf": 28, "tune": "", "keyint": 0}


def test_all_frames_come_back_alike_enough(clip: Clip, stream: Stream) -> None:
    frames = decode(stream)
    assert len(frames) == FRAMES
    for true, frame in zip(clip.frames(), frames, strict=True):
        assert frame.dtype == np.uint8
        assert frame.shape == true.shape
        assert psnr_db(mse(true, frame)) > 28


def test_encoding_twice_gives_the_same_bytes(clip: Clip, stream: Stream, tmp_path: Path) -> None:
    again = encode(clip, tmp_path / "again.bin", encoder=encoder_of(stream), crf=28)
    assert again.path.read_bytes() == stream.path.read_bytes()


@pytest.mark.parametrize("encoder", ["x264", "x265"])
def test_more_threads_are_deterministic_too(clip: Clip, tmp_path: Path, encoder: str) -> None:
    settings = {"encoder": encoder, "crf": 28, "preset": "ultrafast", "threads": 2}
    one, two = (encode(clip, tmp_path / f"{index}.bin", **settings) for index in range(2))
    assert one.path.read_bytes() == two.path.read_bytes()


def test_the_encoders_note_is_left_out(stream: Stream) -> None:
    data = stream.path.read_bytes()
    assert b"x264" not in data
    assert b"x265" not in data
    assert b"Lavc" not in data
    told = FfmpegCodec().describe(stream)
    assert "SEI" not in told["nal_units"]
    assert told["bytes"] == len(stream.payload) - 1


@pytest.mark.parametrize("encoder", ["x264", "x265"])
def test_one_keyframe_for_the_whole_clip(tmp_path: Path, encoder: str) -> None:
    """Longer than both encoders' default distance between keyframes (250)."""
    still = np.random.default_rng(0).integers(100, 110, 32 * 32 * 3 // 2, np.uint8)
    clip = write_clip(tmp_path / "still", [still] * 270, width=32, height=32)
    told = FfmpegCodec().describe(
        encode(clip, tmp_path / "s.bin", encoder=encoder, crf=40, preset="ultrafast")
    )
    units = told["nal_units"]
    assert units["IDR slice"] == 1
    assert sum(count for name, count in units.items() if "slice" in name) == 270
    short = encode(clip, tmp_path / "k.bin", encoder=encoder, crf=40, preset="ultrafast", keyint=90)
    assert sum(n for name, n in FfmpegCodec().describe(short)["nal_units"].items() if "IDR" in name) == 3


@pytest.mark.parametrize("encoder", ["x264", "x265"])
def test_the_frame_rate_reaches_the_encoder(clip: Clip, tmp_path: Path, encoder: str) -> None:
    frames = list(clip.frames())
    fast = write_clip(tmp_path / "fast", frames, width=WIDTH, height=HEIGHT, fps="120")
    sizes = [encode(c, tmp_path / "s.bin", encoder=encoder, crf=30).bytes for c in (clip, fast)]
    assert sizes[0] != sizes[1]  # constant rate factor weighs a frame by its duration
    ntsc = write_clip(tmp_path / "ntsc", frames, width=WIDTH, height=HEIGHT, fps="30000/1001")
    stream = encode(ntsc, tmp_path / "n.bin", encoder=encoder, crf=30)
    assert stream.header.fps == Fraction(30000, 1001)
    assert len(decode(stream)) == FRAMES


@pytest.mark.parametrize("encoder", ["x264", "x265"])
def test_settings_reach_the_encoder(clip: Clip, tmp_path: Path, encoder: str) -> None:
    sizes = [
        encode(clip, tmp_path / "s.bin", encoder=encoder, **settings).bytes
        for settings in (
            {"crf": 23},
            {"crf": 38},
            {"crf": 23, "preset": "ultrafast"},
            {"crf": 23, "tune": "zerolatency"},
        )
    ]
    assert sizes[1] < sizes[0] / 2
    assert len(set(sizes)) == 4


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"encoder": "x266", "crf": 28}, "encoder is 'x266'; use one of x264, x265"),
        ({"encoder": "x264", "crf": 28, "preset": "best"}, "invalid preset 'best'"),
        ({"encoder": "x265", "crf": 28, "preset": "best"}, "preset/tune best"),
        ({"encoder": "x264", "crf": 28, "tune": "fish"}, "invalid tune 'fish'"),
        ({"encoder": "x265", "crf": 99}, "encoder x265: ffmpeg failed"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    clip: Clip, tmp_path: Path, settings: dict[str, object], told: str
) -> None:
    with pytest.raises(BenchError, match=told) as caught:
        encode(clip, tmp_path / "s.bin", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s.bin").exists()


@pytest.mark.parametrize(("first", "stop"), [(0, 3), (4, 7), (9, 10), (5, None), (10, 10)])
def test_a_part_is_a_part_of_the_whole(stream: Stream, first: int, stop: int | None) -> None:
    whole = decode(stream)
    part = decode(stream, first, stop)
    assert len(part) == len(whole[first:stop])
    assert all(np.array_equal(a, b) for a, b in zip(part, whole[first:stop], strict=True))


def test_frames_that_nobody_takes_are_not_decoded(stream: Stream) -> None:
    frames = FfmpegCodec().decode(stream, device="cpu", clock=StageClock())
    next(frames)
    frames.close()


def test_describe_counts_nal_units(stream: Stream) -> None:
    units = FfmpegCodec().describe(stream)["nal_units"]
    assert sum(count for name, count in units.items() if "slice" in name) == FRAMES
    assert units["SPS"] == units["PPS"] == units["IDR slice"] == 1


@pytest.mark.parametrize(("frames", "told"), [(9, "has more than 9 frames"), (11, "has 10 of 11 frames")])
def test_another_number_of_frames_is_refused(stream: Stream, frames: int, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        decode(with_payload(stream, bytes(stream.payload), frames=frames))


@pytest.mark.parametrize("fields", [{"width": 62}, {"width": 66}, {"height": 16}, {"height": 96}])
def test_another_geometry_is_refused(stream: Stream, fields: dict[str, int]) -> None:
    with pytest.raises(StreamError, match="decodes to 64x48, its header says"):
        decode(with_payload(stream, bytes(stream.payload), **fields))


HOSTILE: dict[str, Callable[[str], bytes]] = {
    "10 bit": lambda encoder: elementary(encoder, "64x48", "yuv420p10le"),
    "4:4:4": lambda encoder: elementary(encoder, "64x48", "yuv444p"),
    "huge pictures": lambda encoder: elementary(encoder, "2048x1152"),
    "a change of size": lambda encoder: elementary(encoder, "64x48") + elementary(encoder, "80x48")[1:],
    "a playlist": lambda encoder: elementary(encoder, "64x48")[:1] + b"#EXTM3U\nfile:///etc/hosts\n" * 9,
    "another container": lambda encoder: elementary(encoder, "64x48")[:1] + b"RIFF\0\0\1\0AVI LIST" * 50,
    "noise": lambda encoder: elementary(encoder, "64x48")[:1] + np.random.default_rng(4).bytes(3000),
    "nothing": lambda encoder: elementary(encoder, "64x48")[:1],
    "no byte at all": lambda encoder: b"",
    "an unknown format": lambda encoder: b"\xff" + elementary(encoder, "64x48")[1:],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_payloads_of_another_kind_are_refused(stream: Stream, name: str) -> None:
    payload = HOSTILE[name](encoder_of(stream))
    with pytest.raises(StreamError) as caught:
        decode(with_payload(stream, payload, frames=10))
    assert "\n" not in str(caught.value)


def test_the_right_kind_would_be_decoded(stream: Stream) -> None:
    payload = elementary(encoder_of(stream), "64x48", frames=FRAMES)
    assert len(decode(with_payload(stream, payload))) == FRAMES


def test_an_rgb_header_is_refused(stream: Stream) -> None:
    with pytest.raises(StreamError, match="pixel_format is rgb24"):
        decode(with_payload(stream, bytes(stream.payload), pixel_format="rgb24"))


def test_damage_ends_in_a_stream_error_or_in_frames(stream: Stream) -> None:
    """Some bits only change samples; none may end in anything but frames or a StreamError."""
    generator, refused = np.random.default_rng(5), 0
    for _ in range(12):
        data = bytearray(stream.path.read_bytes())
        for at in generator.integers(60, len(data), 4):
            data[at] ^= 1 << int(generator.integers(8))
        repair_checksum(data)
        try:
            assert len(decode(parse_stream(bytes(data), "damaged.bin"))) == FRAMES
        except StreamError:
            refused += 1
    assert refused
