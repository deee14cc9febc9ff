"""Strict YAML reader: a duplicate key is an error, not an override."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bench.base.errors import BenchError

_MERGE = "tag:yaml.org,2002:merge"


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str) -> Any:
    """One YAML value (that of a `--set key=value`, for example).

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    return yaml.load(text, Loader=_StrictLoader)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a file that holds one table of names and values.

    Raises:
        BenchError: there is no such file, it is no YAML (the line is named), or no table.
    """
    try:
        values = parse_yaml(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise BenchError(path, "no such file", "check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "is no YAML text"
        raise BenchError(path, f"{line}{problem}", "mend the YAML") from None
    if not isinstance(values, dict):
        raise BenchError(path, "holds no table of names and values", "write `name: value` lines")
    return values
