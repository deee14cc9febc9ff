"""Errors of the user's input, each printed as one line."""

from __future__ import annotations

from pathlib import Path


class BenchError(Exception):
    """An error of the user's input: where it is (file and key), what is wrong, and the remedy.

    The command line prints it as one line without a traceback and exits with status 2.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        self.where, self.problem, self.remedy = str(where), problem, remedy
        super().__init__(f"{where}: {problem}; {remedy}")


class StreamError(BenchError):
    """A stream that cannot be decoded: it is truncated, altered, of another format or of another version."""

    def __init__(self, where: str | Path, problem: str, remedy: str = "encode the clip again") -> None:
        super().__init__(where, problem, remedy)
