"""A codec that is one of ffmpeg's encoders, its payload, and ffmpeg's own decoder of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.ffmpeg.encoders import Encoder, find_encoder
from baselines.ffmpeg.formats import FORMATS, Format
from bench.base.errors import BenchError, StreamError
from bench.base.ffmpeg import ffmpeg_version, pipe_bytes, pipe_frames, raw_video_args
from bench.base.stage_clock import StageClock
from bench.codec.container import Header, Stream
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.video.clip import Clip, ClipInfo
from bench.video.y4m import parse_y4m_header

if TYPE_CHECKING:
    from baselines.ffmpeg.settings import FfmpegSettings

_FRAME_LINE = b"FRAME\n"
_PROGRESS_FRAMES = 50


class FfmpegCodec(Codec):
    """An encoder of ffmpeg's, its payload and ffmpeg's own decoder of it."""

    @classmethod
    def settings_model(cls) -> type[FfmpegSettings]:
        from baselines.ffmpeg.settings import FfmpegSettings

        return FfmpegSettings

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Pictures that the encoder cannot code; settings that it does not have are an error."""
        side = find_encoder(settings).min_side
        if min(clip.width, clip.height) < side:
            return f"{settings['encoder']} codes no side below {side} pixels"
        return None

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Run the encoder over the whole clip, twice where it takes statistics first."""
        encoder = find_encoder(job.settings)
        info, made = clip.info, FORMATS[encoder.format]
        source = raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps)
        arguments = [*source, *encoder.arguments(job.settings, job.threads), "-fps_mode", "passthrough"]
        with job.clock("encode"), TemporaryDirectory() as folder:
            for index in range(1, encoder.passes):
                _run([*arguments, *_pass(index, folder), "-f", "null", "-"], clip, job, encoder)
            last = _pass(2, folder) if encoder.passes == 2 else []
            coded = _run([*arguments, *last, "-f", made.demuxer, "pipe:1"], clip, job, encoder)
        details = {
            "arguments": " ".join([*arguments, "-f", made.demuxer, "pipe:1"]),
            "passes": encoder.passes,
            "ffmpeg": ffmpeg_version(),
            "format": encoder.format,
        }
        payload = [bytes([made.code]), made.pack(coded)]
        return Encoded(payload=payload, pixel_format="yuv420p", details=details)

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Decode with ffmpeg, one thread; earlier frames than `first` are decoded and dropped."""
        header, (made, payload) = stream.header, _open(stream)
        last = header.frames if stop is None else stop
        frames = pipe_frames(
            _decode_arguments(made, header),
            frame_bytes=len(_FRAME_LINE) + header.frame_bytes,
            feed=made.unpack(payload, header),
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
        """Format and size of the elementary stream, and how many parts of each kind it has."""
        made, payload = _open(stream)
        counts = Counter(made.units(payload))
        return {"format": made.name, "bytes": len(payload), "units": dict(sorted(counts.items()))}


def _run(arguments: Sequence[str], clip: Clip, job: EncodeJob, encoder: Encoder) -> bytes:
    where = f"encoder {job.settings['encoder']}"
    remedy = f"check {', '.join(['preset', *encoder.knows])}"
    return b"".join(pipe_bytes(arguments, feed=_told(clip, job), where=where, remedy=remedy))


def _pass(index: int, folder: str) -> list[str]:
    return ["-pass", str(index), "-passlogfile", f"{folder}/statistics"]


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
        *("-f", made.demuxer, *(() if made.timed else ("-framerate", str(header.fps)))),
        *("-c:v", made.decoder, "-i", "pipe:0", "-map", "0:v:0", "-fps_mode", "passthrough"),
        *(*made.output, "-f", "yuv4mpegpipe", "pipe:1"),
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


CODEC = FfmpegCodec
