"""Stage times: wall and CPU seconds by name, with the device's queue drained at both ends."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def cpu_seconds() -> float:
    """CPU seconds of this process so far, and of the children (ffmpeg) that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class StageClock:
    """Adds up wall and CPU seconds a named stage.

    CPU seconds include those of child processes that ended within the stage (ffmpeg's).

    Args:
        synchronize: waits for queued device work, so that a stage pays for what it started
            (``torch.cuda.synchronize`` on a GPU); nothing on a CPU.
    """

    def __init__(self, synchronize: Callable[[], None] | None = None) -> None:
        self.synchronize = synchronize or (lambda: None)
        self.seconds: dict[str, dict[str, float]] = {}

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
