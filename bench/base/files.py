"""Files that appear under their final name only when they are complete."""

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
    """Open a temporary file beside `path`; give it that name when the block ends well.

    Missing folders are made. Whatever ends the block otherwise (an error, Ctrl-C, a
    termination signal turned into an exception) removes the temporary file and leaves what
    stood under `path` before.
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
    """Fill a temporary folder beside `path`; give it that name when the block ends well.

    Raises:
        BenchError: `path` exists and is not an empty folder (nothing of a user's is overwritten).
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
    """Make the folder of `path` and a file in it, so that a long run fails at its start if at all.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    os.unlink(name)


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, atomically; numbers that JSON cannot hold become null."""
    text = json.dumps(json_value(value), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: str | Path, what: str = "a JSON file") -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        BenchError: there is no such file, or it holds no JSON object.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise BenchError(path, "no such file", f"give the path of {what}") from None
    except (ValueError, IsADirectoryError) as error:
        raise BenchError(path, f"is not {what} ({error})", "make it again") from None
    if not isinstance(value, dict):
        raise BenchError(path, f"is not {what} (no object at its top)", "make it again")
    return value


def json_value(value: Any) -> Any:
    """The same value out of JSON's types: NumPy scalars as numbers, NaN and infinities as null."""
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
