"""Fingerprints of source code: they decide which results a workflow has to compute again.

A fingerprint is a SHA-256 over the syntax trees of every source file that a computation can reach by imports.
Snakemake tracks the files of a rule but not the Python packages behind it, so each rule has the fingerprint
of its code among its parameters. A record holds it as `source_fingerprint`, and a saved fit is resumed only
by the same code.

* Comments, formatting, docstrings and `__version__` do not change a fingerprint. Any other edit does, even a
  renamed variable.
* Import statements are followed within this repository, those inside functions included. Nothing is imported.
  Statements under ``if TYPE_CHECKING:`` never run and are ignored.
* Importing ``a.b`` runs ``a/__init__.py``, so the packages around a module count as well.
* An encode reaches its own family, not the other families, the metrics, the tables or the figures. An edit of
  these therefore refits no network.
* Modules that are loaded by name (`importlib`) are not found. Packages that list modules which most of their
  users do not need load them by name for this reason.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.base.names import unknown_name
from bench.base.paths import ROOT
from bench.codec import registry

#: Top-level packages of this repository; imports of other packages are not followed.
_PACKAGES = ("bench", *registry.PACKAGES)
#: What every encode runs besides its family: the clip reader and the stream writer.
_ENCODE_MODULES = ("bench.video.clip", "bench.codec.container")
#: Records how a result was computed and changes none. Were it included, an edit of what is recorded would
#: invalidate every saved fit. It counts only where it is itself the start.
_RECORDING_MODULES = ("bench.codec.provenance",)


@functools.cache
def code_fingerprint(*modules: str, family: str | None = None) -> str:
    """SHA-256 (64 hexadecimal digits) of the code that `modules` and an encode of `family` run.

    Args:
        modules: dotted names, for example ``"bench.scoring.measure"``.
        family: a codec family (`bench.codec.registry.families`); its module and the modules that every encode
            runs are added to `modules`.

    Raises:
        BenchError: unknown family.
    """
    sources = _reachable(modules, family)
    digests = (sources[path].digest for path in sorted(sources))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def code_files(*modules: str, family: str | None = None) -> list[Path]:
    """The files behind `code_fingerprint` with the same arguments, sorted.

    Raises:
        BenchError: unknown family.
    """
    return sorted(_reachable(modules, family))


def file_fingerprint(path: str | Path) -> str:
    """SHA-256 of one file and its name: the syntax tree of a .py file, the bytes of any other file.

    The value does not depend on the Python version (3.11 or later), as long as the grammar of the file's
    statements has not changed.
    """
    path = Path(path).resolve()
    content = path.read_bytes()
    return _digest(path, _syntax(ast.parse(content)).encode() if path.suffix == ".py" else content)


class _Source(NamedTuple):
    """A parsed source file: its digest, and the dotted names that it may import."""

    digest: str
    imports: tuple[str, ...]


def _reachable(modules: tuple[str, ...], family: str | None) -> dict[Path, _Source]:
    """All source files that the modules, or an encode of the family, reach by imports."""
    start = list(modules)
    if family is not None:
        families = registry.families()
        if family not in families:
            raise unknown_name("family", family, families)
        start += [families[family], *_ENCODE_MODULES]
    sources: dict[Path, _Source] = {}
    seen = set(_RECORDING_MODULES) - set(start)
    waiting = start
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _module_path(module)
        if path is None:
            continue
        sources[path] = source = _parsed(path, module)
        waiting += [module.rpartition(".")[0], *source.imports]
    return sources


@functools.cache
def _module_path(module: str) -> Path | None:
    """The file of a module of this repository; None for other modules, and for names within a module."""
    if module.partition(".")[0] not in _PACKAGES:
        return None
    path = ROOT.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@functools.cache  # a workflow needs about forty fingerprints, and most files belong to many of them
def _parsed(path: Path, module: str) -> _Source:
    tree = ast.parse(path.read_bytes())
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return _Source(_digest(path, _syntax(tree).encode()), tuple(dict.fromkeys(_imports(tree, package))))


def _digest(path: Path, content: bytes) -> str:
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return hashlib.sha256(f"{name}\0{len(content)}\0".encode() + content).hexdigest()


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that the statements of a tree may import; `package` resolves the relative ones."""
    for node in _executed_statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)  # a submodule, or a name in `base`


def _executed_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """All statements of a tree, at any depth, but those under ``if TYPE_CHECKING:``."""
    type_checking = isinstance(tree, ast.If) and getattr(tree.test, "id", None) == "TYPE_CHECKING"
    blocks = ("orelse",) if type_checking else ("body", "handlers", "orelse", "finalbody", "cases")
    for block in blocks:
        children = getattr(tree, block, ())
        for child in children if isinstance(children, list) else ():  # a lambda's body is an expression
            if isinstance(child, ast.stmt):
                yield child
            yield from _executed_statements(child)


def _syntax(node: Any) -> str:
    """A syntax tree as text, without docstrings, `__version__`, positions and empty fields.

    Later versions of Python add fields to syntax trees; these are empty for the same source.
    """
    if isinstance(node, list):
        return "[" + ",".join([_syntax(item) for item in node]) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(value, list):
            value = _counted_statements(node, value)
        if (value is None and not isinstance(node, ast.Constant)) or value == []:
            continue
        parts.append(f"{name}={_syntax(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _counted_statements(parent: ast.AST, body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a block without docstrings, also of attributes, and without `__version__`."""
    body = [statement for statement in body if not _is_docstring(statement)]
    if isinstance(parent, ast.Module):
        body = [statement for statement in body if not _sets_version(statement)]
    return body


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _sets_version(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and any(
        getattr(target, "id", None) == "__version__" for target in statement.targets
    )
