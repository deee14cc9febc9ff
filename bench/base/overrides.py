"""Parser of ``--set KEY=VALUE`` options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from bench.base.errors import BenchError
from bench.base.strict_yaml import parse_yaml


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as settings; values are YAML.

    Raises:
        BenchError: a word has another form.
    """
    settings = {}
    for word in words:
        key, equals, value = word.partition("=")
        try:
            settings[key.strip()] = parse_yaml(value)
        except yaml.YAMLError:
            equals = ""
        if not equals or not key.strip():
            raise BenchError(f"--set {word}", "must have the form key=value", "write --set key=value")
    return settings
