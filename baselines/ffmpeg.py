"""The classical codecs that ffmpeg encodes and decodes: x264 and x265.

The payload is one byte that names the format, then the encoder's elementary stream: a container
file would add 11-13 % at 20 kB. The encoder's note of its own version and options (an SEI of
about 600 bytes) is left out; nothing that a decoder needs is.

Matched settings: the whole clip is one run of the encoder with B-frames, one keyframe at its start
(the encoder may place more at scene cuts) and the true frame rate, because CRF means something else
at another rate. Threads are fixed, because both encoders change their output with them.

Another encoder is one row of `ENCODERS` (and one of `FORMATS` where its format is new).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.clip import Clip, parse_y4m_header
from bench.clock import StageClock
from bench.codec import Codec, Encoded, EncodeJob
from bench.container import Header, Stream
from bench.errors import BenchError, StreamError
from bench.ffmpeg import ffmpeg_version, pipe_bytes, pipe_frames, raw_video_args

_FRAME_LINE = b"FRAME\n"
_PROGRESS_FRAMES = 50


@dataclass(frozen=True)
class Format:
    """An elementary stream that ffmpeg demuxes and decodes under these exact names.

    Attributes:
        code: the payload's first byte; never reused.
        nal_type: NAL unit type out of the byte after a start code; names: what the types are called.
    """

    code: int
    demuxer: str
    decoder: str
    nal_type: Callable[[int], int]
    names: Mapping[int, str]


@dataclass(frozen=True)
class Encoder:
    """One of ffmpeg's encoders: the format it writes and the arguments that its settings make."""

    format: str
    arguments: Callable[[Mapping[str, Any], int], list[str]]


FORMATS = {
    "h264": Format(
        1,
        "h264",
        "h264",
        lambda byte: byte & 31,
        {1: "slice", 5: "IDR slice", 6: "SEI", 7: "SPS", 8: "PPS", 9: "AUD"},
    ),
    "hevc": Format(
        2,
        "hevc",
        "hevc",
        lambda byte: byte >> 1 & 63,
        {0: "slice (unreferenced)", 1: "slice", 19: "IDR slice", 20: "IDR slice", 21: "CRA slice"}
        | {32: "VPS", 33: "SPS", 34: "PPS", 39: "SEI", 40: "SEI"},
    ),
}


def _x264_arguments(settings: Mapping[str, Any], threads: int) -> list[str]:
    keyint = settings["keyint"] or "infinite"
    # Type 6 is SEI: x264 writes its version there and has no switch against it.
    return [
        *("-c:v", "libx264", "-preset", settings["preset"], "-crf", f"{settings['crf']:g}"),
        *("-threads", str(threads), "-x264-params", f"keyint={keyint}:open-gop=0"),
        *("-bsf:v", "filter_units=remove_types=6"),
    ]


def _x265_arguments(settings: Mapping[str, Any], threads: int) -> list[str]:
    # Frame threads change the output and wavefronts cost rate: neither without threads to feed.
    pools = "none" if threads == 1 else str(threads)
    parameters = f"keyint={settings['keyint'] or -1}:open-gop=0:info=0:frame-threads=1:pools={pools}"
    return [
        *("-c:v", "libx265", "-preset", settings["preset"], "-crf", f"{settings['crf']:g}"),
        *("-x265-params", f"{parameters}:log-level=error"),
    ]


ENCODERS = {
    "x264": Encoder("h264", _x264_arguments),
    "x265": Encoder("hevc", _x265_arguments),
}


