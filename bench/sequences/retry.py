"""Retry with exponential backoff, for downloads over unreliable connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


class TransientError(Exception):
    """A failure that may not happen again, such as a broken connection or HTTP status 503."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a download is retried and when it fails.

    Attributes:
        attempts: attempts in a row without progress, after which the download fails.
        first_wait_s: wait before the first retry; each further wait is twice as long.
        max_wait_s: upper limit of a wait.
        connect_timeout_s: limit for connecting to the server.
        read_timeout_s: limit for a pause between two blocks of data.
    """

    attempts: int = 6
    first_wait_s: float = 2.0
    max_wait_s: float = 60.0
    connect_timeout_s: float = 20.0
    read_timeout_s: float = 60.0


def retry(
    attempt: Callable[[], None],
    policy: RetryPolicy,
    *,
    progress: Callable[[], int],
    log: Callable[[str], None],
) -> None:
    """Call `attempt` until it succeeds.

    An attempt that makes progress before it fails resets the count and the wait: a file of gigabytes may need
    more attempts than `policy.attempts`, as long as each one adds to it.

    Args:
        attempt: raises `TransientError` on a failure that is worth a retry. Other exceptions end the retries.
        progress: amount of finished work (bytes received), compared before and after each attempt.
        log: prints one line before each wait.

    Raises:
        TransientError: `policy.attempts` attempts in a row failed without progress.
    """
    failures, wait_s = 0, policy.first_wait_s
    while True:
        before = progress()
        try:
            attempt()
            return
        except TransientError as error:
            if progress() > before:
                failures, wait_s = 0, policy.first_wait_s
            failures += 1
            if failures >= policy.attempts:
                raise TransientError(f"{error}, after {policy.attempts} attempts") from error
            log(f"{error}; retrying in {wait_s:.0f} s")
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, policy.max_wait_s)
