"""Encoding with ffmpeg: frames that come back, settings that count, and what the streams hold."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_data import write_clip
from ffmpeg_data import FRAMES, HEIGHT, QUICK, WIDTH, decode, encode

from baselines.ffmpeg.codec import FfmpegCodec
from baselines.ffmpeg.encoders import ENCODERS, find_encoder
from baselines.ffmpeg.formats import FORMATS, leb128
from baselines.ffmpeg.settings import FfmpegSettings
from bench.base.errors import BenchError
from bench.base.ffmpeg import failure_message, pipe_bytes
from bench.base.stage_clock import StageClock
from bench.codec.container import Stream
from bench.codec.contract import EncodeJob
from bench.codec.registry import codec_configs, resolve_settings
from bench.video.clip import Clip
from bench.video.psnr import mse, psnr_db

DEFAULTS = FfmpegSettings.default_values()

X26X = ("x264", "x265")
SHOWN = ("slice", "IDR slice", "CRA slice", "slice (unreferenced)", "key frame", "frame", "frame shown again")


def units_of(stream: Stream) -> dict[str, int]:
    return FfmpegCodec().describe(stream)["units"]


def shown(units: dict[str, int]) -> int:
    return sum(units.get(name, 0) for name in SHOWN)


def keyframes(units: dict[str, int]) -> int:
    return sum(units.get(name, 0) for name in ("IDR slice", "CRA slice", "key frame"))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Longer than the encoders' default distance between keyframes (128 to 250, or a second or five)."""
    frame = np.random.default_rng(0).integers(100, 110, 32 * 32 * 3 // 2, np.uint8)
    return write_clip(tmp_path_factory.mktemp("clips") / "still", [frame] * 270, width=32, height=32)


@pytest.mark.parametrize("name", [n for n, c in codec_configs().items() if c.family == "ffmpeg"])
def test_codec_ids_have_five_points_of_complete_settings(name: str) -> None:
    config = codec_configs()[name]
    assert (config.kind, config.threads, len(config.points)) == ("classical", 1, 5)
    assert name.startswith(f"{config.settings['encoder']}-")
    for point, settings in config.points.items():
        assert "".join(f"{key}{value}" for key, value in settings.items()) == point
        find_encoder(resolve_settings(config, {}, settings))


def test_the_points_of_the_published_condition_stay() -> None:
    configs = codec_configs()
    for name in ("x264-medium", "x264-veryslow", "x265-medium", "x265-veryslow"):
        assert list(configs[name].points) == ["crf23", "crf28", "crf33", "crf38", "crf43"]


def test_all_frames_are_decoded_with_small_errors(clip: Clip, stream: Stream) -> None:
    frames = decode(stream)
    assert len(frames) == FRAMES
    for true, frame in zip(clip.frames(), frames, strict=True):
        assert frame.dtype == np.uint8
        assert frame.shape == true.shape
        assert psnr_db(mse(true, frame)) > 28


def test_encoding_twice_gives_the_same_bytes(
    clip: Clip, encoder: str, stream: Stream, tmp_path: Path
) -> None:
    again = encode(clip, tmp_path / "again.bin", encoder)
    assert again.path.read_bytes() == stream.path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.bin"], "statistics of a first pass go"


def test_more_threads_are_deterministic_too(clip: Clip, encoder: str, tmp_path: Path) -> None:
    one, two = (encode(clip, tmp_path / f"{index}.bin", encoder, threads=2) for index in range(2))
    assert one.path.read_bytes() == two.path.read_bytes()


def test_the_stream_has_only_units_that_a_decoder_needs(encoder: str, stream: Stream) -> None:
    data = stream.path.read_bytes()
    for word in (b"x264", b"x265", b"Lavc", b"libaom", b"SVT", b"DKIF", b"vvenc", b"Kvazaar"):
        assert word not in data
    assert not {"SEI", "AUD", "metadata", "padding"} & set(units_of(stream))
    assert FfmpegCodec().describe(stream)["bytes"] == len(stream.payload) - 1


@pytest.mark.slow
def test_one_keyframe_for_the_whole_clip(still: Clip, encoder: str, tmp_path: Path) -> None:
    units = units_of(encode(still, tmp_path / "s.bin", encoder))
    assert keyframes(units) == 1
    assert shown(units) == 270
    short = encode(still, tmp_path / "k.bin", encoder, keyint=96)
    assert keyframes(units_of(short)) == 3
    assert len(decode(short)) == 270


def test_the_frame_rate_reaches_the_encoder(clip: Clip, encoder: str, tmp_path: Path) -> None:
    frames = list(clip.frames())
    if encoder in X26X:  # constant rate factor weighs a frame by its duration
        fast = write_clip(tmp_path / "fast", frames, width=WIDTH, height=HEIGHT, fps="120")
        sizes = [encode(c, tmp_path / "s.bin", encoder).bytes for c in (clip, fast)]
        assert sizes[0] != sizes[1]
    ntsc = write_clip(tmp_path / "ntsc", frames, width=WIDTH, height=HEIGHT, fps="30000/1001")
    stream = encode(ntsc, tmp_path / "n.bin", encoder)
    assert stream.header.fps == Fraction(30000, 1001)
    assert len(decode(stream)) == FRAMES


def test_rate_and_preset_reach_the_encoder(clip: Clip, encoder: str, tmp_path: Path) -> None:
    rate = "crf" if "crf" in ENCODERS[encoder].settings else "qp"
    slower = {"x264": "slow", "x265": "slow", "vvenc": "fast", "kvazaar": "medium"}.get(encoder, 2)
    high = 200 if encoder == "rav1e" else 45
    sizes = [
        encode(clip, tmp_path / "s.bin", encoder, **settings).bytes
        for settings in ({rate: 20}, {rate: high}, {rate: 20, "preset": slower})
    ]
    assert sizes[1] < sizes[0] / 2
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("name", X26X)
def test_settings_of_old_papers_reach_x264_and_x265(clip: Clip, name: str, tmp_path: Path) -> None:
    settings = ({}, {"tune": "zerolatency"}, {"bframes": 0}, {"crf": None, "qp": 28})
    streams = [encode(clip, tmp_path / f"{i}.bin", name, **chosen) for i, chosen in enumerate(settings)]
    assert len({stream.bytes for stream in streams}) == 4
    low_delay = encode(clip, tmp_path / "z.bin", name, tune="zerolatency", bframes=0)
    assert bytes(low_delay.payload) == bytes(streams[1].payload), "zerolatency has no B-frames"


def test_scene_cuts_can_be_left_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    scenes = [generator.integers(0, 256, 64 * 48 * 3 // 2, np.uint8) for _ in range(2)]
    # x264 wants a second between keyframes.
    clip = write_clip(tmp_path / "cut", [scenes[0]] * 30 + [scenes[1]] * 5, width=64, height=48)
    counts = [
        keyframes(units_of(encode(clip, tmp_path / "s.bin", "x264", scenecut=scenecut)))
        for scenecut in (True, False)
    ]
    assert counts == [2, 1]


@pytest.mark.parametrize(
    ("name", "settings", "printed"),
    [
        ("x266", {}, "unknown encoder 'x266'; use one of x264, x265"),
        ("x264", {"preset": "best"}, "unknown preset 'best'; use one of ultrafast"),
        ("x265", {"preset": "best"}, "unknown preset 'best'; use one of ultrafast"),
        ("x264", {"tune": "fish"}, "unknown tune 'fish'; use one of psnr"),
        ("x265", {"crf": 99}, "crf: 99 must be 0 to 51"),
        ("svtav1", {"crf": 64}, "crf: 64 must be 0 to 63"),
        ("svtav1", {"preset": "slow"}, "unknown preset 'slow'; use one of -2"),
        ("svtav1", {"tune": "psnr"}, "encoder svtav1: has no setting 'tune'; beside preset: crf"),
        ("svtav1", {"crf": 30.5}, "crf: 30.5 must be a whole number"),
        ("aom", {"crf": float("inf")}, "crf: inf must be 0 to 63"),
        ("aom", {"crf": "low"}, "crf: 'low' must be a number"),
        ("vp9", {"crf": None}, "encoder vp9: crf is missing; give crf in a point"),
        ("vp9", {"bframes": 2}, "has no setting 'bframes'"),
        ("vvenc", {"qp": None, "crf": 30}, "encoder vvenc: has no setting 'crf'; beside preset: qp"),
        ("vvenc", {"keyint": 40}, "keyint: 40 must be a multiple of its group of 32 pictures"),
        ("x264", {"qp": 30}, "both crf and qp are given"),
        ("x264", {"crf": None}, "neither crf nor qp is given"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(
    clip: Clip, tmp_path: Path, name: str, settings: dict[str, object], printed: str
) -> None:
    job = EncodeJob(
        settings={
            **DEFAULTS,
            **QUICK.get(name, {"preset": "fast"}),
            "encoder": name,
            **settings,
        },
        state_dir=tmp_path,
        progress=lambda line: None,
        clock=StageClock(),
    )
    with pytest.raises(BenchError, match=printed) as caught:
        FfmpegCodec().encode(clip, job)
    assert "\n" not in str(caught.value)


def test_pictures_that_an_encoder_cannot_code_are_skipped(encoder: str, tmp_path: Path) -> None:
    settings = {**DEFAULTS, **QUICK[encoder], "encoder": encoder}
    side = ENCODERS[encoder].min_side
    grey = [np.full(side * side * 3 // 2, 90, np.uint8)] * 3
    clip = write_clip(tmp_path / "small", grey, width=side, height=side)
    assert FfmpegCodec().skip(clip.info, settings) is None
    assert len(decode(encode(clip, tmp_path / "s.bin", encoder))) == 3
    if side > 2:
        info = write_clip(tmp_path / "less", [grey[0][:6]], width=2, height=2).info
        assert FfmpegCodec().skip(info, settings) == f"{encoder} codes no side below {side} pixels"


def test_describe_counts_the_frames(encoder: str, stream: Stream) -> None:
    units = units_of(stream)
    assert shown(units) == FRAMES
    assert keyframes(units) == 1
    for name in {"h264": ("SPS", "PPS"), "hevc": ("VPS", "SPS", "PPS"), "av1": ("sequence header",)}.get(
        ENCODERS[encoder].format, ()
    ):
        assert units[name] == 1


@pytest.mark.parametrize("name", ["svtav1", "aom", "vp9"])
def test_hidden_frames_are_counted_and_not_decoded(tmp_path: Path, name: str) -> None:
    """AV1 shows a hidden frame later, by a header alone; VP9 packs it in front of one that is shown."""
    noise = np.kron(np.random.default_rng(2).integers(0, 256, (18, 8), np.uint8), np.ones((4, 8), np.uint8))
    frames = [np.roll(noise, 2 * index, axis=1).ravel() for index in range(40)]
    stream = encode(write_clip(tmp_path / "noise", frames, width=64, height=48), tmp_path / "s.bin", name)
    units = units_of(stream)
    assert units["hidden frame"] >= 2
    assert len(decode(stream)) == shown(units) == 40


def test_the_payload_is_what_ffmpeg_counts_as_packets(clip: Clip, encoder: str, stream: Stream) -> None:
    """ffmpeg's own sum of the packets' sizes; VP9's have one or two bytes of size each beside them."""
    made = FORMATS[ENCODERS[encoder].format]
    payload = stream.payload[1:]
    rate = () if made.timed else ("-framerate", "25")
    arguments = ["-f", made.demuxer, *rate, "-i", "pipe:0", "-c", "copy", "-f", "framecrc", "pipe:1"]
    lines = b"".join(pipe_bytes(arguments, feed=made.unpack(payload, stream.header))).decode().splitlines()
    sizes = [int(line.split(",")[4]) for line in lines if not line.startswith("#")]
    assert len(sizes) == FRAMES
    beside = sum(len(leb128(size)) for size in sizes) if made.timed else 0
    assert sum(sizes) + beside == len(payload)


def test_the_error_line_is_not_the_banner() -> None:
    message = (
        b"Svt[info]: SVT [version]: 4.2\nSvt[warn]: old preset\n[libsvtav1 @ 0x1] Error setting it\nfailed\n"
    )
    assert failure_message(message, 1) == "ffmpeg failed: Error setting it"
    assert failure_message(b"Svt[info]: SVT\n", 3) == "ffmpeg failed with status 3"
