"""VMAF by ffmpeg's libvmaf, with its built-in model, while the frames stream by."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import failure_message, ffmpeg_exe, has_component, raw_video_args
from bench.scoring.metrics import FramePair, Metric, register
from bench.video.clip import Clip, ClipInfo

MODEL = "vmaf_v0.6.1"
_SMALLEST_SIDE = 32


class VmafScorer:
    """Sends decoded frames to ffmpeg, which reads the true ones from clip.y4m.

    The model was trained for 1080p at three picture heights: on small clips its values rank, they do
    not tell what a viewer sees.
    """

    def __init__(self, clip: Clip) -> None:
        info = clip.info
        self.frames = info.frames
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
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
            stderr=self.said,
        )
        self.sink = cast("BinaryIO", self.process.stdin)
        self.log = cast("BinaryIO", self.process.stdout)

    def add(self, pair: FramePair) -> None:
        """Send the next frame (ffmpeg reads as it goes, and tells nothing before the end)."""
        try:
            self.sink.write(np.ascontiguousarray(pair.decoded_yuv).data)
        except BrokenPipeError:
            raise self._failure() from None

    def finish(self) -> tuple[float, Sequence[float]]:
        """Mean over the frames, and each frame's."""
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
        self.said.close()

    def _failure(self) -> BenchError:
        status = self.process.wait()
        self.said.seek(0)
        return BenchError("vmaf", failure_message(self.said.read(), status), "leave vmaf out of the metrics")


def _unavailable(info: ClipInfo) -> str | None:
    side = min(info.width, info.height)
    if side < _SMALLEST_SIDE:
        return f"libvmaf needs sides of {_SMALLEST_SIDE}, one is {side}"
    return None if has_component("filter", "libvmaf") else "this ffmpeg has no libvmaf"


register(Metric(name="vmaf", column="vmaf", open=VmafScorer, skip=_unavailable))
