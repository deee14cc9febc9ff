"""Metrics that ffmpeg computes: VMAF, PSNR-HVS, CIEDE2000, CAMBI and XPSNR.

One process of ffmpeg per stream computes all of them that a condition lists, by the filters libvmaf and
xpsnr. Decoded frames are piped to it.

| metric | definition |
|---|---|
| VMAF | the built-in model of libvmaf that `Metric.model` names |
| PSNR-HVS | PSNR of an error that is weighted by contrast sensitivity and masking in 8x8 DCT blocks |
| CIEDE2000 | 45 - 20 log10(mean CIEDE2000 colour difference), with k_L = 0.65, k_C = 1 and k_H = 4 |
| CAMBI | visibility of banding in the decoded frame alone: 0 is none, about 24 is unwatchable |
| XPSNR | PSNR of a plane whose blocks are weighted by the activity of the source in space and time |

PSNR-HVS, CIEDE2000 and XPSNR of identical frames are infinite. They are capped at 100 dB, as PSNR is.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, cast

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import failure_message, ffmpeg_exe, raw_video_args
from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import METRICS, SCORERS, Scored
from bench.video.clip import Clip
from bench.video.psnr import PSNR_CAP_DB

#: Metric -> name of the feature of libvmaf, and key of its value in libvmaf's log.
_FEATURES = {
    "psnr_hvs_db": ("psnr_hvs", "psnr_hvs"),
    "ciede2000": ("ciede", "ciede2000"),
    "cambi": ("cambi", "cambi"),
}
#: Metric -> plane in the log of the filter xpsnr.
_XPSNR_PLANES = {"xpsnr_y_db": "y", "xpsnr_u_db": "u", "xpsnr_v_db": "v"}
_MODELS = [name for name, metric in METRICS.items() if metric.model]
_XPSNR_VALUE = re.compile(r"XPSNR ([yuv]): +(\S+)")


class FfmpegScorer:
    """Pipes decoded frames to ffmpeg, which reads the reference frames from clip.y4m.

    The VMAF models were trained on 1080p video seen from three picture heights (`vmaf_4k`: 2160p from one and
    a half). On small clips their values rank codecs, but they do not predict opinion scores.
    """

    def __init__(self, clip: Clip, names: Sequence[str]) -> None:
        info = clip.info
        self.frames, self.names = info.frames, names
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.xpsnr_log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            [
                *(ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error"),
                *raw_video_args(pixel_format="yuv420p", width=info.width, height=info.height, fps=info.fps),
                *("-f", "yuv4mpegpipe", "-i", f"file:{clip.path.resolve()}"),
                *("-lavfi", filter_graph(names, xpsnr_log=f"/dev/fd/{self.xpsnr_log.fileno()}")),
                *("-fps_mode", "passthrough", "-f", "null", "-"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            pass_fds=[self.xpsnr_log.fileno()],
        )
        self.sink = cast("BinaryIO", self.process.stdin)
        self.log = cast("BinaryIO", self.process.stdout)

    def add(self, pair: FramePair) -> None:
        """Write the next frame to ffmpeg. libvmaf's log comes after the last one: the pipes cannot block."""
        try:
            self.sink.write(np.ascontiguousarray(pair.decoded_yuv).data)
        except BrokenPipeError:
            raise self._failure() from None

    def finish(self) -> dict[str, Scored]:
        """Value of the clip and of each frame, by metric."""
        log, _ = self.process.communicate()
        try:
            of_libvmaf = [frame["metrics"] for frame in json.loads(log)["frames"]] if log else []
            results = {name: self._scored(name, of_libvmaf) for name in self.names}
        except (ValueError, KeyError, TypeError):
            raise self._failure() from None
        if self.process.returncode:
            raise self._failure()
        return results

    def _scored(self, name: str, of_libvmaf: Sequence[Mapping[str, Any]]) -> Scored:
        metric, plane = METRICS[name], _XPSNR_PLANES.get(name)
        if plane:
            values = self._xpsnr(plane)
        else:
            key = _FEATURES[name][1] if name in _FEATURES else name
            # libvmaf writes null for infinity.
            values = [math.inf if frame[key] is None else frame[key] for frame in of_libvmaf]
        if len(values) != self.frames or (metric.model and math.inf in values):
            raise ValueError
        ceiling = metric.ceiling if metric.higher_is_better else None
        capped = values if ceiling is None else [min(value, ceiling) for value in values]
        return xpsnr_of_clip(values) if plane else float(np.mean(capped)), capped

    def _xpsnr(self, plane: str) -> list[float]:
        """XPSNR of a plane in each frame, in dB; infinite for identical ones."""
        self.xpsnr_log.seek(0)
        lines = self.xpsnr_log.read().decode().splitlines()
        return [float(dict(_XPSNR_VALUE.findall(line))[plane]) for line in lines if line.startswith("n:")]

    def close(self) -> None:
        """End ffmpeg if it still runs."""
        self.process.kill()
        for file in (self.sink, self.log, self.xpsnr_log):
            with contextlib.suppress(OSError):
                file.close()
        self.process.wait()
        self.stderr.close()

    def _failure(self) -> BenchError:
        status = self.process.wait()
        self.stderr.seek(0)
        problem = failure_message(self.stderr.read(), status)
        return BenchError(", ".join(self.names), problem, "leave the metric out of the condition")


def filter_graph(names: Iterable[str], *, xpsnr_log: str) -> str:
    """ffmpeg's filter graph for these metrics. Input 0 has the decoded frames, input 1 the reference frames.

    libvmaf writes its log to stdout. xpsnr takes its weights from its first input, which is the reference.
    """
    names = list(names)
    models = [f"version={METRICS[name].model}\\:name={name}" for name in names if METRICS[name].model]
    features = [f"name={_FEATURES[name][0]}" for name in names if name in _FEATURES]
    options = [f"model='{'|'.join(models)}'"]  # without a model, the default one would be computed
    options += [f"feature='{'|'.join(features)}'"] if features else []
    libvmaf = f"libvmaf={':'.join([*options, 'n_threads=1', 'log_fmt=json', 'log_path=/dev/stdout'])}"
    xpsnr = f"xpsnr=stats_file={xpsnr_log}"
    if not any(name in _XPSNR_PLANES for name in names):
        return f"[0:v][1:v]{libvmaf}"
    if not models and not features:
        return f"[1:v][0:v]{xpsnr}"
    return f"[0:v]split[a][b];[1:v][a]{xpsnr}[reference];[b][reference]{libvmaf}"


def xpsnr_of_clip(values: Sequence[float]) -> float:
    """XPSNR of a clip from that of its frames, in dB: that of the squared mean of the roots of their errors.

    ffmpeg's filter averages so. The value is at most the mean of the frames'.
    """
    root = float(np.mean([10 ** (-value / 20) for value in values]))
    return PSNR_CAP_DB if root == 0 else min(PSNR_CAP_DB, -20 * math.log10(root))


for _name in (*_MODELS, *_FEATURES, *_XPSNR_PLANES):
    SCORERS[_name] = FfmpegScorer
