"""Pipes to and from ffmpeg."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bench.base.errors import BenchError
from bench.base.ffmpeg import failure_message, pipe_bytes, pipe_frames, raw_video_args

ENDS_WHILE_FFMPEG_RUNS = """
import itertools, sys
import numpy as np
from bench.base.ffmpeg import pipe_frames, raw_video_args

feed = itertools.repeat(np.zeros(64 * 48 * 3, np.uint8))
args = [*raw_video_args(pixel_format="rgb24", width=64, height=48, fps=25), "-f", "rawvideo", "pipe:1"]
frames = pipe_frames(args, frame_bytes=64 * 48 * 3, feed=feed)
next(frames)
sys.exit(3)
"""


def test_a_program_may_end_while_ffmpeg_runs() -> None:
    """The threads at the pipes must not block the interpreter's shutdown or change its exit status."""
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", ENDS_WHILE_FFMPEG_RUNS], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (3, "")


def test_a_long_feed_and_a_long_output() -> None:
    """More than a pipe holds, in both directions at once and in pieces of any size."""
    data = np.random.default_rng(0).bytes(6_000_000)
    feed = [data[:1], data[1:5_000_001], memoryview(data)[5_000_001:]]
    args = ["-f", "u8", "-ar", "8000", "-ac", "1", "-i", "pipe:0", "-f", "u8", "-c", "copy", "pipe:1"]
    assert b"".join(pipe_bytes(args, feed=feed)) == data


def test_a_failure_is_the_first_line_of_ffmpeg() -> None:
    args = raw_video_args(pixel_format="yuv420p", width=4, height=2, fps=25, source="missing.yuv")
    with pytest.raises(BenchError, match=r"^clip: ffmpeg failed: Error opening input.*; check the input$"):
        list(pipe_frames([*args, "-f", "rawvideo", "pipe:1"], frame_bytes=12, where="clip"))
    assert (
        failure_message(b"[rawvideo @ 0x55] bad size\nConversion failed!\n", 1) == "ffmpeg failed: bad size"
    )
    assert failure_message(b"", 7) == "ffmpeg failed with status 7"
