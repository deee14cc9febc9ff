"""Times of stages, and wall times that mean nothing."""

from __future__ import annotations

import time

import pytest

from bench.base.stage_clock import StageClock, disturbance


def test_a_stage_that_waits_takes_no_cpu_time() -> None:
    clock = StageClock()
    for _ in range(2):
        with clock("wait"):
            time.sleep(0.02)
    assert clock.seconds["wait"]["wall_s"] >= 0.04
    assert clock.seconds["wait"]["cpu_s"] < 0.04


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "meaningless"),
    [(100.0, 20.0, True), (100.0, 95.0, False), (100.0, 700.0, False), (0.5, 0.1, False), (None, 1.0, False)],
)
def test_a_wall_time_with_little_cpu_time_means_nothing(
    wall_s: float | None, cpu_s: float | None, meaningless: bool
) -> None:
    reason = disturbance(wall_s, cpu_s)
    assert (reason is not None) == meaningless
    if reason:
        assert reason.startswith("20.0 CPU s in 100.0 s: ")
