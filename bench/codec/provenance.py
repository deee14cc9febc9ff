"""How a number came to be: versions, machine, command, and a fingerprint of the sources behind it.

The fingerprint decides what has to be made again. It is a hash of syntax trees without docstrings,
so neither a comment nor formatting refits a network; and it covers exactly the modules that an
encode of one family reaches by its imports, so neither does a change of a metric or a plot.
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
from bench.base.paths import ROOT
from bench.codec.fingerprint import family_sources, fingerprint

#: Packages that can change a number.
_PACKAGES = (
    *("numpy", "scipy", "torch", "constriction", "pytorch-msssim", "compressai"),
    *("imageio-ffmpeg", "scikit-video", "pillow", "PyYAML"),
)


def provenance(*, family: str, device: str, command: Sequence[str]) -> dict[str, Any]:
    """The provenance block of a result (JSON values).

    Args:
        family: whose sources the fingerprint covers.
        device: name of the device that did the work, as `device_name` gives it.
        command: the words of the command line; paths within the repository are made relative.
    """
    from bench.base.ffmpeg import ffmpeg_version

    return {
        "suite_version": bench.__version__,
        "source_fingerprint": fingerprint(family_sources(family)),
        "packages": _package_versions(),
        "ffmpeg": ffmpeg_version(),
        "python": platform.python_version(),
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "device": device,
        "command": shlex.join(word.replace(f"{ROOT}{os.sep}", "") for word in command),
        "date_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "git_commit": git_commit(),
    }


def device_name(device: str) -> str:
    """What a torch device is called by its maker; the CPU's model for "cpu"."""
    if not device.startswith("cuda"):
        return _cpu_model()
    import torch

    return torch.cuda.get_device_name(device)


@functools.cache
def git_commit() -> str | None:
    """Commit of the repository, with "-dirty" where tracked files differ; None outside git."""
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
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux: see below
    return platform.processor() or platform.machine()
