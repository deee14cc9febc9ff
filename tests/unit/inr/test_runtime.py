"""Conversion of a network's output to 8-bit frames."""

from __future__ import annotations

import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from bench.inr.network import runtime
from bench.inr.network.runtime import to_8_bit


def test_levels_are_rounded_to_the_nearest_and_clipped() -> None:
    """Level k is k/255: 0 is black, 1 is white, and 0.4 levels more or less change nothing."""
    levels = torch.arange(256, dtype=torch.float64).reshape(1, 16, 16).expand(3, -1, -1)
    for offset in (-0.4, 0.0, 0.4):
        frame = to_8_bit(((levels + offset) / 255).float())
        assert frame.shape == (16, 16, 3)
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame[..., 0], np.arange(256).reshape(16, 16))
    outside = torch.tensor([-3.0, -0.001, 1.001, 70.0]).reshape(1, 2, 2).expand(3, -1, -1)
    np.testing.assert_array_equal(to_8_bit(outside.clone())[..., 2], [[0, 0], [255, 255]])


def test_channels_rows_and_columns_keep_their_order() -> None:
    frame = torch.arange(24, dtype=torch.float32).reshape(3, 2, 4) / 255
    np.testing.assert_array_equal(to_8_bit(frame), np.arange(24).reshape(3, 2, 4).transpose(1, 2, 0))


def test_threads_are_those_of_torch_and_of_numpy_too() -> None:
    """A codec of one thread does not depend on the number of cores: NumPy's BLAS starts a thread on each."""
    with threadpool_limits(None, user_api="blas"):
        for threads in (2, 1):
            runtime.prepare(threads=threads, device="cpu")
            blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert blas
            assert set(blas) == {threads}
            assert torch.get_num_threads() == threads
