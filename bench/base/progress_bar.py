"""Progress bar for long transfers: a bar on a terminal, a log line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from bench.base.errors import printable

_BAR_WIDTH = 28
_BAR_INTERVAL_S, _LINE_INTERVAL_S = 0.2, 10.0


class ProgressBar:
    """Prints log lines and the progress of byte transfers, each prefixed with ``[name]``.

    Args:
        name: the prefix, for example "fetch uvg-beauty".
        stream: where to print; default: stderr.
        clock: seconds since any fixed time, non-decreasing.
    """

    def __init__(
        self, name: str, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._clock = name, clock
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._action = ""
        self._start_time, self._start_bytes, self._last_time = 0.0, 0, 0.0
        self._bar = ""

    def log(self, text: str) -> None:
        """Print one line; a bar on the terminal is erased first."""
        self._write(f"[{self._name}] {printable(text)}\n")

    def update(self, action: str, done: int, total: int | None) -> None:
        """Report that `done` of `total` bytes (None: unknown) are `action`, for example "downloaded".

        Most calls print nothing: the display is refreshed at a fixed interval and at the end. The speed is
        measured from the first call with a new `action` or a smaller `done`, so it excludes the bytes that a
        resumed download had before.
        """
        now = self._clock()
        if action != self._action or done < self._start_bytes:
            self._action, self._start_time, self._start_bytes, self._last_time = action, now, done, now
        interval = _BAR_INTERVAL_S if self._terminal else _LINE_INTERVAL_S
        if done != total and now - self._last_time < interval:
            return
        self._last_time = now
        elapsed = now - self._start_time
        speed = (done - self._start_bytes) / elapsed if elapsed > 0 else 0.0
        percent = f"{100 * done // total:3d} %, " if total else ""
        of_total = f" of {format_megabytes(total)}" if total else ""
        text = f"{percent}{format_megabytes(done)}{of_total} {action}, {speed / 1e6:.1f} MB/s"
        if not self._terminal:
            self.log(text)
            return
        filled = _BAR_WIDTH * done // total if total else 0
        self._write("", bar=f"[{self._name}] {'#' * filled}{'.' * (_BAR_WIDTH - filled)} {text}")
        if done == total:
            self._write("\n")

    def _write(self, text: str, *, bar: str = "") -> None:
        if self._bar and text != "\n":
            self._stream.write(f"\r{' ' * len(self._bar)}\r")
        self._stream.write(text + bar)
        self._stream.flush()
        self._bar = bar


def format_megabytes(count: int) -> str:
    """A number of bytes as text in megabytes (10^6 bytes), such as "1,234.5 MB"."""
    return f"{count / 1e6:,.1f} MB"
