"""A fit that is interrupted after each epoch and resumed from its state every time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.inr.fitting.trainer import EpochLog, Fit


class Interrupted(Exception):
    pass


def interrupt_after_every_epoch(make: Callable[[], Fit], epochs: int) -> None:
    """Make a fit so many times, and stop each after one epoch more than the one before."""

    for last in range(epochs):

        def stop(row: EpochLog, last: int = last) -> None:
            if row.epoch == last:
                raise Interrupted

        with pytest.raises(Interrupted):
            make().run(stop)
