"""Isolation of a codec's commands: namespaces of the kernel where the system allows them.

| isolation | file systems | network | processes |
|---|---|---|---|
| `bubblewrap` | the working folder and read-only system folders | none | killed with the command |
| `unshare` | the same | none | the same |
| `container` | the working folder and the image | none | killed with the container |
| `folder` | those of the user; an empty working folder | the user's | killed as descendants |

The first one that works on this machine is used. The record of a point contains it. System folders are those
of installed programs (/usr, /lib, /bin and the like), never a home folder, the suite, results or clips. The
environment variable ``BENCH_ISOLATION`` selects one; the value `folder` disables namespaces.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from bench.base.errors import BenchError
from bench.base.names import suggestion
from bench.base.paths import ROOT

Isolation = Literal["bubblewrap", "unshare", "container", "folder"]
VARIABLE = "BENCH_ISOLATION"
#: Path of the working folder inside a namespace.
INSIDE = "/job"

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/etc/fonts", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"),
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
#: Folders that share the scratch folder, whose size is limited.
_SCRATCH = ("/tmp", "/dev/shm")
_TEST_S = 20
_UNSHARE = (
    *("unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork"),
    *("--kill-child=SIGKILL", "--propagation", "private", "/bin/sh", "-euc"),
)
#: Script of `unshare`: builds a file system from pairs of words (source and target; `rw:` before a writable
#: source) up to `--`, makes it the root, and starts the command without capabilities. $1 is an empty folder.
_SCRIPT = r"""
root=$1; shift
mount -t tmpfs -o mode=755 tmpfs "$root"
while [ "$1" != -- ]; do
  source=${1#rw:}; target=$root$2
  if [ -d "$source" ]; then mkdir -p "$target"; else mkdir -p "${target%/*}"; : > "$target"; fi
  mount --rbind "$source" "$target"
  case $1 in rw:*|/dev/*) ;; *) mount -o remount,bind,ro "$target" ;; esac
  shift 2
done
shift
mkdir -p "$root/proc" "$root/.old"
mount -t proc proc "$root/proc"
ln -s /proc/self/fd "$root/dev/fd"
cd "$root"
pivot_root . .old
umount -l /.old
rmdir /.old
mount -o remount,ro /
cd /job
unset OLDPWD  # which names the folder outside
# Not `exec`: the first process of a namespace ignores signals such as that of abort().
setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@" || exit $?
"""


@functools.cache
def isolation() -> Isolation:
    """The isolation of commands on this machine: the first that can run a command.

    Raises:
        BenchError: BENCH_ISOLATION names one that is unknown or does not work here.
    """
    wanted = os.environ.get(VARIABLE, "")
    kinds: tuple[Isolation, ...] = ("bubblewrap", "unshare", "folder")
    if wanted and wanted not in kinds:
        raise BenchError(VARIABLE, f"unknown value {wanted!r}", suggestion(wanted, kinds))
    for kind in kinds:
        if wanted in ("", kind) and _works(kind):
            return kind
    raise BenchError(VARIABLE, f"{wanted} does not work on this machine", "unset it, or use folder")


def isolated_command(
    command: Sequence[str],
    *,
    kind: Isolation,
    folder: Path,
    scratch: Path,
    readable: Iterable[Path] = (),
    gpu: bool = False,
) -> list[str]:
    """The command line that runs a command in an isolation. Its working folder is `folder`.

    Args:
        folder: writable folder of the command's files. scratch: empty folder for /tmp and /dev/shm.
        readable: further files and folders that the command may read, at their own paths.
    """
    if kind == "folder":
        return list(command)
    system = [path for path in (*_SYSTEM, *_SYSTEM_FILES) if os.path.exists(path)]
    shown = [str(path) for path in _outermost(readable)]
    devices = [str(path) for path in sorted(Path("/dev").glob("nvidia*"))] if gpu else []
    # What the command may read comes last: it may be below /tmp.
    if kind == "bubblewrap":
        words = ["bwrap", "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]
        for path in system:
            link = os.path.islink(path)
            words += ["--symlink", os.readlink(path), path] if link else ["--ro-bind", path, path]
        for path in _hidden():
            words += ["--tmpfs", path]
        words += ["--proc", "/proc", "--dev", "/dev", "--bind", str(folder), INSIDE]
        words += [word for target in _SCRATCH for word in ("--bind", str(scratch), target)]
        for path in devices:
            words += ["--dev-bind", path, path]
        for path in shown:
            words += ["--ro-bind", path, path]
        return [*words, "--remount-ro", "/", "--chdir", INSIDE, "--", *command]
    root, empty = (scratch.with_name(f"{scratch.name}-{name}") for name in ("root", "empty"))
    root.mkdir(exist_ok=True)
    empty.mkdir(exist_ok=True)
    pairs = [(path, path) for path in system] + [(str(empty), path) for path in _hidden()]
    pairs += [(path, path) for path in (*(f"/dev/{name}" for name in _DEVICES), *devices)]
    pairs += [(f"rw:{folder}", INSIDE), *((f"rw:{scratch}", target) for target in _SCRATCH)]
    pairs += [(path, path) for path in shown]
    return [*_UNSHARE, _SCRIPT, "sh", str(root), *(word for pair in pairs for word in pair), "--", *command]


def _hidden() -> list[str]:
    """The suite and the home folder, where they are below a system folder."""
    folders = {str(ROOT), os.path.expanduser("~")}
    return sorted(path for path in folders if path.startswith(tuple(f"{system}/" for system in _SYSTEM)))


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Existing paths that no system folder and no other path contains."""
    chosen: list[Path] = []
    for path in sorted({Path(os.path.abspath(path)) for path in paths}):
        inside = any(path.is_relative_to(other) for other in (*chosen, *map(Path, _SYSTEM)))
        if path.exists() and not inside:
            chosen.append(path)
    return chosen


def _works(kind: Isolation) -> bool:
    """Whether a command runs in this isolation."""
    if kind == "folder":
        return True
    program = "bwrap" if kind == "bubblewrap" else "unshare"
    if shutil.which(program) is None:
        return False
    from bench.base.files import temporary_folder

    with temporary_folder("isolation") as folder:
        work, scratch = folder / "work", folder / "scratch"
        work.mkdir()
        scratch.mkdir()
        command = isolated_command(["true"], kind=kind, folder=work, scratch=scratch)
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TEST_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0
