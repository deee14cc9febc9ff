"""The errors a user can mend, each told in one line."""

from __future__ import annotations

from pathlib import Path


class BenchError(Exception):
    """Something the user can mend: which file or key, what is wrong with it, what to do.

    The command line prints it as one line and exits with status 2; no traceback.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        self.where, self.problem, self.remedy = str(where), problem, remedy
        super().__init__(f"{where}: {problem}; {remedy}")


class StreamError(BenchError):
    """A stream that cannot be decoded: not ours, cut short, altered, or of another version."""

    def __init__(self, where: str | Path, problem: str, remedy: str = "encode the clip again") -> None:
        super().__init__(where, problem, remedy)
