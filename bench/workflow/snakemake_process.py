"""Snakemake processes: leftovers of killed runs, the Python of jobs, and the files that a run creates."""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from bench.base.cores import usable_cores
from bench.base.errors import BenchError
from bench.base.locks import try_lock, warn_no_locks
from bench.base.paths import ROOT
from bench.base.process import STARTER

_FOLDER = Path(".snakemake")
#: A locked file for each Snakemake process, which contains the path of its folder in TMPDIR.
_PROCESSES = _FOLDER / "processes"
_RECORDED_WITHIN_S = 60.0
_TEMPORARY_NAME = re.compile(r"snakemake[a-z0-9_]{8}")


def clean_up_after_killed_runs(temporary: Path, *, main_process: bool) -> None:
    """Remove Snakemake's lock and temporary files if the processes that they belong to were killed.

    A killed run leaves the lock of its outputs, so that the next run would need ``snakemake --unlock``. Every
    main process therefore holds a shared lock on ``.snakemake/run.lock``, which ends with it. If no process
    holds that lock, Snakemake's own is a leftover. On a file system without locks nothing is removed.

    Args:
        temporary: the folder of this process in TMPDIR (`Workflow.snakemake_tmp_dir`).
        main_process: whether this process plans and schedules.
    """
    try:
        _PROCESSES.mkdir(parents=True, exist_ok=True)
        if main_process:
            _hold_run_lock()
        for path in _PROCESSES.iterdir():
            _remove_ended(path)
        _remove_unrecorded(temporary.parent)
        record = os.open(_PROCESSES / temporary.name, os.O_RDWR | os.O_CREAT, 0o666)
        try_lock(record)  # it stays open and locked until the process ends
        os.write(record, os.fsencode(temporary))
    except OSError as error:  # a read-only folder, for a dry run
        sys.stderr.write(
            f"warning: {error.filename or _FOLDER}: {error.strerror}; no clean-up of killed runs\n"
        )


def _hold_run_lock() -> None:
    path = _FOLDER / "run.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    alone = try_lock(descriptor)
    if alone is None:
        warn_no_locks(_FOLDER)
    if alone:
        for leftover in (*_FOLDER.glob("locks/*.lock"), *_FOLDER.glob("scripts/tmp*")):
            leftover.unlink(missing_ok=True)
        for folder in _FOLDER.glob("shell_tmp.*"):
            shutil.rmtree(folder, ignore_errors=True)
    try_lock(descriptor, shared=True)  # the file stays open


def _remove_unrecorded(parent: Path) -> None:
    """Remove folders of processes that were killed before they read the Snakefile.

    Snakemake copies the Snakefile into them, so the path of the copy shows whether they belong to this
    checkout. A process of this checkout records its folder within a minute of its start.
    """
    recorded = {path.name for path in _PROCESSES.iterdir()}
    copies = f"source-cache/snakemake-runtime-cache/*/file{glob.escape(str(ROOT))}"
    for folder in parent.glob("snakemake*"):
        if folder.name in recorded or not _TEMPORARY_NAME.fullmatch(folder.name):
            continue
        with suppress(FileNotFoundError):  # its process has just removed it
            is_old = time.time() - folder.stat().st_mtime > _RECORDED_WITHIN_S
            if is_old and any(folder.glob(copies)):
                shutil.rmtree(folder, ignore_errors=True)


def _remove_ended(path: Path) -> None:
    """Remove the temporary folder of a process that has ended."""
    try:
        record = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # another process has just removed it
        return
    try:
        if try_lock(record):
            temporary = Path(os.fsdecode(os.read(record, 4096)))
            if _TEMPORARY_NAME.fullmatch(temporary.name):
                shutil.rmtree(temporary, ignore_errors=True)
            path.unlink(missing_ok=True)
    finally:
        os.close(record)


def warn_of_quota(cores: int | None) -> None:
    """Warn if Snakemake would run more jobs at once than the CPU quota of its container allows.

    Args:
        cores: of ``--cores``; None on a cluster.
    """
    if cores is not None and cores > (usable := usable_cores()):
        text = f"warning: --cores {cores}, but this container may use {usable}; times will not compare"
        sys.stderr.write(f"{text}; start with --cores {usable}\n")


def set_starter_of_jobs() -> None:
    """Set the variable by which a job detects that this process was killed while the job started."""
    os.environ[STARTER] = str(os.getpid())


def put_this_python_first() -> None:
    """Put the folder of this Python first on PATH, for the jobs that this process starts.

    Snakemake writes `sys.executable` into the command of a script without quotes. A path with spaces or
    quotes is therefore replaced by `python`, which the shell then looks up.
    """
    python = Path(sys.executable)
    if python.is_absolute():
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
        if shlex.quote(sys.executable) != sys.executable:
            sys.executable = "python"


def make_suite_importable() -> None:
    """Add the repository to PYTHONPATH: a job's working directory may be another folder (`--directory`)."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT) not in paths and os.pathsep not in str(ROOT):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), *paths]))


def outdated_files(condition: str) -> set[str]:
    """The output files that `snakemake all` would create now, missing ones included; it starts no job.

    An output is outdated if an input file, a parameter, or the code of its job has changed.

    Args:
        condition: its name.

    Raises:
        BenchError: Snakemake cannot plan the run.
    """
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", "."]
    words += ["--summary", "--nolock", "--config", f"condition={condition}", "--", "all"]
    done = subprocess.run(words, text=True, capture_output=True)
    if done.returncode != 0:
        line = (done.stderr.strip() or "no message").splitlines()[-1]
        raise BenchError("snakemake --summary", line.removeprefix("error: "), "correct it, then plan again")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {row[0] for row in rows if len(row) == 6 and row[5] == "update pending"}
