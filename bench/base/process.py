"""The process of a command: signals, death with its parent, peak memory, progress lines."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bench.base.errors import printable

#: Environment variable with the process id of the process that started this one. If it is killed at once, the
#: new process has another parent from its first statement on.
STARTER = "BENCH_STARTER"
_PR_SET_PDEATHSIG = 1
#: Parameters of glibc's mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_HUGE_PAGES = "glibc.malloc.hugetlb=1"


#: Process groups of child processes. SIGTERM and SIGINT kill them first: this process may wait for output.
child_groups: set[int] = set()


def end_cleanly_on_signals() -> None:
    """Turn SIGTERM into SystemExit and SIGINT into KeyboardInterrupt, so that temporary files are removed."""

    def leave(number: int, frame: object) -> None:
        for group in list(child_groups):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, leave)


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Send this process a signal when its parent process ends (Linux only; no effect on other systems).

    A fit then ends with the workflow that started it, even if that was killed. Rules start commands with
    ``exec``, so that the parent is Snakemake and not a shell, which would outlive it.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    starter = int(os.environ.get(STARTER) or parent)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent or (starter != parent and not _is_running(starter)):  # ended before the call
        raise SystemExit(128 + number)


def keep_freed_memory() -> None:
    """Keep freed memory in this process for its next arrays (glibc only; no effect elsewhere).

    By default glibc returns large arrays to the system when they are freed, and each new one is made of
    fresh pages that the kernel fills with zeros. A training step or a score frees and allocates the same
    arrays again and again: at 1080p, page faults took up to half of its CPU time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for threshold in (32 << 20, 1 << 30):  # earlier versions of glibc accept 32 MiB at most
            mallopt(_M_MMAP_THRESHOLD, threshold)
        mallopt(_M_TRIM_THRESHOLD, -1)


def use_huge_pages() -> None:
    """Start this process anew with large arrays on pages of 2 MiB (Linux with glibc 2.35 or later).

    Glibc reads the setting before the first statement of a program. The new program has this process's id
    and arguments. Child processes inherit the setting. Where translations of addresses are slow, as in many
    virtual machines, training steps took 5 to 26 % of their time for them. Systems that never give huge
    pages ignore it.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    chosen = _HUGE_PAGES.partition("=")[0] in tunables
    if sys.platform.startswith("linux") and sys.executable and not chosen:
        os.environ["GLIBC_TUNABLES"] = f"{tunables}:{_HUGE_PAGES}".lstrip(":")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user
    return True


def peak_memory() -> dict[str, int | None]:
    """Peak memory so far in bytes: on the host (this process or its largest child) and on the CUDA device."""
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    device = None
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        device = torch.cuda.max_memory_allocated()
    return {
        "peak_memory_bytes": max(_peak_of_this_process(unit), children),
        "peak_device_memory_bytes": device,
    }


def progress(name: str) -> Callable[[str], None]:
    """A function that writes one progress line to stderr, prefixed with a name."""

    def write(line: str) -> None:
        sys.stderr.write(f"[{name}] {printable(line)}\n")
        sys.stderr.flush()

    return write


@contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """Standard output for binary data. What other code prints in the block goes to stderr."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(saved, "wb", closefd=False) as file:
            yield file
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _peak_of_this_process(unit: int) -> int:
    # A process starts with its parent's ru_maxrss (it survives exec), but with its own VmHWM.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: use getrusage
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
