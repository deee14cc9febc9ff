"""Epochs for equal encoding time."""

from __future__ import annotations

import pytest

from bench.base.errors import BenchError
from bench.inr.study.equal_time import epochs_within


@pytest.mark.parametrize(("encode_s", "epochs"), [(100, 45), (101.9, 45), (102, 46), (12, 1)])
def test_epochs_are_those_that_fit_into_the_seconds(encode_s, epochs):
    """10 s before the first epoch and 2 s an epoch: 10 epochs take 30 s, 1010 epochs 2030 s."""
    assert epochs_within(encode_s, 30, 2030) == epochs


def test_too_few_seconds_are_refused():
    with pytest.raises(BenchError, match=r"--encode-s 11: one epoch takes 12 s"):
        epochs_within(11, 30, 2030)
