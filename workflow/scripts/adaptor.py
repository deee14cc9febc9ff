"""What the scripts share: they find the suite, and tell a user's mistake in one line, in the log too."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Snakemake runs a script from a folder of its own; the suite need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.base.errors import BenchError


@contextmanager
def told(log: Iterable[str]) -> Iterator[None]:
    """End with one line where the block ends with a mistake that the user can mend.

    Raises:
        SystemExit: with that line, after it was written to the rule's log.
    """
    try:
        yield
    except BenchError as error:
        line = f"error: {error}"
        for path in log:
            Path(path).write_text(f"{line}\n")
        sys.exit(line)
