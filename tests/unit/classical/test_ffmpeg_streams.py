"""Decoding with ffmpeg: in parts, rounded to 8 bit, and refused where a header or a payload is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from ffmpeg_data import FRAMES, QUICK, decode, encode

from baselines.ffmpeg.codec import FfmpegCodec
from baselines.ffmpeg.encoders import ENCODERS
from baselines.ffmpeg.formats import FORMATS, leb128, read_leb128
from baselines.ffmpeg.settings import FfmpegSettings
from bench.base.errors import StreamError
from bench.base.ffmpeg import pipe_bytes, pipe_frames, raw_video_args
from bench.base.stage_clock import StageClock
from bench.codec.container import Header, Stream, parse_stream, read_stream, repair_checksum, write_stream
from bench.video.clip import Clip, ClipInfo

DEFAULTS = FfmpegSettings.default_values()


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
    width, height = map(int, size.split("x"))
    clip = ClipInfo(
        name="testsrc2",
        sequence="testsrc2",
        width=width,
        height=height,
        frames=frames,
        fps=Fraction(25),
        colour="bt709",
        sha256="",
    )
    arguments = [*source, *row.arguments(settings, 1, clip), "-pix_fmt", pixel_format or row.pixel_format]
    return bytes([made.code]) + made.pack(b"".join(pipe_bytes([*arguments, "-f", made.demuxer, "pipe:1"])))


@pytest.mark.parametrize(("first", "stop"), [(0, 3), (4, 7), (9, 10), (5, None), (10, 10)])
def test_a_part_is_a_part_of_the_whole(stream: Stream, first: int, stop: int | None) -> None:
    whole = decode(stream)
    part = decode(stream, first, stop)
    assert len(part) == len(whole[first:stop])
    assert all(np.array_equal(a, b) for a, b in zip(part, whole[first:stop], strict=True))


def child_processes() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_closing_the_frames_ends_ffmpeg(stream: Stream) -> None:
    before = child_processes()
    frames = FfmpegCodec().decode(stream, device="cpu", clock=StageClock())
    next(frames)
    assert child_processes() > before
    frames.close()
    assert child_processes() == before


def test_eight_bits_become_ten_and_are_restored_by_rounding() -> None:
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


@pytest.mark.parametrize(("frames", "message"), [(9, "has more than 9 frames"), (11, "has 10 of 11 frames")])
def test_another_number_of_frames_is_refused(stream: Stream, frames: int, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        decode(with_payload(stream, bytes(stream.payload), frames=frames))


@pytest.mark.parametrize("fields", [{"width": 62}, {"width": 66}, {"height": 16}, {"height": 96}])
def test_another_geometry_is_refused(stream: Stream, fields: dict[str, int]) -> None:
    with pytest.raises(StreamError, match="decodes to 64x48, its header has"):
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


@pytest.mark.slow
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
    ("encoder", "payload", "message"),
    [
        ("vp9", b"\4\5abc", "packet's size is wrong"),
        ("vp9", b"\4\0", "packet's size is wrong"),
        ("vp9", b"\4\x80", "within a number"),
        ("vp9", b"\4\5\x82\x49\xc0\xff\xc0", "superframe with wrong sizes"),
        ("svtav1", b"\3\x12\x05a", "ends within an OBU"),
        ("svtav1", b"\3\x12" + b"\xff" * 9, "within a number"),
    ],
    indirect=["encoder"],
)
def test_damaged_framing_is_refused(stream: Stream, payload: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=message):
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
