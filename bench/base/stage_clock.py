"""Stage timer: wall and CPU seconds of the named stages of an encode or a decode.

GPU work is queued: a kernel launch returns before the kernel runs. The device is therefore synchronised at
the start and at the end of every stage, so that a stage's time is that of its own work.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def cpu_seconds() -> float:
    """CPU seconds of this process so far, and of its child processes (ffmpeg) that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


#: Least CPU seconds of a second of wall time, and the shortest wall time in seconds that is judged.
_LEAST_CPU, _SHORTEST_S = 0.5, 2.0


def disturbance(wall_s: float | None, cpu_s: float | None) -> str | None:
    """Why the wall time of work that computes all the time has no meaning; None if it has one.

    On an undisturbed machine such work takes at least as many CPU seconds as wall seconds.
    """
    if wall_s is None or cpu_s is None or wall_s < _SHORTEST_S or cpu_s >= _LEAST_CPU * wall_s:
        return None
    return f"{cpu_s:.1f} CPU s in {wall_s:.1f} s: other programs or a CPU quota delayed it"


class StageClock:
    """Sums wall and CPU seconds per stage: ``with clock("network"): ...``.

    A stage that is entered several times adds up. CPU seconds include those of child processes that ended
    within the stage (ffmpeg). Stages must not be nested if their times are to be added.

    Args:
        synchronize: waits for queued device work (``torch.cuda.synchronize`` on a GPU). Default: none.

    Attributes:
        started: `time.perf_counter()` when the clock was created, at the start of the encode or decode.
        seconds: stage -> {"wall_s": ..., "cpu_s": ...}.
        facts: further JSON values for the report of the encode or decode, such as its isolation.
    """

    def __init__(self, synchronize: Callable[[], None] | None = None) -> None:
        self.started = time.perf_counter()
        self.synchronize = synchronize or (lambda: None)
        self.seconds: dict[str, dict[str, float]] = {}
        self.facts: dict[str, Any] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self.synchronize()
        wall, cpu = time.perf_counter(), cpu_seconds()
        try:
            yield
        finally:
            self.synchronize()
            total = self.seconds.setdefault(stage, {"wall_s": 0.0, "cpu_s": 0.0})
            total["wall_s"] += time.perf_counter() - wall
            total["cpu_s"] += cpu_seconds() - cpu
