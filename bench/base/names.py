"""Checks of names, and errors that suggest close matches for an unknown one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError

#: A name that can be one folder of a path.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def unknown_name(what: str, name: str, known: Iterable[str], where: str | Path | None = None) -> BenchError:
    """The error for a name that is not among the known ones, with close matches."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[:20]
    return BenchError(where or f"{what} {name!r}", f"unknown {what} {name!r}", f"try {', '.join(close)}")


def check_names(where: str | Path, key: str, names: Iterable[Any]) -> None:
    """Refuse names that cannot be part of a path: they become folders of results."""
    for name in names:
        if not isinstance(name, str):
            raise BenchError(where, f"{key}: {name!r} is no text", "put it in quotes")
        if not NAME.fullmatch(name):
            raise BenchError(
                where, f"{key}: {name!r} cannot be a folder", "use letters, digits, '.', '_' and '-'"
            )
