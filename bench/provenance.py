"""How a number came to be: versions, machine, command, and a fingerprint of the sources behind it.

The fingerprint decides what has to be made again. It is a hash of syntax trees without docstrings,
so neither a comment nor formatting refits a network; and it covers exactly the modules that an
encode of one family reaches by its imports, so neither does a change of a metric or a plot.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bench
from bench import registry
from bench.config import CODECS_DIR, ROOT

#: Packages of ours whose imports are followed.
_OWN = ("bench", *registry.PACKAGES)
#: What every encode runs besides its family: the clip comes in, the stream goes out.
_ALWAYS = ("bench.clip", "bench.container")
#: Says what ran and changes nothing of it: fits put the fingerprint into their state's identity.
_NEVER = ("bench.provenance",)
#: Packages that can change a number.
_PACKAGES = (
    *("numpy", "scipy", "torch", "constriction", "pytorch-msssim", "compressai"),
    *("imageio-ffmpeg", "scikit-video", "pillow", "PyYAML"),
)


def provenance(*, family: str, device: str, command: Sequence[str]) -> dict[str, Any]:
    """The provenance block of a result (JSON values).

    Args:
        family: whose sources the fingerprint covers.
        device: name of the device that did the work, as `device_name` gives it.
        command: the words of the command line; paths within the repository are made relative.
    """
    from bench.ffmpeg import ffmpeg_version

    return {
        "suite_version": bench.__version__,
        "source_fingerprint": fingerprint(family_sources(family)),
        "packages": _package_versions(),
        "ffmpeg": ffmpeg_version(),
        "python": platform.python_version(),
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "device": device,
        "command": shlex.join(word.replace(f"{ROOT}{os.sep}", "") for word in command),
        "date_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "git_commit": git_commit(),
    }


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
        raise registry.unknown("family", family, known)
    paths = set(_follow((known[family], *_ALWAYS)))
    if codec is not None:
        paths.add(CODECS_DIR / f"{codec}.yaml")
    return sorted(str(path) for path in paths)


def module_sources(modules: Iterable[str]) -> list[str]:
    """Like `family_sources`, from any modules of the repository: ``["bench.measure"]``, for example."""
    return sorted(str(path) for path in _follow(tuple(modules)))


def device_name(device: str) -> str:
    """What a torch device is called by its maker; the CPU's model for "cpu"."""
    if not device.startswith("cuda"):
        return _cpu_model()
    import torch

    return torch.cuda.get_device_name(device)


@functools.cache
def git_commit() -> str | None:
    """Commit of the repository, with "-dirty" where tracked files differ; None outside git."""
    try:
        described = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux: see below
    return platform.processor() or platform.machine()


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
