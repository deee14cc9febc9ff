"""File locks (flock). A lock ends with its process, even if the process is killed.

Some network file systems have no locks. `try_lock` then returns None, and the callers continue after a
warning: two runs at once are not detected there.

As a program, for the Makefile: ``python -m bench.base.locks FD`` locks a file descriptor that it inherits.
The lock belongs to the open file, so it stays with the shell that opened it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.base.errors import BenchError

#: Errors of file systems without locks. Those of NFS for folders are EBADF and EISDIR.
_UNSUPPORTED = (
    *(errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK),
    *(errno.EBADF, errno.EISDIR, errno.EINVAL),
)


def try_lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock an open file or folder.

    Args:
        shared: whether other processes may hold shared locks at the same time.
        wait: whether to wait until other locks end.

    Returns:
        True: locked. False: another process holds a lock. None: the file system has no locks.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return None
    return True


def warn_no_locks(path: str | Path) -> None:
    """Print that the file system of `path` has no locks."""
    sys.stderr.write(
        f"warning: {path}: the file system has no file locks; start no second run in this folder\n"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder for this process, with the file ``.lock`` in it.

    Raises:
        BenchError: another process holds the lock. OSError: the folder or the file cannot be created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+b") as file:
        acquired = try_lock(file.fileno())
        if acquired is False:
            file.seek(0)
            owner = file.read(20).decode("ascii", "replace").strip() or "unknown"
            remedy = "wait for it to end, or give another --state-dir"
            raise BenchError(folder, f"is in use by process {owner}", remedy)
        if acquired is None:
            warn_no_locks(folder)
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def _main(descriptor: int, wait_s: float = 5.0) -> int:
    """Lock an inherited file descriptor. Exit status 1: another process still holds it after `wait_s`."""
    end = time.monotonic() + wait_s
    while (acquired := try_lock(descriptor)) is False and time.monotonic() < end:
        time.sleep(0.1)
    if acquired is None:
        warn_no_locks(".snakemake")
    if acquired is False:
        sys.stderr.write("error: another run is at work in this folder; wait for it, or stop it\n")
    return int(acquired is False)


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1])))
