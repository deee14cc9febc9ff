"""The architecture page names rooms and functions that exist."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from bench.base.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
REFERENCES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE)))


def names_of(path: Path) -> set[str]:
    """Functions and classes of a module, and methods as Class.method."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_a_function_of_a_journey_exists(path: str, name: str) -> None:
    assert name in names_of(ROOT / path)


def test_there_are_references() -> None:
    assert len(REFERENCES) > 30


def test_files_and_folders_exist() -> None:
    paths = re.findall(r"`((?:bench|workflow|ffnerv|baselines|config|profiles)/[\w./]*)`", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_rooms_are_those_of_the_layering() -> None:
    """The table lists every room of bench/, in the order of the import contracts."""
    (table,) = re.findall(r"^\| room \| content \| where.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    rooms = re.findall(r"^\| `bench/(\w+)` \|", table, re.MULTILINE)
    folders = {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")}
    assert sorted(rooms) == sorted(folders)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if "bench.cli" in contract.get("layers", ()))
    floor = {
        room.strip().removeprefix("bench."): number
        for number, layer in enumerate(layers)
        for room in re.split(r"[|:]", layer)
    }
    assert [floor[room] for room in rooms] == sorted(floor[room] for room in rooms)
