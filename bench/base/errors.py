"""Errors of the user's input, each printed as one line."""

from __future__ import annotations

from pathlib import Path


def printable(text: str) -> str:
    """The text with control characters escaped, which a terminal would execute.

    Messages quote names and headers of files from strangers.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class BenchError(Exception):
    """An error of the user's input: where it is (file and key), what is wrong, and the remedy.

    The command line prints it as one line without a traceback and exits with status 2.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        self.where, self.problem, self.remedy = str(where), problem, remedy
        super().__init__(printable(" ".join(f"{where}: {problem}; {remedy}".split())))


class StreamError(BenchError):
    """A stream that cannot be decoded: it is truncated, altered, of another format or of another version."""

    def __init__(self, where: str | Path, problem: str, remedy: str = "encode the clip again") -> None:
        super().__init__(where, problem, remedy)
