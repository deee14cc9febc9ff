"""Strict JSON reader: bounded nesting, finite numbers of bounded length, no duplicate keys."""

from __future__ import annotations

import json
import math
from typing import Any

#: Levels of objects and arrays in each other. Records and reports have six.
MAX_DEPTH = 64
#: Digits of a whole number: those of 2^64 - 1.
_MAX_DIGITS = 20


def parse_json(data: str | bytes) -> Any:
    """One JSON value.

    Raises:
        ValueError: the data is not JSON, or has NaN, an infinity, a number beyond float64 or 20 digits, a
            duplicate key, or more than 64 levels.
    """
    try:
        value = json.loads(
            data,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise ValueError(f"has more than {MAX_DEPTH} levels") from None
    _check_depth(value)
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} must be a finite number or null")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _bounded(text: str) -> int:
    if len(text.removeprefix("-")) > _MAX_DIGITS:
        raise ValueError(f"the number {text[:20]}... has more than {_MAX_DIGITS} digits")
    return int(text)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in keys if keys.count(key) > 1)!r}")
    return values


def _check_depth(value: Any) -> None:
    """Raise ValueError for more than `MAX_DEPTH` levels. Level by level: recursion is what is limited."""
    level, depth = [value], 0
    while level := [
        item
        for container in level
        if isinstance(container, dict | list)
        for item in (container.values() if isinstance(container, dict) else container)
    ]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"has more than {MAX_DEPTH} levels")
