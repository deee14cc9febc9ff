"""Tables of a YAML file, taken key by key, so that every slip is told by its key and a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from bench.base.errors import BenchError
from bench.base.names import check_names, unknown_name

_SEE = "see config/README.md"


class TableReader:
    """Takes keys out of a table one by one; what is left at the end is unknown.

    Args:
        path: the file; prefix: where in it the table is, as errors name it.
    """

    def __init__(self, path: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self.path, self.values, self.prefix, self.taken = path, values, prefix, set[str]()

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        """The value of a key of this type; without a default it has to be there."""
        self.taken.add(key)
        value = self.values.get(key, default)
        if value is ...:
            raise BenchError(self.path, f"key '{self.prefix}{key}' is missing", "add it")
        if value is default or (value is None and default is None):
            return default
        good = isinstance(value, (int, float) if kind is float else kind)
        if not good or (isinstance(value, bool) and kind is not bool):
            raise BenchError(self.path, f"{self.prefix}{key}: {value!r} is no {kind.__name__}", _SEE)
        return value

    def numbers(self, key: str, default: Any, count: int | None = None) -> Any:
        """A tuple of `count` whole numbers from 0, or of any number of them."""
        value = self.take(key, list, default)
        if value is None:
            return None
        good = all(type(item) is int and item >= 0 for item in value) and len(value) == (count or len(value))
        if not good or not value:
            wanted = f"{count} whole numbers" if count else "whole numbers"
            raise BenchError(self.path, f"{self.prefix}{key}: {value!r} is no list of {wanted}", _SEE)
        return tuple(value)

    def words(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A tuple of names."""
        value = tuple(self.take(key, list, list(default)))
        check_names(self.path, key, value)
        return value

    def tables(self, key: str) -> list[tuple[str, Self]]:
        """The tables of a table, by their names."""
        table = self.take(key, dict)
        check_names(self.path, key, table)
        for name, values in table.items():
            if not isinstance(values, dict):
                raise BenchError(self.path, f"{key}: {name}: is no table", "write {} where it has no keys")
        return [(name, type(self)(self.path, values, f"{key}: {name}: ")) for name, values in table.items()]

    def finish(self) -> None:
        """Raises BenchError where a key was not taken."""
        for key in self.values:
            if key not in self.taken:
                raise unknown_name(
                    "key", str(key), self.taken, where=f"{self.path}: {self.prefix}".rstrip(": ")
                )
