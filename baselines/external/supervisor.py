"""Run one command under limits, in a process of its own: ``python -I supervisor.py``, a JSON object on stdin.

The supervisor is the subreaper of its descendants, so a process that detaches from its parent stays below it.
It polls their resident memory, the size of the working folder and the clock. When the command ends, exceeds a
limit, or the supervisor's own parent ends, all descendants are killed. The result is one JSON line on stdout.
The module imports only the standard library, because it runs outside the suite.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER, _PR_SET_PDEATHSIG = 36, 1
_POLL_S = 0.05
_POLLS_PER_FOLDER_SIZE = 10
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    job = json.load(sys.stdin)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _leave())
    if os.getppid() != job["parent"]:  # it ended before prctl
        _leave()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    started = time.monotonic()
    with open(job["log"], "ab") as log:
        process = subprocess.Popen(
            job["command"],
            cwd=job["folder"],
            env=job["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _in_child(job["disk_bytes"]),
        )
    status, stopped, peak, polls = None, "", 0, 0
    while status is None and not stopped:
        signal.sigtimedwait([signal.SIGCHLD], _POLL_S)
        status = _reap(process.pid)
        memory = sum(_resident(pid) for pid in descendants(os.getpid()))
        peak, polls = max(peak, memory), polls + 1
        if memory > job["memory_bytes"]:
            stopped = "memory"
        elif time.monotonic() - started > job["time_s"]:
            stopped = "time"
        elif polls % _POLLS_PER_FOLDER_SIZE == 0 or status is not None:
            stopped = "disk" if _size_above(job["watched"], job["disk_bytes"]) else ""
    wall = time.monotonic() - started
    kill_descendants()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    json.dump(
        {
            "status": None if status is None else os.waitstatus_to_exitcode(status),
            "stopped": stopped,
            "wall_s": wall,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_memory_bytes": max(peak, usage.ru_maxrss * 1024),
        },
        sys.stdout,
    )


def descendants(root: int) -> list[int]:
    """Process ids of all descendants of a process, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:  # it has just ended
                continue
            children.setdefault(parent, []).append(int(entry))
    result, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        result += below
        waiting += below
    return result


def kill_descendants() -> None:
    """Kill and reap all descendants. Each round finds those that were forked during the round before."""
    while left := descendants(os.getpid()):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while _reap(-1) is not None:
            pass
        time.sleep(0.001)


def _in_child(disk_bytes: int) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    resource.setrlimit(resource.RLIMIT_FSIZE, (disk_bytes, disk_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _leave() -> None:
    kill_descendants()
    os._exit(1)


def _reap(wanted: int) -> int | None:
    """Reap children that have ended; the wait status of child `wanted` (-1: any), None if it still runs."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if wanted in (pid, -1):
            return status


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _size_above(folders: list[str], limit: int) -> bool:
    total = 0
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                try:
                    total += os.lstat(Path(parent, name)).st_blocks * 512
                except OSError:
                    continue
    return total > limit


if __name__ == "__main__":
    main()
