"""Streams of ffmpeg's encoders, for the tests of this folder: quickly made, and decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baselines.ffmpeg.codec import FfmpegCodec
from bench.base.stage_clock import StageClock
from bench.codec.container import Header, Stream, read_stream, write_stream
from bench.codec.contract import EncodeJob
from bench.video.clip import Clip

#: Each encoder at its fastest, at a middling rate.
QUICK: dict[str, dict[str, object]] = {
    "x264": {"preset": "medium", "crf": 28},
    "x265": {"preset": "medium", "crf": 28},
    "svtav1": {"preset": 12, "crf": 35},
    "aom": {"preset": 8, "crf": 35},
    "vp9": {"preset": 5, "crf": 30},
    "vvenc": {"preset": "faster", "qp": 27},
    "kvazaar": {"preset": "ultrafast", "qp": 27},
    "rav1e": {"preset": 10, "qp": 100},
}
WIDTH, HEIGHT, FRAMES = 64, 48, 10


def encode(clip: Clip, out: Path, encoder: str, *, threads: int = 1, **settings: object) -> Stream:
    codec, clock = FfmpegCodec(), StageClock()
    job = EncodeJob(
        settings={
            **codec.settings_model().default_values(),
            **QUICK[encoder],
            "encoder": encoder,
            **settings,
        },
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
