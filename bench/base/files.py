"""Atomic files and folders, JSON files, SHA-256 digests."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bench.base.errors import BenchError

_BLOCK = 1 << 20


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`, and rename it to `path` when the block ends without an exception.

    Missing folders are created. Any exception (an error, Ctrl-C, a termination signal turned into an
    exception) removes the temporary file; a previous file at `path` is kept.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill a temporary folder beside `path`; rename it to `path` when the block ends without an exception.

    Raises:
        BenchError: `path` exists and is not an empty folder; files of the user are never overwritten.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise BenchError(path, "exists and is not an empty folder", "give another name or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def check_writable(path: str | Path) -> None:
    """Create the folder of `path` and a temporary file in it, so that a long run fails at its start.

    Raises:
        OSError: the folder cannot be created or written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    os.unlink(name)


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, atomically; NaN and infinities become null."""
    text = json.dumps(json_value(value), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: str | Path, what: str = "a JSON file") -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        BenchError: the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise BenchError(path, "no such file", f"give the path of {what}") from None
    except (ValueError, IsADirectoryError) as error:
        raise BenchError(path, f"is not {what} ({error})", "create it again") from None
    if not isinstance(value, dict):
        raise BenchError(path, f"is not {what} (its top level must be an object)", "create it again")
    return value


def json_value(value: Any) -> Any:
    """Convert a value to JSON types: NumPy scalars to numbers, NaN and infinities to None."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if not isinstance(value, str | bool | int | float | None) and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
