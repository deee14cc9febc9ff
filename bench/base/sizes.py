"""Sizes in bytes: numbers with a unit, and free space on a disk."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.progress_bar import format_megabytes

_SIZE = re.compile(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def parse_bytes(text: str, *, where: str) -> int:
    """Bytes in a text such as 500M or 24G; units are powers of 1024.

    Raises:
        BenchError: the text is not a positive whole number with an optional unit.
    """
    match = _SIZE.fullmatch(text.strip())
    count = int(match[1]) << _UNITS[match[2].upper()] if match else 0
    if not count:
        raise BenchError(where, f"{text!r} must be a number of bytes", "write for example 500M or 24G")
    return count


def check_disk_space(folder: Path, needed: int) -> None:
    """Check that `needed` bytes are free on the disk of `folder`, or of its first parent that exists.

    Raises:
        BenchError: fewer are free.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(existing).free
    if needed > free:
        problem = f"needs {format_megabytes(needed)} of disk space, {format_megabytes(free)} are free"
        raise BenchError(folder, problem, "free disk space, or use a folder on a larger disk")
