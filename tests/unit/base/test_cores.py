"""CPU quotas of containers, for both versions of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.base.cores import cpu_quotas, usable_cores
from bench.base.paths import ROOT


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("membership", "files", "quotas"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, [2.5]),  # a container with a namespace of its own
        ("0::/\n", {"cpu.max": "max 100000\n"}, []),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, [0.5]),
        (
            "4:cpu,cpuacct:/docker/x\n",
            {"cpu/docker/x/cpu.cfs_quota_us": "400000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"},
            [4.0],
        ),
        (
            "4:cpu,cpuacct:/docker/x\n",  # the container sees only its own group, at the root
            {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            [1.0],
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, []),
        ("0::/\n", {"cpu.max": "nonsense\n"}, []),
        ("0::/\n", {}, []),
    ],
)
def test_quotas_are_read(tmp_path: Path, membership: str, files: dict[str, str], quotas: list[float]) -> None:
    write(tmp_path / "membership", membership)
    for name, text in files.items():
        write(tmp_path / "cgroup" / name, text)
    assert list(cpu_quotas(tmp_path / "cgroup", tmp_path / "membership")) == quotas


def test_affinity_limits_the_cores(tmp_path: Path) -> None:
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "bench.base.cores"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
