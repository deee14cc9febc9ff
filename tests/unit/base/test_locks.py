"""File locks, and temporary files that a killed process left."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.files import atomic_file, atomic_folder, temporary_folder
from bench.base.locks import locked, try_lock
from bench.base.paths import ROOT

HOLD = """
import signal, sys
from bench.base import files, locks
from pathlib import Path
with {block}:
    print("ready", flush=True)
    signal.pause()
"""


def holder(block: str, **environment: str) -> subprocess.Popen[str]:
    """A process that waits within the block of a context manager."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(block=block)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSYS) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_lock_is_refused_with_its_owner_and_ends_with_it(tmp_path: Path) -> None:
    process = holder(f"locks.locked(Path({str(tmp_path)!r}))")
    with pytest.raises(BenchError, match=f"is in use by process {process.pid}"), locked(tmp_path):
        pass
    kill(process)
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    without_locks(monkeypatch, number)
    with locked(tmp_path / "state"), atomic_file(tmp_path / "file") as file:
        file.write(b"x")
    assert (tmp_path / "file").read_bytes() == b"x"
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"warning: {tmp_path}/state: the file system has no file locks; start no second run in this folder"
    ]


def test_other_errors_of_a_lock_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path):
        pass


def test_the_program_locks_a_descriptor_of_its_shell(tmp_path: Path) -> None:
    """As the Makefile does: the lock stays after the program ended, until the shell closes the file."""
    path = tmp_path / "run.lock"
    script = f'exec 9>{path}; "$0" -m bench.base.locks 9; echo locked; read line'
    with subprocess.Popen(
        ["bash", "-c", script, sys.executable],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout
        assert shell.stdout.readline() == "locked\n"
        with path.open() as file:
            assert try_lock(file.fileno()) is False
            shell.communicate("\n")
            assert try_lock(file.fileno()) is True


def test_temporary_files_of_a_killed_process_are_removed_by_the_next_write(tmp_path: Path) -> None:
    target, folder = tmp_path / "clip.y4m", tmp_path / "frames"
    blocks = f"files.atomic_file({str(target)!r}), files.atomic_folder({str(folder)!r})"
    first, second = holder(blocks), holder(blocks)
    assert len(list(tmp_path.iterdir())) == 4
    unrelated = tmp_path / ".clip.y4m.mine.tmp"
    unrelated.touch()
    kill(first)
    with atomic_file(target) as file:
        file.write(b"frames")
    with atomic_folder(folder) as temporary:
        (temporary / "0.png").touch()
    # The files of the process that still runs are kept.
    assert len(list(tmp_path.glob(".*.tmp"))) == 3
    kill(second)
    with atomic_file(target) as file:
        file.write(b"frames")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        unrelated.name,
        "clip.y4m",
    ]


def test_temporary_folders_of_killed_processes_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (holder("files.temporary_folder('decode')", TMPDIR=str(tmp_path)) for _ in range(2))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kill(first)
    with temporary_folder("decode") as folder:
        assert len(list(tmp_path.iterdir())) == 2
    assert not folder.exists()
    kill(second)
    with temporary_folder("decode"):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_with_the_name_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, atomic_file(tmp_path / "out"):
        Path("/dev/full").write_bytes(b"x")
    assert caught.value.filename == str(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
