"""VMAF by the filter libvmaf of ffmpeg with its built-in model. Decoded frames are piped to ffmpeg."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import failure_message, ffmpeg_exe, raw_video_args
from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import SCORERS
from bench.video.clip import Clip

MODEL = "vmaf_v0.6.1"


class VmafScorer:
    """Pipes decoded frames to ffmpeg, which reads the reference frames from clip.y4m. Range 0 to 100.

    The model was trained on 1080p video seen from three picture heights. On small clips its values rank
    codecs, but they do not predict opinion scores.
    """

    def __init__(self, clip: Clip) -> None:
        info = clip.info
        self.frames = info.frames
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        graph = f"[0:v][1:v]libvmaf=model=version={MODEL}:n_threads=1:log_fmt=json:log_path=/dev/stdout"
        self.process = subprocess.Popen(
            [
                *(ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error"),
                *raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps),
                *("-f", "yuv4mpegpipe", "-i", f"file:{clip.path.resolve()}"),
                *("-lavfi", graph, "-fps_mode", "passthrough", "-f", "null", "-"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
        )
        self.sink = cast("BinaryIO", self.process.stdin)
        self.log = cast("BinaryIO", self.process.stdout)

    def add(self, pair: FramePair) -> None:
        """Write the next frame to ffmpeg. Its log comes after the last one, so the pipes cannot block."""
        try:
            self.sink.write(np.ascontiguousarray(pair.decoded_yuv).data)
        except BrokenPipeError:
            raise self._failure() from None

    def finish(self) -> tuple[float, Sequence[float]]:
        """Mean over the frames, and the value of each frame."""
        log, _ = self.process.communicate()
        try:
            values = [frame["metrics"]["vmaf"] for frame in json.loads(log)["frames"]]
        except (ValueError, KeyError, TypeError):
            raise self._failure() from None
        if self.process.returncode or len(values) != self.frames:
            raise self._failure()
        return float(np.mean(values)), values

    def close(self) -> None:
        """End ffmpeg if it still runs."""
        self.process.kill()
        for pipe in (self.sink, self.log):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.wait()
        self.stderr.close()

    def _failure(self) -> BenchError:
        status = self.process.wait()
        self.stderr.seek(0)
        problem = failure_message(self.stderr.read(), status)
        return BenchError("vmaf", problem, "leave vmaf out of the metrics")


SCORERS["vmaf"] = VmafScorer
