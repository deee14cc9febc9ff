"""Retry: the count of attempts and the waits between them."""

from __future__ import annotations

import pytest

from bench.sequences.retry import RetryPolicy, TransientError, retry


@pytest.mark.parametrize(
    ("progress_per_attempt", "calls"), [([0] * 9, 3), ([1, 0, 0, 0, 0], 3), ([0, 1, 1, 0, 0, 0], 5)]
)
def test_retry_counts_attempts_without_progress(progress_per_attempt: list[int], calls: int) -> None:
    """An attempt with progress counts as the first failure of a new series of three."""
    done: list[int] = []
    policy = RetryPolicy(attempts=3, first_wait_s=0)

    def attempt() -> None:
        done.append(progress_per_attempt[len(done)])
        raise TransientError("HTTP 503")

    with pytest.raises(TransientError, match="HTTP 503, after 3 attempts"):
        retry(attempt, policy, progress=lambda: sum(done), log=lambda line: None)
    assert len(done) == calls


def test_retry_waits_twice_as_long_each_time_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("bench.sequences.retry.time.sleep", waits.append)

    def attempt() -> None:
        raise TransientError("HTTP 503")

    with pytest.raises(TransientError):
        retry(attempt, RetryPolicy(attempts=8), progress=lambda: 0, log=lambda line: None)
    assert waits == [2, 4, 8, 16, 32, 60, 60]


def test_other_errors_are_not_retried() -> None:
    calls: list[int] = []

    def attempt() -> None:
        calls.append(1)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        retry(attempt, RetryPolicy(), progress=lambda: 0, log=lambda line: None)
    assert calls == [1]
