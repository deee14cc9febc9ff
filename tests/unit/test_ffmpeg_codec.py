from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_data import prepare_sequence, write_clip

from baselines.ffmpeg.codec import FfmpegCodec
from baselines.ffmpeg.encoders import DEFAULTS, ENCODERS, find_encoder
from baselines.ffmpeg.formats import FORMATS, leb128, read_leb128
from bench.clip import Clip
from bench.clock import StageClock
from bench.codec import EncodeJob
from bench.container import Header, Stream, parse_stream, read_stream, repair_checksum, write_stream
from bench.errors import BenchError, StreamError
from bench.ffmpeg import pipe_bytes, pipe_frames, raw_video_args, telling_line
from bench.metrics import mse, psnr_db
from bench.registry import codec_configs, resolve_settings

#: Each encoder at its fastest, at a middling rate.
QUICK: dict[str, dict[str, object]] = {
    "x264": {"preset": "medium", "crf": 28},
    "x265": {"preset": "medium", "crf": 28},
    "svtav1": {"preset": 12, "crf": 35},
    "aom": {"preset": 8, "crf": 35},
    "vp9": {"preset": 5, "crf": 30},
    "vvenc": {"preset": "faster", "qp": 27},
}
X26X = ("x264", "x265")
SHOWN = ("slice", "IDR slice", "CRA slice", "slice (unreferenced)", "key frame", "frame", "frame shown again")
WIDTH, HEIGHT, FRAMES = 64, 48, 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return prepare_sequence(tmp_path_factory.mktemp("clips") / "discs", "discs-tiny")


