"""Fingerprint of the sources behind a result: it decides what a workflow has to make again.

A fingerprint is a SHA-256 over syntax trees without docstrings, so that neither a comment nor formatting
refits a network. It covers exactly the modules that an encode of one family reaches by its imports, so that
no change of a metric or a plot does either.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.base.names import unknown_name
from bench.base.paths import CODECS_DIR, ROOT
from bench.codec import registry

#: Packages of ours whose imports are followed.
_OWN = ("bench", *registry.PACKAGES)
#: What every encode runs besides its family: the clip comes in, the stream goes out.
_ALWAYS = ("bench.video.clip", "bench.codec.container")
#: Says what ran and changes nothing of it: fits put the fingerprint into their state's identity.
_NEVER = ("bench.codec.provenance",)


def fingerprint(paths: Iterable[str | Path]) -> str:
    """SHA-256 over sources: syntax trees of .py files, bytes of all others; order does not matter.

    Comments, formatting, docstrings, positions and `__version__` do not change it; names do.
    The same on every Python from 3.11 that parses the sources alike.
    """
    digest = hashlib.sha256()
    for path in sorted({Path(path).resolve() for path in paths}):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        content = path.read_bytes()
        if path.suffix == ".py":
            content = _syntax(ast.parse(content)).encode()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@functools.cache
def code_fingerprint(*modules: str, family: str | None = None) -> str:
    """Short fingerprint of what the modules and the codec family run: their code without comments."""
    sources = set(module_sources(modules))
    if family is not None:
        sources.update(family_sources(family))
    return hashlib.sha256("".join(map(_of_file, sorted(sources))).encode()).hexdigest()[:16]


@functools.cache
def _of_file(path: str) -> str:
    # Most files belong to several fingerprints, and parsing them all takes a second.
    return fingerprint([path])


def family_sources(family: str, codec: str | None = None) -> list[str]:
    """The sources that an encode of a family depends on, as sorted paths.

    Found by following the import statements from the family's module (those inside functions too),
    within this repository; nothing is imported. Sources of metrics, figures and tables are not
    among them, since no family imports them.

    Args:
        codec: a codec id whose YAML file is added. A rule that has the resolved settings among its
            params needs no YAML: a changed label would run it again.

    Raises:
        BenchError: there is no such family.
    """
    known = registry.families()
    if family not in known:
        raise unknown_name("family", family, known)
    paths = set(_follow((known[family], *_ALWAYS)))
    if codec is not None:
        paths.add(CODECS_DIR / f"{codec}.yaml")
    return sorted(str(path) for path in paths)


def module_sources(modules: Iterable[str]) -> list[str]:
    """Like `family_sources`, but from any modules of the repository."""
    return sorted(str(path) for path in _follow(tuple(modules)))


@functools.cache
def _follow(modules: tuple[str, ...]) -> tuple[Path, ...]:
    """Files of the given modules, of all they import, and of the packages that these are in."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _file_of(module)
        if path is None or module in found or (module in _NEVER and module not in modules):
            continue
        found[module] = path
        waiting.extend(module.rsplit(".", 1)[0] for _ in range("." in module))
        waiting.extend(_imports(module, path))
    return tuple(found.values())


def _file_of(module: str) -> Path | None:
    if module.partition(".")[0] not in _OWN:
        return None
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _imports(module: str, path: Path) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _running_nodes(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING:``, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
            for other in node.orelse:
                yield other
                yield from _running_nodes(other)
            continue
        yield node
        yield from _running_nodes(node)


def _syntax(node: Any) -> str:
    """A syntax tree as text. Empty fields are left out: later Pythons have more of them."""
    if isinstance(node, list):
        return "[" + ",".join(_syntax(item) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list):
            value = [item for index, item in enumerate(value) if not _is_silent(node, index, item)]
        if (value is None and not isinstance(node, ast.Constant)) or value == []:
            continue
        parts.append(f"{name}={_syntax(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _is_silent(parent: ast.AST, index: int, node: ast.AST) -> bool:
    """Whether a statement is a docstring or states the version."""
    if isinstance(parent, ast.Module) and isinstance(node, ast.Assign):
        return any(getattr(target, "id", None) == "__version__" for target in node.targets)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if index or not isinstance(parent, documented) or not isinstance(node, ast.Expr):
        return False
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
