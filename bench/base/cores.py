"""CPU cores that this process may use: affinity and the CPU quota of its container.

``python -m bench.base.cores`` prints the number, for the Makefile.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """The number of cores of this process's affinity, at most its CPU quota rounded up; 1 or more."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *map(math.ceil, cpu_quotas())]))


def cpu_quotas(root: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """CPU quotas in cores: of this process's control group and of those above it.

    Both versions of control groups are read: ``cpu.max`` (2), ``cpu.cfs_quota_us`` (1). A container sees its
    own group as the root of the hierarchy.
    """
    try:
        groups = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:  # not Linux
        return
    for _, controllers, path in groups:
        top = root / "cpu" if "cpu" in controllers.split(",") else root
        folder = top / path.lstrip("/")
        for group in dict.fromkeys([folder, *folder.parents, top]):
            if group.is_relative_to(top):
                quota = _quota(group)
                if quota is not None:
                    yield quota


def _quota(group: Path) -> float | None:
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # "max": no quota
        return None


if __name__ == "__main__":
    sys.stdout.write(f"{usable_cores()}\n")
