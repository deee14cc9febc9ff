"""What killed runs leave: removed when the next one starts, and never while a process still uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.base.paths import ROOT

CODE = """
import sys
from pathlib import Path
from bench.workflow.snakemake_process import clean_up_after_killed_runs
temporary = Path(sys.argv[1])
temporary.mkdir()
clean_up_after_killed_runs(temporary, main_process=sys.argv[2] == "main")
print("ready", flush=True)
input()
"""


class Run:
    """A process that has read the Snakefile, with its folder in TMPDIR."""

    def __init__(self, folder: Path, name: str, process: str = "main") -> None:
        self.temporary = folder / "tmp" / name
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, self.temporary, process],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    return tmp_path


def test_the_next_run_removes_locks_and_folders_of_a_killed_one(folder: Path) -> None:
    first = Run(folder, "snakemakefirst_12")
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.write_text("results/tables/tiny/rd_points.csv\n")
    second = Run(folder, "snakemakesecond12")
    assert lock.exists()  # the first run is alive
    first.kill()
    second.kill()
    third = Run(folder, "snakemakethird_12")
    assert not lock.exists()
    assert not second.temporary.exists()
    assert third.temporary.exists()
    third.kill()


def test_a_folder_with_another_name_is_never_removed(folder: Path) -> None:
    run = Run(folder, "documents")
    run.kill()
    Run(folder, "snakemake12345678").kill()
    assert run.temporary.exists()


def test_a_folder_that_no_process_recorded_is_removed_after_a_minute(folder: Path) -> None:
    """Of a run that was killed before it read the Snakefile: only a copy of that file shows whose it was."""
    ages = {"snakemakeold_ours": 100, "snakemakenew_ours": 0, "snakemakeforeign1": 100}
    for name, age_s in ages.items():
        root = "/elsewhere" if "foreign" in name else ROOT
        copy = folder / "tmp" / name / f"source-cache/snakemake-runtime-cache/tmp1/file{root}/Snakefile"
        copy.parent.mkdir(parents=True)
        copy.touch()
        then = time.time() - age_s
        os.utime(folder / "tmp" / name, (then, then))
    Run(folder, "snakemake12345678").kill()
    left = {path.name for path in (folder / "tmp").iterdir()}
    assert left == {"snakemakenew_ours", "snakemakeforeign1", "snakemake12345678"}


def test_the_process_of_a_job_unlocks_nothing(folder: Path) -> None:
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.touch()
    Run(folder, "snakemake12345678", "job").kill()
    assert lock.exists()
    Run(folder, "snakemake87654321").kill()
    assert not lock.exists()
