"""Strict YAML reader: a duplicate key is an error, not an override. `1e-3` is a number, as in YAML 1.2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from bench.base.errors import BenchError

#: Levels of tables and lists in each other, and number of values, of a YAML file.
MAX_DEPTH, MAX_VALUES = 64, 1_000_000
_MERGE = "tag:yaml.org,2002:merge"
#: libyaml's loader is ten times as fast; PyYAML may come without it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                problem = f"duplicate key {key!r}"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep=deep)


# YAML 1.2 reads 1e-3 and 1.5e3 as numbers. PyYAML follows YAML 1.1, where they are text.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str) -> Any:
    """One YAML value (that of a `--set key=value`, for example).

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError(f"has more than {MAX_DEPTH} levels") from None
    finally:
        loader.dispose()


def _check_size(root: yaml.Node) -> None:
    """Check the depth of a document, and its number of values with every alias replaced by its content.

    Ten lines of aliases of aliases can stand for 10^10 values ("billion laughs").

    Raises:
        yaml.YAMLError: it has too many, or an alias refers to a value that contains it.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) in open_nodes or depth > MAX_DEPTH:
            raise yaml.YAMLError(f"has more than {MAX_DEPTH} levels")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            children = node.value if isinstance(node, yaml.CollectionNode) else ()
            flat = (part for child in children for part in (child if isinstance(child, tuple) else (child,)))
            sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in flat)
            open_nodes.remove(id(node))
        if sizes[id(node)] > MAX_VALUES:
            raise yaml.YAMLError(f"has more than {MAX_VALUES} values")
        return sizes[id(node)]

    size(root, 0)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds one table of names and values.

    Raises:
        BenchError: the file is missing, or `parse_table` refuses its text.
    """
    return parse_table(read_text(path), where=path)


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        BenchError: the file is missing, or is not UTF-8.
    """
    try:
        return Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise BenchError(path, "no such file", "check the path") from None
    except UnicodeDecodeError as error:
        raise BenchError(path, f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from None


def parse_table(text: str, *, where: str | Path) -> dict[str, Any]:
    """The table of names and values in the text of a YAML file.

    Raises:
        BenchError: the text is not YAML (the line is named), or not a table.
    """
    try:
        values = parse_yaml(text)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or (
            str(error) if type(error) is yaml.YAMLError else "is not YAML"
        )
        raise BenchError(where, f"{line}{problem}", "correct the YAML") from None
    if not isinstance(values, dict):
        raise BenchError(where, "must be a table of names and values", "write `name: value` lines")
    return values
