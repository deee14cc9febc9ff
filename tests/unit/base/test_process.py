"""The process of a command: its memory."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_ARRAYS = """
import resource, numpy as np
from bench.base import process
process.keep_freed_memory()
np.ones(8 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_memory_that_was_freed_is_used_again() -> None:
    """Ten arrays of 64 MiB would fault 160,000 pages, or 320 huge ones."""
    command = [sys.executable, "-c", _ARRAYS]
    faults = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert faults < 32
