"""Control codecs, whose results are known beforehand. If a result differs, the test harness is wrong.

Both code the clip's truth: 12 bits per pixel for yuv420p, 24 for RGB. ``identity`` stores all frames and is
lossless. ``mean-frame`` stores one frame, the average of all, and repeats it. Its PSNR follows from the
clip's statistics, and its rate is that of ``identity`` divided by the number of frames. A codec with a lower
quality than the mean frame carries no information about the frames.

Payload: one byte for the mode, then raw frames of the header's pixel format (all of them, or one).
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
        mode, rgb = job.settings["mode"], clip.info.truth == "rgb"
        frames = clip.rgb() if rgb else clip.frames()
        if mode == "mean-frame":
            with job.clock("average"):
                frames = iter([mean_frame(frames, count=clip.info.frames)])
        payload = _payload(MODES.index(mode), frames)
        return Encoded(payload=payload, pixel_format="rgb24" if rgb else "yuv420p")

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        mode = _check(stream)
        size = stream.header.frame_bytes
        frames = np.frombuffer(stream.payload, np.uint8, offset=1).reshape(-1, size)
        for index in range(first, stream.header.frames if stop is None else stop):
            with clock("read"):
                frame = frames[index if mode == "identity" else 0].copy()
            yield frame.reshape(stream.header.frame_shape)

    def describe(self, stream: Stream) -> dict[str, Any]:
        return {
            "mode": _check(stream),
            "frames_stored": (len(stream.payload) - 1) // stream.header.frame_bytes,
        }


CODEC = Control


def mean_frame(frames: Iterator[np.ndarray], *, count: int) -> np.ndarray:
    """The average of `count` frames, rounded to the nearest integer (halves up); uint8, their shape."""
    total = next(frames).astype(np.uint32)
    for frame in frames:
        total += frame
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
    if not len(payload) or payload[0] >= len(MODES):
        raise StreamError(stream.path, "has an unknown mode of a control")
    mode = MODES[payload[0]]
    frames = header.frames if mode == "identity" else 1
    if len(payload) != 1 + frames * header.frame_bytes:
        raise StreamError(
            stream.path, f"{mode}: {len(payload)} bytes must be 1 + {frames} x {header.frame_bytes}"
        )
    return mode
