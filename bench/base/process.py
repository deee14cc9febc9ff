"""What a command knows and settles about its own process: its end, its lock, its device, its memory."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bench.base.errors import BenchError

if TYPE_CHECKING:
    pass


_PR_SET_PDEATHSIG = 1
_SHELLS = ("sh", "bash", "dash", "zsh")
_WATCH_S = 2.0


def end_cleanly_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit, so that temporary files are removed."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)


def die_with_parent() -> None:
    """Have this process get SIGTERM when the one that started it ends (Linux; nothing elsewhere).

    A workflow that is killed leaves no fit behind. A workflow starts commands through ``bash -c``,
    which outlives it: then it is the shell's parent that is watched, too.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    grandparent = _parent_of(parent) if _is_command_shell(parent) else None
    if os.getppid() != parent:  # it ended before we asked
        raise SystemExit(128 + signal.SIGTERM)
    if grandparent:
        threading.Thread(target=_watch, args=(parent, grandparent), daemon=True).start()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; the lock ends with the process, however that ends.

    Raises:
        BenchError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(20).decode("ascii", "replace").strip() or "unknown"
            remedy = "wait for it, or give another --state-dir"
            raise BenchError(folder, f"is in use by process {owner}", remedy) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def peak_memory() -> dict[str, int | None]:
    """Peak memory so far: of this process or its largest child on the host, and on the device."""
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    device = None
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        device = torch.cuda.max_memory_allocated()
    return {"peak_memory_bytes": max(_own_peak(unit), children), "peak_device_memory_bytes": device}


def progress(name: str) -> Callable[[str], None]:
    """A function that tells one line of progress on stderr, prefixed with a name."""

    def tell(line: str) -> None:
        sys.stderr.write(f"[{name}] {line}\n")
        sys.stderr.flush()

    return tell


@contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """Standard output for bytes alone: what anything else prints there goes to stderr."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(own, "wb", closefd=False) as file:
            yield file
    finally:
        os.dup2(own, 1)
        os.close(own)


def _own_peak(unit: int) -> int:
    # A process starts with its parent's ru_maxrss (it survives exec), but with its own VmHWM.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # no Linux: see below
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _is_command_shell(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.path.basename(words[0]).decode(errors="replace") in _SHELLS and words[1:2] == [b"-c"]


def _parent_of(pid: int) -> int | None:
    try:
        # The name in parentheses may hold anything; the fields after it do not.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _watch(parent: int, grandparent: int) -> None:
    while _parent_of(parent) == grandparent:
        time.sleep(_WATCH_S)
    os.kill(os.getpid(), signal.SIGTERM)
