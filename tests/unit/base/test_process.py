"""The process of a command: its memory."""

from __future__ import annotations

import ctypes
import os
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="not Linux")
@pytest.mark.parametrize("own", ["", "glibc.malloc.tcache_count=3", "glibc.malloc.hugetlb=0"])
def test_commands_ask_for_huge_pages_unless_the_user_has_chosen(own: str) -> None:
    code = "from bench.base import process; process.use_huge_pages(); import os, sys; "
    code += 'print(os.getpid(), sys.argv[1:]); print(os.environ["GLIBC_TUNABLES"])'
    environment = {**os.environ, "GLIBC_TUNABLES": own}
    command = [sys.executable, "-c", code, "a b", "--c"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    identity, tunables = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert identity == f"{process.pid} ['a b', '--c']"
    expected = {"": "glibc.malloc.hugetlb=1", "glibc.malloc.hugetlb=0": own}
    assert tunables == expected.get(own, f"{own}:glibc.malloc.hugetlb=1")
