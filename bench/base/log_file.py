"""Log file of a command: a copy of the lines that it writes to stderr.

The file is locked while the command runs, so that `bench status` can distinguish running commands from those
that ended.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from bench.base.locks import try_lock


class _Copy(io.TextIOBase):
    """A text stream that writes to two others. It is not a terminal: progress bars print lines to it."""

    def __init__(self, terminal: TextIO, log: TextIO) -> None:
        self._terminal, self._log = terminal, log
        self._full = False

    def write(self, text: str) -> int:
        self._terminal.write(text)
        try:
            self._log.write(text)
        except OSError as error:  # a full disk: a log must not end a fit
            if not self._full:
                self._full = True
                self._terminal.write(f"warning: {self._log.name}: {error.strerror}; the log is incomplete\n")
        return len(text)

    def flush(self) -> None:
        self._terminal.flush()
        with suppress(OSError):
            self._log.flush()

    def fileno(self) -> int:
        return self._terminal.fileno()


def is_locked(path: Path) -> bool:
    """Whether the command of a log file runs. False also where the file system has no locks.

    Raises:
        OSError: there is no such file.
    """
    with open(path, "rb") as file:
        return try_lock(file.fileno(), shared=True) is False


@contextmanager
def copy_stderr(path: str | Path | None) -> Iterator[None]:
    """Copy what the block writes to `sys.stderr` into a new file; with None there is no copy.

    If an exception ends the block, its traceback is added to the file: Python itself prints it to the
    terminal only. What child processes write to file descriptor 2 is not copied.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stderr
    log = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115 - closing it may fail on a full disk
    try_lock(log.fileno())
    sys.stderr = _Copy(terminal, log)
    try:
        yield
    except Exception:
        with suppress(OSError):
            log.write(traceback.format_exc())
        raise
    finally:
        sys.stderr = terminal
        with suppress(OSError):
            log.close()
