"""Shared by the scripts: makes the suite importable, and writes a script's errors to the rule's log."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Snakemake runs a script from a folder of its own, and the suite need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.base.errors import BenchError
from bench.base.log_file import copy_stderr


@contextmanager
def logged(log: Sequence[str]) -> Iterator[None]:
    """Copy stderr to the rule's log, and report an error that the user can fix in one line.

    Raises:
        SystemExit: status 2, after that line.
    """
    with copy_stderr(log[0]):
        try:
            yield
        except BenchError as error:
            sys.stderr.write(f"error: {error}\n")
            raise SystemExit(2) from None
