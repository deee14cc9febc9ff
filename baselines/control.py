"""Control codecs, whose results are known beforehand. If a result differs, the test harness is wrong.

``identity`` stores the clip: lossless, 12 bits per pixel. ``mean-frame`` stores one frame, the average of
all, and repeats it. Its PSNR follows from the clip's statistics, and its rate is 12 bits per pixel divided
by the number of frames. A codec with a lower quality than the mean frame carries no information about the
frames.

Payload: one byte for the mode, then raw yuv420p frames (all of them, or one).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from bench.base.errors import StreamError
from bench.base.stage_clock import StageClock
from bench.codec.container import Stream
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.video.clip import Clip

if TYPE_CHECKING:
    from bench.codec.settings import Settings

MODES = ("identity", "mean-frame")


class Control(Codec):
    """Both controls; the setting `mode` chooses."""

    @classmethod
    @functools.cache
    def settings_model(cls) -> type[Settings]:
        from bench.base.strict_model import one_of
        from bench.codec.settings import Settings

        class ControlSettings(Settings):
            """A control."""

            mode: Annotated[str, *one_of(MODES)]
            """identity: the clip as it is; mean-frame: its average frame."""

        return ControlSettings

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        mode = job.settings["mode"]
        frames = clip.frames()
        if mode == "mean-frame":
            with job.clock("average"):
                frames = iter([mean_frame(clip)])
        return Encoded(payload=_payload(MODES.index(mode), frames), pixel_format="yuv420p")

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        mode = _check(stream)
        size = stream.header.frame_bytes
        frames = np.frombuffer(stream.payload, np.uint8, offset=1).reshape(-1, size)
        for index in range(first, stream.header.frames if stop is None else stop):
            with clock("read"):
                frame = frames[index if mode == "identity" else 0].copy()
            yield frame

    def describe(self, stream: Stream) -> dict[str, Any]:
        return {
            "mode": _check(stream),
            "frames_stored": (len(stream.payload) - 1) // stream.header.frame_bytes,
        }


CODEC = Control


def mean_frame(clip: Clip) -> np.ndarray:
    """The clip's average frame, rounded to the nearest integer (halves up); flat yuv420p."""
    total = np.zeros(clip.info.frame_bytes, np.uint32)
    for frame in clip.frames():
        total += frame
    count = clip.info.frames
    return ((total + count // 2) // count).astype(np.uint8)


def _payload(mode: int, frames: Iterator[np.ndarray]) -> Iterator[bytes]:
    yield bytes([mode])
    for frame in frames:
        yield frame.tobytes()


def _check(stream: Stream) -> str:
    """The stream's mode, after checking everything that decoding relies on.

    Raises:
        StreamError: the payload is not that of a control.
    """
    header, payload = stream.header, stream.payload
    if header.pixel_format != "yuv420p":
        raise StreamError(stream.path, f"pixel_format is {header.pixel_format}, must be yuv420p")
    if not len(payload) or payload[0] >= len(MODES):
        raise StreamError(stream.path, "has an unknown mode of a control")
    mode = MODES[payload[0]]
    frames = header.frames if mode == "identity" else 1
    if len(payload) != 1 + frames * header.frame_bytes:
        raise StreamError(
            stream.path, f"{mode}: {len(payload)} bytes must be 1 + {frames} x {header.frame_bytes}"
        )
    return mode
