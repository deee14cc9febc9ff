"""Checks of names, and errors that suggest close matches for an unknown one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from bench.base.errors import BenchError

#: A name that can be a folder of a path.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "use at most 100 letters, digits, '.', '_' and '-', the first a letter or a digit"


def suggestion(name: str, known: Iterable[str]) -> str:
    """«try a, b»: the known names that are close to an unknown one, or the first 20 where none is close."""
    known = sorted(known)
    folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    return f"try {', '.join([folded[match] for match in close] or known[:20])}"


def unknown_name(what: str, name: str, known: Iterable[str], where: str | Path | None = None) -> BenchError:
    """The error for a name that is not among the known ones, with close matches."""
    return BenchError(where or f"{what} {name!r}", f"unknown {what} {name!r}", suggestion(name, known))
