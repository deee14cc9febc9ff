"""Progress lines of a fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.codec.contract import Progress
    from bench.inr.fitting.fit_state import EpochLog

#: Seconds between two progress lines of a fit.
REPORT_EVERY_S = 10.0


class Reporter:
    """Reports epoch, PSNR and remaining time after an epoch, at most every ten seconds.

    Args:
        progress: takes one line of text.
        epochs: of the whole fit.
    """

    def __init__(self, progress: Progress, epochs: int) -> None:
        self.progress, self.epochs = progress, epochs
        self.started, self.reported = time.monotonic(), float("-inf")
        self.first: int | None = None

    def __call__(self, row: EpochLog) -> None:
        now, done = time.monotonic(), row.epoch + 1
        self.first = row.epoch if self.first is None else self.first  # a resumed fit starts later
        if now - self.reported < REPORT_EVERY_S and done < self.epochs:
            return
        self.reported = now
        left_s = (now - self.started) / (done - self.first) * (self.epochs - done)
        self.progress(
            f"epoch {done}/{self.epochs}, PSNR {row.psnr_rgb_db:.2f} dB so far, about {left_s:.0f} s left"
        )
