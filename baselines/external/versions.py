"""Output of a program that prints its version, and the line of it that has the version."""

from __future__ import annotations

import functools
import os
import re
import subprocess

from bench.base.errors import BenchError, printable

_VERSION_S = 60
_MOST_VERSION_BYTES = 1 << 16
#: A line with a version number, the best pattern first.
_VERSION_LINES = (
    re.compile(r"(?i)\b(version|v)\s*\d"),
    re.compile(r"\d+\.\d+\.\d+"),
    re.compile(r"\d+\.\d+"),
)


@functools.lru_cache(maxsize=256)
def output_of(command: tuple[str, ...], variables: tuple[tuple[str, str], ...], state: object) -> str:
    """Output of a command, run once a process for each state of its file."""
    try:
        done = subprocess.run(
            command,
            env=dict(variables) if os.path.isabs(command[0]) else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_VERSION_S,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or f"took more than {_VERSION_S} s"
        raise BenchError(
            command[0], f"its version cannot be printed ({reason})", "correct `version`"
        ) from None
    return done.stdout[:_MOST_VERSION_BYTES].decode("utf-8", "replace")


def version_line(output: str, text: str) -> str:
    """The line of a version output that has the version; with `text`, a line that contains it."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    if text:
        lines = [line for line in lines if text in line]
    for pattern in _VERSION_LINES:
        if line := next((line for line in lines if pattern.search(line)), ""):
            return printable(line)[:200]
    return printable(lines[0])[:200] if lines else ""
