"""Atomic files and folders, temporary folders, JSON files, SHA-256 digests."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bench.base.errors import BenchError
from bench.base.locks import try_lock
from bench.base.strict_json import parse_json

_BLOCK = 1 << 20
#: Largest JSON file that is read. The report of a fit of 10,000 epochs has 2 MB.
_MOST_JSON_BYTES = 256 << 20
#: Errors of a full or damaged disk. The exception of a write has no file name.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`, and rename it to `path` when the block ends without an exception.

    Missing folders are created. Any exception (an error, Ctrl-C, a termination signal turned into an
    exception) removes the temporary file; a previous file at `path` is kept. The temporary file is locked, so
    the next call for the same path removes one that a killed process left.

    Raises:
        OSError: the file cannot be written. A full disk is reported with the name `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(path.parent, f".{path.name}.", ".tmp")
    handle, name = _locked_file(path)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None and error.errno in _DISK_ERRORS:
            error.filename = str(path)
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
    with _locked_folder(path.parent, f".{path.name}.") as temporary:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, path)


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A new folder ``bench-<purpose>-<random>.tmp`` in TMPDIR, which is removed at the end of the block.

    Such folders of this user that a killed process left are removed, too.
    """
    with _locked_folder(Path(tempfile.gettempdir()), f"bench-{purpose}-") as folder:
        yield folder


def remove_stale(folder: Path, prefix: str, suffix: str) -> None:
    """Remove temporary files and folders of this user that no process has locked.

    Their names are `prefix`, eight random characters as of `tempfile`, and `suffix`.
    """
    pattern = re.compile(f"{re.escape(prefix)}[a-z0-9_]{{8}}{re.escape(suffix)}")
    for path in folder.iterdir():
        if not pattern.fullmatch(path.name):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # another process has just removed it, or it is of another user
            continue
        try:
            if os.fstat(descriptor).st_uid == os.getuid() and try_lock(descriptor):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except OSError:
            pass  # the next call tries again
        finally:
            os.close(descriptor)


def _locked_file(path: Path) -> tuple[int, str]:
    """Descriptor and name of a new locked temporary file beside `path`."""
    while True:
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        except OSError as error:
            error.filename = str(path)
            raise
        # `remove_stale` of another process may remove the file before it is locked.
        if try_lock(handle) is not False and os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)


@contextmanager
def _locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new locked temporary folder, which is removed at the end of the block unless it was renamed."""
    remove_stale(parent, prefix, ".tmp")
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix, suffix=".tmp"))
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # as in `_locked_file`
            continue
        if try_lock(descriptor) is not False and folder.exists():
            break
        os.close(descriptor)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def check_writable(path: str | Path) -> None:
    """Create the folder of `path` and a temporary file in it, so that a long run fails at its start.

    Raises:
        OSError: the folder cannot be created or written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(path.parent, f".{path.name}.", ".tmp")
    handle, name = _locked_file(path)
    os.unlink(name)
    os.close(handle)


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, atomically; NaN and infinities become null."""
    text = json.dumps(json_value(value), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: str | Path, what: str = "a JSON file") -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        BenchError: the file is missing, is not a JSON object, or has a value that `parse_json` refuses.
    """
    try:
        if Path(path).stat().st_size > _MOST_JSON_BYTES:
            raise ValueError(f"has more than {_MOST_JSON_BYTES >> 20} MiB")
        value = parse_json(Path(path).read_bytes())
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


class FileState(NamedTuple):
    """What changes when a file is written or replaced: size in bytes, time of the last change, inode."""

    size: int
    mtime_ns: int
    inode: int


def file_state(path: str | Path) -> FileState:
    """The present state of a file."""
    status = os.stat(path)
    return FileState(status.st_size, status.st_mtime_ns, status.st_ino)


def sha256_of_state(path: str | Path) -> str:
    """SHA-256 of a file, computed once a process for each state of the file."""
    return _sha256_of_state(os.path.abspath(path), file_state(path))


@functools.lru_cache(maxsize=64)
def _sha256_of_state(path: str, state: FileState) -> str:
    return sha256_file(path)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
