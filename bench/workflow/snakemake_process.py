"""The Snakemake process: the lock that shows it is alive, and the Python that its jobs run."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path


def hold_run_lock(path: str | Path) -> None:
    """Take a shared lock that ends with this process, even if it is killed.

    A killed run leaves Snakemake's own lock behind. `make` removes that lock only if no process holds this
    one. The file therefore stays open.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), fcntl.LOCK_SH)


def put_this_python_first() -> None:
    """Put the folder of this Python first on PATH, for the jobs that this process starts."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
