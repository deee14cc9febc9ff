"""Memory that jobs request on a cluster (`mem_mb`), and that `bench plan` states.

The memory of a fit follows from its network, which only torch can build. A process of its own counts it for
all points of a plan, and the table is kept beside the plan file, so that planning imports no torch.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from bench.base.errors import BenchError
from bench.base.files import read_json
from bench.base.result_files import RunKey
from bench.codec import registry
from bench.codec.contract import Codec
from bench.video.clip import ClipInfo
from bench.workflow.plan import Plan, Wildcards

#: Peak bytes of ffmpeg and of a process that holds some frames: a constant, and bytes of a pixel of a frame.
#: Measured at 1920x1080 (benchmarks/results/full_size.json).
_PREPARE, _PREPARE_PER_PIXEL = 500 << 20, 100
#: Encoders keep frames of a look-ahead; learned codecs keep features of whole frames.
_ENCODE, _ENCODE_PER_PIXEL = 1 << 30, 1500
#: Scoring with its decoder: frames ahead of the scores (256 MiB), the processes of conversions and of VMAF.
_MEASURE, _MEASURE_PER_PIXEL = 1 << 30, 500
#: A request exceeds the estimate by this factor.
_MARGIN = 1.2

#: Bytes of a fit and of its decoder, by clip, codec and point.
Table = Mapping[str, Mapping[str, Mapping[str, tuple[int, int]]]]


class Memory(Protocol):
    """Peak memory of the host in bytes: `bench.inr.study.fit_memory.FitMemory`."""

    @property
    def fit_bytes(self) -> int: ...
    @property
    def decode_bytes(self) -> int: ...


#: Counts the memory of a fit: `bench.inr.study.fit_memory.fit_memory`. It imports torch.
MemoryCounter = Callable[[Any, ClipInfo, Mapping[str, Any]], Memory]


def memory_table(plan: Plan, count: MemoryCounter) -> dict[str, dict[str, dict[str, tuple[int, int]]]]:
    """The memory of every fitted point of a plan. Equal networks of equal clips are counted once."""
    counted: dict[tuple[str, str, tuple[int, int, int]], Memory] = {}
    table: dict[str, dict[str, dict[str, tuple[int, int]]]] = {}
    for clip, of_clip in plan.settings.items():
        info = plan.clips[clip]
        for codec, of_codec in of_clip.items():
            config = plan.configs[codec]
            if config.kind != "fitted":
                continue
            family: Codec = registry.load_family(config.family)
            for point, settings in of_codec.items():
                if family.skip(info, settings):
                    continue
                key = (codec, str(settings), (info.width, info.height, info.frames))
                if key not in counted:
                    counted[key] = count(family, info, settings)
                memory = counted[key]
                row = table.setdefault(clip, {}).setdefault(codec, {})
                row[point] = (memory.fit_bytes, memory.decode_bytes)
    return table


def read_table(plan_file: str) -> Table:
    """The table of a plan file; it is counted by ``bench plan --memory`` on first use.

    Raises:
        BenchError: the process failed.
    """
    path = Path(plan_file).with_suffix(".memory")
    if not path.is_file():
        command = [sys.executable, "-m", "bench", "plan", "--plan", plan_file, "--memory", str(path)]
        done = subprocess.run(command, text=True, capture_output=True)
        if done.returncode:
            line = (done.stderr.strip() or "no message").splitlines()[-1]
            raise BenchError("memory of fits", line.removeprefix("error: "), "correct it, then plan again")
    return read_json(path, "the memory of fits")


def job_bytes(rule: str, plan: Plan, table: Table, wildcards: Wildcards | RunKey) -> int:
    """Estimate of the peak memory of a job of the rule prepare, encode or measure."""
    info = plan.clips[wildcards.clip]
    pixels = info.width * info.height
    if rule == "prepare":
        return _PREPARE + _PREPARE_PER_PIXEL * pixels
    points = table.get(wildcards.clip, {}).get(wildcards.codec, {})
    fit_bytes, decode_bytes = points.get(wildcards.point, (0, 0))
    if rule == "encode":
        return fit_bytes or _ENCODE + _ENCODE_PER_PIXEL * pixels
    return _MEASURE + _MEASURE_PER_PIXEL * pixels + decode_bytes


def request_mb(estimate_bytes: int, attempt: int) -> int:
    """`mem_mb` of a job: its estimate with a margin, and more for a further attempt after a failure."""
    return math.ceil(_MARGIN * attempt * estimate_bytes / 1e6)