def encode(clip: Clip, out: Path, encoder: str, *, threads: int = 1, **settings: object) -> Stream:
    codec, clock = FfmpegCodec(), StageClock()
    job = EncodeJob(
        settings={**codec.defaults, **QUICK[encoder], "encoder": encoder, **settings},
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


def units_of(stream: Stream) -> dict[str, int]:
    return FfmpegCodec().describe(stream)["units"]


def shown(units: dict[str, int]) -> int:
    return sum(units.get(name, 0) for name in SHOWN)


def keyframes(units: dict[str, int]) -> int:
    return sum(units.get(name, 0) for name in ("IDR slice", "CRA slice", "key frame"))


def with_payload(stream: Stream, payload: bytes, **fields: object) -> Stream:
    """The same header before other bytes, with a checksum that matches."""
    header = Header(**{**vars(stream.header), **fields})
    path = stream.path.with_name("other.bin")
    write_stream(path, header, [payload])
    return read_stream(path)


def elementary(encoder: str, size: str, pixel_format: str = "", frames: int = 5) -> bytes:
    """A payload of ffmpeg's test picture."""
    row = ENCODERS[encoder]
    made = FORMATS[row.format]
    source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=25", "-frames:v", str(frames)]
    settings = {**DEFAULTS, **QUICK[encoder], "encoder": encoder}
    arguments = [*source, *row.arguments(settings, 1), "-pix_fmt", pixel_format or row.pixel_format]
    return bytes([made.code]) + made.pack(b"".join(pipe_bytes([*arguments, "-f", made.demuxer, "pipe:1"])))


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def stream(encoder: str, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return encode(clip, tmp_path_factory.mktemp("streams") / "stream.bin", encoder)


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


def test_all_frames_come_back_alike_enough(clip: Clip, stream: Stream) -> None:
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


def test_nothing_is_in_it_that_a_decoder_does_not_need(encoder: str, stream: Stream) -> None:
    data = stream.path.read_bytes()
    for word in (b"x264", b"x265", b"Lavc", b"libaom", b"SVT", b"DKIF", b"vvenc"):
        assert word not in data
    assert not {"SEI", "AUD", "metadata", "padding"} & set(units_of(stream))
    assert FfmpegCodec().describe(stream)["bytes"] == len(stream.payload) - 1


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
    rate, slower = ("qp" if encoder == "vvenc" else "crf"), {"x264": "slow", "x265": "slow", "vvenc": "fast"}
    sizes = [
        encode(clip, tmp_path / "s.bin", encoder, **settings).bytes
        for settings in ({rate: 20}, {rate: 45}, {rate: 20, "preset": slower.get(encoder, 2)})
    ]
    assert sizes[1] < sizes[0] / 2
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("name", X26X)
def test_what_old_papers_set_reaches_x264_and_x265(clip: Clip, name: str, tmp_path: Path) -> None:
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
    ("name", "settings", "told"),
    [
        ("x266", {}, "encoder is 'x266'; use one of x264, x265"),
        ("x264", {"preset": "best"}, "invalid preset 'best'"),
        ("x265", {"preset": "best"}, "preset/tune best"),
        ("x264", {"tune": "fish"}, "invalid tune 'fish'"),
        ("x265", {"crf": 99}, "encoder x265: ffmpeg failed"),
        ("svtav1", {"crf": 64}, "encoder svtav1: ffmpeg failed: .*crf"),
        ("svtav1", {"preset": "slow"}, "encoder svtav1: ffmpeg failed: .*slow"),
        ("svtav1", {"tune": "psnr"}, "encoder svtav1: has no setting 'tune'; beside preset: crf"),
        ("svtav1", {"crf": 30.5}, "crf is 30.5, no whole number"),
        ("aom", {"crf": float("inf")}, "crf is inf, no whole number"),
        ("aom", {"crf": "low"}, "crf is 'low', no number"),
        ("vp9", {"crf": None}, "encoder vp9: no crf is given; give crf in a point"),
        ("vp9", {"bframes": 2}, "has no setting 'bframes'"),
        ("vvenc", {"qp": None, "crf": 30}, "encoder vvenc: has no setting 'crf'; beside preset: qp"),
        ("vvenc", {"keyint": 40}, "keyint is 40, no multiple of its group of 32 pictures"),
        ("x264", {"qp": 30}, "both crf and qp are given"),
        ("x264", {"crf": None}, "neither crf nor qp is given"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    clip: Clip, tmp_path: Path, name: str, settings: dict[str, object], told: str
) -> None:
    job = EncodeJob(
        settings={**DEFAULTS, **QUICK.get(name, {"preset": "fast"}), "encoder": name, **settings},
        state_dir=tmp_path,
        progress=lambda line: None,
        clock=StageClock(),
    )
    with pytest.raises(BenchError, match=told) as caught:
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


def test_describe_counts_what_is_shown(encoder: str, stream: Stream) -> None:
    units = units_of(stream)
    assert shown(units) == FRAMES
    assert keyframes(units) == 1
    for name in {"h264": ("SPS", "PPS"), "hevc": ("VPS", "SPS", "PPS"), "av1": ("sequence header",)}.get(
        ENCODERS[encoder].format, ()
    ):
        assert units[name] == 1


@pytest.mark.parametrize("name", ["svtav1", "aom", "vp9"])
def test_hidden_frames_are_told_and_show_nothing(tmp_path: Path, name: str) -> None:
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


def test_eight_bit_are_ten_with_zeros_and_come_back_by_rounding() -> None:
    every, deep = np.arange(256, dtype=np.uint8), np.arange(1024, dtype="<u2")
    eight = np.resize(every, 64 * 48 * 3 // 2)
    ten = np.resize(deep, 64 * 48 * 3 // 2)

    def convert(samples: np.ndarray, source: str, *arguments: str) -> bytes:
        raw = raw_video_args(pixel_format=source, width=64, height=48, fps=25)
        return b"".join(pipe_bytes([*raw, *arguments, "-f", "rawvideo", "pipe:1"], feed=[samples]))

    up = np.frombuffer(convert(eight, "yuv420p", "-pix_fmt", ENCODERS["vvenc"].pixel_format), "<u2")
    np.testing.assert_array_equal(up, eight.astype(np.uint16) << 2)
    down = np.frombuffer(convert(ten, "yuv420p10le", *FORMATS["vvc"].output), np.uint8)
    np.testing.assert_array_equal(down, np.minimum((ten + 2) >> 2, 255))


def test_a_vvc_decoders_ten_bit_are_rounded(clip: Clip, tmp_path: Path) -> None:
    stream = encode(clip, tmp_path / "s.bin", "vvenc")
    source = ["-f", "vvc", "-framerate", "25", "-i", "pipe:0"]
    arguments = [*source, "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
    frame_bytes = stream.header.frame_bytes * 2
    deep = pipe_frames(arguments, frame_bytes=frame_bytes, feed=[stream.payload[1:]])
    for ten, eight in zip(deep, decode(stream), strict=True):
        np.testing.assert_array_equal(eight, np.minimum((ten.view("<u2") + 2) >> 2, 255))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32])
def test_leb128_there_and_back(value: int) -> None:
    data = leb128(value)
    assert read_leb128(data + b"\xff", 0) == (value, len(data))
    with pytest.raises(StreamError):
        read_leb128(data[:-1], 0)


@pytest.mark.parametrize(("frames", "told"), [(9, "has more than 9 frames"), (11, "has 10 of 11 frames")])
def test_another_number_of_frames_is_refused(stream: Stream, frames: int, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        decode(with_payload(stream, bytes(stream.payload), frames=frames))


@pytest.mark.parametrize("fields", [{"width": 62}, {"width": 66}, {"height": 16}, {"height": 96}])
def test_another_geometry_is_refused(stream: Stream, fields: dict[str, int]) -> None:
    with pytest.raises(StreamError, match="decodes to 64x48, its header says"):
        decode(with_payload(stream, bytes(stream.payload), **fields))


def of_another_kind(encoder: str) -> dict[str, Callable[[], bytes]]:
    head = bytes([FORMATS[ENCODERS[encoder].format].code])
    kinds = {
        "huge pictures": lambda: elementary(encoder, "2048x1152", frames=2),
        "a change of size": lambda: elementary(encoder, "64x48") + elementary(encoder, "80x48")[1:],
        "a playlist": lambda: head + b"#EXTM3U\nfile:///etc/hosts\n" * 9,
        "another container": lambda: head + b"RIFF\0\0\1\0AVI LIST" * 50,
        "another format": lambda: head + elementary("x265" if encoder == "x264" else "x264", "64x48")[1:],
        "noise": lambda: head + np.random.default_rng(4).bytes(3000),
        "nothing": lambda: head,
        "no byte at all": lambda: b"",
        "an unknown format": lambda: b"\xff" + elementary(encoder, "64x48")[1:],
    }
    if encoder != "vvenc":  # which codes nothing but 10-bit 4:2:0
        kinds["10 bit"] = lambda: elementary(encoder, "64x48", "yuv420p10le")
    if encoder not in ("vvenc", "svtav1"):
        kinds["4:4:4"] = lambda: elementary(encoder, "64x48", "yuv444p")
    return kinds


@pytest.mark.parametrize(
    ("encoder", "kind"),
    [(name, kind) for name in ENCODERS for kind in of_another_kind(name)],
    indirect=["encoder"],
)
def test_payloads_of_another_kind_are_refused(stream: Stream, encoder: str, kind: str) -> None:
    payload = of_another_kind(encoder)[kind]()
    with pytest.raises(StreamError) as caught:
        decode(with_payload(stream, payload, frames=10))
    assert "\n" not in str(caught.value)


def test_the_right_kind_would_be_decoded(encoder: str, stream: Stream) -> None:
    payload = elementary(encoder, "64x48", frames=FRAMES)
    assert len(decode(with_payload(stream, payload))) == FRAMES


def test_an_rgb_header_is_refused(stream: Stream) -> None:
    with pytest.raises(StreamError, match="pixel_format is rgb24"):
        decode(with_payload(stream, bytes(stream.payload), pixel_format="rgb24"))


def test_a_payload_that_is_cut_is_refused(encoder: str, stream: Stream) -> None:
    cuts = [len(stream.payload) // 2]
    if ENCODERS[encoder].format in ("av1", "vp9"):  # whose parts say their size
        cuts.append(1)
    for cut in cuts:
        with pytest.raises(StreamError):
            decode(with_payload(stream, bytes(stream.payload[:-cut])))


@pytest.mark.parametrize(
    ("encoder", "payload", "told"),
    [
        ("vp9", b"\4\5abc", "packet's size is wrong"),
        ("vp9", b"\4\0", "packet's size is wrong"),
        ("vp9", b"\4\x80", "within a number"),
        ("vp9", b"\4\5\x82\x49\xc0\xff\xc0", "superframe whose sizes are wrong"),
        ("svtav1", b"\3\x12\x05a", "ends within an OBU"),
        ("svtav1", b"\3\x12" + b"\xff" * 9, "within a number"),
    ],
    indirect=["encoder"],
)
def test_damaged_framing_is_told(stream: Stream, payload: bytes, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        FfmpegCodec().describe(with_payload(stream, payload))
    with pytest.raises(StreamError):
        decode(with_payload(stream, payload))


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


def test_the_line_that_is_told_is_no_banner() -> None:
    said = (
        b"Svt[info]: SVT [version]: 4.2\nSvt[warn]: old preset\n[libsvtav1 @ 0x1] Error setting it\nfailed\n"
    )
    assert telling_line(said, 1) == "ffmpeg failed: Error setting it"
    assert telling_line(b"Svt[info]: SVT\n", 3) == "ffmpeg failed with status 3"
