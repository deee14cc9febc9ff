"""How far a fit is, told now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.codec.contract import Progress
    from bench.inr.fitting.trainer import EpochLog

#: Seconds between two progress lines of a fit.
REPORT_EVERY_S = 10.0


class Reporter:
    """Says after an epoch, at most every ten seconds, how far a fit is."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self.progress, self.epochs = progress, epochs
        self.began, self.reported = time.monotonic(), float("-inf")
        self.first: int | None = None

    def __call__(self, row: EpochLog) -> None:
        now, done = time.monotonic(), row.epoch + 1
        self.first = row.epoch if self.first is None else self.first  # a resumed fit starts later
        if now - self.reported < REPORT_EVERY_S and done < self.epochs:
            return
        self.reported = now
        left = (now - self.began) / (done - self.first) * (self.epochs - done)
        self.progress(
            f"epoch {done}/{self.epochs}, PSNR {row.psnr_rgb_db:.2f} dB so far, about {left:.0f} s left"
        )
