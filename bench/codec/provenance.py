"""Provenance: what produced a result, recorded beside it as the `provenance` block of a record.

| field | answers |
|---|---|
| `suite_version`, `git_commit` | which state of the repository ran; "-dirty" marks uncommitted edits |
| `source_fingerprint` | whether two results come from the same code (`bench.codec.fingerprint`) |
| `models` (records alone) | which model of libvmaf computed each VMAF |
| `packages`, `ffmpeg`, `python` | which versions computed it; others may change the last digits |
| `machine`, `device` | where it ran; times compare within one machine, as do the bytes of a fit |
| `command` | which command line ran |
| `date_utc` | when it ended |

Nothing here decides what is computed. Paths within the repository are relative, so a record does not reveal
where the repository is.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bench
from bench.base.cores import usable_cores
from bench.base.paths import ROOT
from bench.codec.fingerprint import code_fingerprint

#: Packages that can change a result: those that compute, code, decode or read settings.
_PACKAGES = (
    *("numpy", "scipy", "torch", "constriction", "pytorch-msssim", "compressai", "cvvdp"),
    *("imageio-ffmpeg", "scikit-video", "pillow", "PyYAML"),
)


def provenance(*, family: str, device: str, command: Sequence[str]) -> dict[str, Any]:
    """The provenance block of one result, as JSON values.

    Args:
        family: the codec family; the fingerprint covers the code that its encodes run.
        device: name of the device that did the work (`bench.codec.device.device_name`).
        command: the words of the command line, of which one shell-quoted line is recorded.
    """
    from bench.base.ffmpeg import ffmpeg_version

    return {
        "suite_version": bench.__version__,
        "source_fingerprint": code_fingerprint(family=family),
        "packages": _package_versions(),
        "ffmpeg": ffmpeg_version(),
        "python": platform.python_version(),
        "machine": {"cpu": cpu_model(), "cores": usable_cores(), "system": platform.system()},
        "device": device,
        "command": shlex.join(word.replace(f"{ROOT}{os.sep}", "") for word in command),
        "date_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "git_commit": git_commit(),
    }


@functools.cache
def git_commit() -> str | None:
    """Commit of the repository, with "-dirty" if tracked files differ from it; None outside git."""
    try:
        described = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def cpu_model() -> str:
    """The model name of this machine's CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # only Linux has /proc
    return platform.processor() or platform.machine()
