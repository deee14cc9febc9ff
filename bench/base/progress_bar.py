"""How far a long transfer has come: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_BAR_WIDTH = 28
_BAR_S, _LINE_S = 0.2, 10.0


class Meter:
    """Tells lines, and the progress of what runs between them, under one name."""

    def __init__(
        self, name: str, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._clock = name, clock
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._what, self._began, self._told = "", (0.0, 0), 0.0
        self._bar = ""

    def line(self, text: str) -> None:
        """Tell one line; a bar makes room for it."""
        self._write(f"[{self._name}] {text}\n")

    def progress(self, what: str, done: int, total: int | None) -> None:
        """Tell how many bytes of how many are `what` (downloaded, unpacked), if it is time to.

        The first call of a new `what`, or of one that starts anew, is where its speed is counted from:
        a resumed transfer counts what it transfers, not what it found.
        """
        now = self._clock()
        if what != self._what or done < self._began[1]:
            self._what, self._began, self._told = what, (now, done), now
        if done != total and now - self._told < (_BAR_S if self._terminal else _LINE_S):
            return
        self._told = now
        began, found = self._began
        speed = (done - found) / (now - began) if now > began else 0.0
        share = f"{100 * done // total:3d} %, " if total else ""
        of = f" of {megabytes(total)}" if total else ""
        text = f"{share}{megabytes(done)}{of} {what}, {speed / 1e6:.1f} MB/s"
        if not self._terminal:
            self.line(text)
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


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.1f} MB"
