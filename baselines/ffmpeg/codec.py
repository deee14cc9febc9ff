"""Classical codecs: one of ffmpeg's encoders, and ffmpeg's decoder of the same format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.ffmpeg.encoders import Encoder, find_encoder
from baselines.ffmpeg.formats import FORMATS, Format
from bench.base.errors import BenchError, StreamError
from bench.base.ffmpeg import ffmpeg_identity, ffmpeg_version, pipe_bytes, pipe_frames, raw_video_args
from bench.base.files import temporary_folder
from bench.base.stage_clock import StageClock
from bench.codec.container import Header, Stream
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.video.clip import Clip, ClipInfo
from bench.video.y4m import parse_y4m_header

if TYPE_CHECKING:
    from baselines.ffmpeg.settings import FfmpegSettings

_FRAME_LINE = b"FRAME\n"
_PROGRESS_FRAMES = 50
#: Memory of ffmpeg besides frames, and the most frames that it keeps: 16 references and those around them.
#: A frame has 1.5 samples a pixel, of up to two bytes.
_FFMPEG_BYTES, _FRAMES_IN_MEMORY = 256 << 20, 24


class FfmpegCodec(Codec):
    """An encoder of ffmpeg, selected by the setting `encoder`, and ffmpeg's decoder of its format."""

    encodes_with_ffmpeg = True

    @classmethod
    def settings_model(cls) -> type[FfmpegSettings]:
        from baselines.ffmpeg.settings import FfmpegSettings

        return FfmpegSettings

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Reason for frames below the encoder's smallest size.

        Raises:
            BenchError: the encoder does not have a setting, a preset or a tuning.
        """
        side = find_encoder(settings).min_side
        if min(clip.width, clip.height) < side:
            return f"{settings['encoder']} codes no side below {side} pixels"
        return None

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Run the encoder on the whole clip; twice if it has a first pass for statistics."""
        encoder = find_encoder(job.settings)
        if job.settings["search"] is not None:
            from bench.codec.search import search_encode

            identity = {"ffmpeg": ffmpeg_identity()}
            return search_encode(self, clip, job, family="ffmpeg", identity=identity, encode=self.encode)
        info, format_ = clip.info, FORMATS[encoder.coded_format(job.settings)]
        passes = encoder.runs(job.settings)
        source = raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps)
        arguments = [*source, *encoder.arguments(job.settings, job.threads, info), "-fps_mode", "passthrough"]
        with job.clock("encode"), temporary_folder("statistics") as folder:
            for index in range(1, passes):
                _run([*_pass(arguments, index, folder), "-f", "null", "-"], clip, job, encoder)
            last = _pass(arguments, 2, folder) if passes == 2 else arguments
            coded = _run([*last, "-f", format_.demuxer, "pipe:1"], clip, job, encoder)
        details = {
            "arguments": " ".join([*arguments, "-f", format_.demuxer, "pipe:1"]),
            "passes": passes,
            "ffmpeg": ffmpeg_version(),
            "format": format_.name,
        }
        payload = [bytes([format_.code]), format_.pack(coded)]
        return Encoded(payload=payload, pixel_format="yuv420p", details=details)

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Decode with ffmpeg in one thread. Frames before `first` are decoded and discarded."""
        header, (format_, payload) = stream.header, _open(stream)
        last = header.frames if stop is None else stop
        frames = pipe_frames(
            _decode_arguments(format_, header),
            frame_bytes=len(_FRAME_LINE) + header.frame_bytes,
            feed=format_.unpack(payload, header),
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

    def decoder_memory(self, stream: Stream, *, enough: int = 0) -> int:
        return _FFMPEG_BYTES + _FRAMES_IN_MEMORY * 3 * _padded_pixels(stream.header)

    def describe(self, stream: Stream) -> dict[str, Any]:
        """Format and bytes of the elementary stream, and its number of units of each type."""
        format_, payload = _open(stream)
        counts = Counter(format_.units(payload))
        return {"format": format_.name, "bytes": len(payload), "units": dict(sorted(counts.items()))}


def _run(arguments: Sequence[str], clip: Clip, job: EncodeJob, encoder: Encoder) -> bytes:
    where = f"encoder {job.settings['encoder']}"
    remedy = f"check {', '.join(['preset', *encoder.settings])}"
    return b"".join(pipe_bytes(arguments, feed=_with_progress(clip, job), where=where, remedy=remedy))


def _pass(arguments: Sequence[str], index: int, folder: Path) -> list[str]:
    """The arguments of one of two passes. libx265 reads the pass and its file from its own parameters."""
    if "-x265-params" in arguments:
        at = arguments.index("-x265-params") + 1
        file = f"{folder}/statistics".replace("\\", r"\\").replace(":", r"\:")
        return [*arguments[:at], f"{arguments[at]}:pass={index}:stats={file}", *arguments[at + 1 :]]
    return [*arguments, "-pass", str(index), "-passlogfile", f"{folder}/statistics"]


def _with_progress(clip: Clip, job: EncodeJob) -> Iterator[np.ndarray]:
    """The frames of a clip, with a progress line every few frames."""
    for index, frame in enumerate(clip.frames()):
        if index % _PROGRESS_FRAMES == 0:
            job.progress(f"frame {index} of {clip.info.frames}")
        yield frame


def _open(stream: Stream) -> tuple[Format, memoryview]:
    if len(stream.payload) < 2:
        raise StreamError(stream.path, "has an empty payload")
    code = stream.payload[0]
    for format_ in FORMATS.values():
        if format_.code == code:
            if stream.header.pixel_format != "yuv420p":
                raise StreamError(
                    stream.path, f"pixel_format is {stream.header.pixel_format}, must be yuv420p"
                )
            return format_, stream.payload[1:]
    raise StreamError(stream.path, f"has the unknown format code {code}", "use a newer version of the suite")


def _decode_arguments(format_: Format, header: Header) -> list[str]:
    """ffmpeg's arguments to decode untrusted bytes.

    ffmpeg reads only its standard input, with one demuxer and one decoder. It fails on frames larger than
    the header's, on a change of the frame size and on damage. CPU time and single allocations are limited.
    The output is y4m, because its first line has the true size and format.
    """
    pixels, padded = header.width * header.height, _padded_pixels(header)
    seconds = 60 + pixels * header.frames // 1_000_000
    return [
        *("-protocol_whitelist", "pipe", "-max_alloc", str(max(1 << 26, 16 * padded)), "-xerror"),
        *("-timelimit", str(seconds), "-threads", "1", "-max_pixels", str(padded)),
        *("-err_detect", "explode", "-drop_changed", "1", "-format_whitelist", format_.demuxer),
        *("-f", format_.demuxer, *(() if format_.timed else ("-framerate", str(header.fps)))),
        *("-c:v", format_.decoder, "-i", "pipe:0", "-map", "0:v:0", "-fps_mode", "passthrough"),
        *(*format_.output, "-f", "yuv4mpegpipe", "pipe:1"),
    ]


def _padded_pixels(header: Header) -> int:
    """Pixels of a frame whose sides are multiples of the largest block of any format."""
    return math.ceil(header.width / 128) * math.ceil(header.height / 128) * 128**2


def _check_header(line: bytes, stream: Stream) -> None:
    try:
        width, height, _ = parse_y4m_header(line, where=stream.path)
    except BenchError as error:
        raise StreamError(stream.path, f"must decode to 8-bit 4:2:0 frames ({error.problem})") from error
    header = stream.header
    if (width, height) != (header.width, header.height):
        expected = f"{header.width}x{header.height}"
        raise StreamError(stream.path, f"decodes to {width}x{height}, its header has {expected}")


CODEC = FfmpegCodec