class FfmpegCodec(Codec):
    """An encoder of ffmpeg's, its payload and ffmpeg's own decoder of it."""

    defaults: Mapping[str, Any] = {
        "encoder": ...,  # a row of ENCODERS
        "crf": ...,  # the encoder's constant rate factor: higher is smaller and worse
        "preset": "medium",  # the encoder's effort
        "tune": "",  # the encoder's tuning ("psnr", "zerolatency"); empty for none
        "keyint": 0,  # longest distance between keyframes in frames; 0 for the whole clip
    }

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Run the encoder over the whole clip."""
        settings = job.settings
        if settings["encoder"] not in ENCODERS:
            problem = f"encoder is {settings['encoder']!r}"
            raise BenchError("family ffmpeg", problem, f"use one of {', '.join(ENCODERS)}")
        encoder = ENCODERS[settings["encoder"]]
        info, made = clip.info, FORMATS[encoder.format]
        options = encoder.arguments(settings, job.threads)
        if settings["tune"]:
            options += ["-tune", settings["tune"]]
        arguments = [
            *raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps),
            *(*options, "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-f", made.demuxer, "pipe:1"),
        ]
        with job.clock("encode"):
            chunks = list(
                pipe_bytes(
                    arguments,
                    feed=_told(clip, job),
                    where=f"encoder {settings['encoder']}",
                    remedy="check preset, tune and crf",
                )
            )
        details = {"arguments": " ".join(arguments), "ffmpeg": ffmpeg_version(), "format": encoder.format}
        return Encoded(payload=[bytes([made.code]), *chunks], pixel_format="yuv420p", details=details)

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Decode with ffmpeg, one thread; earlier frames than `first` are decoded and dropped."""
        header, (made, payload) = stream.header, _open(stream)
        last = header.frames if stop is None else stop
        frames = pipe_frames(
            _decode_arguments(made, header),
            frame_bytes=len(_FRAME_LINE) + header.frame_bytes,
            feed=[payload],
            where=stream.path,
            error=StreamError,
            remedy="encode the clip again",
            on_header=lambda line: _check_header(line, stream),
        )
        try:
            for index in range(last):
                with clock("decode"):
                    frame = next(frames, None)
                if frame is None:
                    raise StreamError(stream.path, f"has {index} of {header.frames} frames")
                if index >= first:
                    yield frame[len(_FRAME_LINE) :]
            if last == header.frames:
                with clock("decode"):
                    more = next(frames, None)
                if more is not None:
                    raise StreamError(stream.path, f"has more than {header.frames} frames")
        finally:
            frames.close()

    def describe(self, stream: Stream) -> dict[str, Any]:
        """Format, size and the NAL units of the elementary stream."""
        made, payload = _open(stream)
        units = Counter(made.nal_type(byte) for byte in _nal_headers(bytes(payload)))
        counts = {made.names.get(unit, f"type {unit}"): 0 for unit in sorted(units)}
        for unit, count in units.items():
            counts[made.names.get(unit, f"type {unit}")] += count
        return {"format": made.demuxer, "bytes": len(payload), "nal_units": counts}


def _told(clip: Clip, job: EncodeJob) -> Iterator[np.ndarray]:
    for index, frame in enumerate(clip.frames()):
        if index % _PROGRESS_FRAMES == 0:
            job.progress(f"frame {index} of {clip.info.frames}")
        yield frame


def _open(stream: Stream) -> tuple[Format, memoryview]:
    if len(stream.payload) < 2:
        raise StreamError(stream.path, "has an empty payload")
    code = stream.payload[0]
    for made in FORMATS.values():
        if made.code == code:
            if stream.header.pixel_format != "yuv420p":
                raise StreamError(stream.path, f"pixel_format is {stream.header.pixel_format}, not yuv420p")
            return made, stream.payload[1:]
    raise StreamError(stream.path, f"names the unknown format {code}", "use a newer version of the suite")


def _decode_arguments(made: Format, header: Header) -> list[str]:
    """ffmpeg as a decoder of bytes that nobody vouches for.

    It may read its standard input only, with one demuxer and one decoder; pictures larger than the
    header's, a change of picture and damage end it, and CPU time and single allocations are bounded.
    y4m goes out because its first line tells the true size and format.
    """
    pixels = header.width * header.height
    padded = math.ceil(header.width / 128) * math.ceil(header.height / 128) * 128**2
    seconds = 60 + pixels * header.frames // 1_000_000
    return [
        *("-protocol_whitelist", "pipe", "-max_alloc", str(max(1 << 26, 16 * padded)), "-xerror"),
        *("-timelimit", str(seconds), "-threads", "1", "-max_pixels", str(padded)),
        *("-err_detect", "explode", "-drop_changed", "1", "-format_whitelist", made.demuxer),
        *("-f", made.demuxer, "-framerate", str(header.fps), "-c:v", made.decoder, "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough"),
        *("-f", "yuv4mpegpipe", "pipe:1"),
    ]


def _check_header(line: bytes, stream: Stream) -> None:
    try:
        width, height, _ = parse_y4m_header(line, where=stream.path)
    except BenchError as error:
        raise StreamError(stream.path, f"decodes to no 8-bit 4:2:0 frames ({error.problem})") from error
    wanted = stream.header
    if (width, height) != (wanted.width, wanted.height):
        said = f"{wanted.width}x{wanted.height}"
        raise StreamError(stream.path, f"decodes to {width}x{height}, its header says {said}")


def _nal_headers(payload: bytes) -> Iterator[int]:
    at = payload.find(b"\0\0\1")
    while 0 <= at < len(payload) - 3:
        yield payload[at + 3]
        at = payload.find(b"\0\0\1", at + 3)


CODEC = FfmpegCodec
