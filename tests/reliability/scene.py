"""A copy of the repository in which faults are tried: commands, kills, and what is left afterwards."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiny_repo import NETWORKS, Repo, copy_repo

#: Marks all processes of a scene, also those whose parent was killed.
MARK = "BENCH_RELIABILITY_SCENE"
#: CPU seconds that a process may use after the one that started it was killed, and seconds in all. CPU time
#: does not depend on the load of the machine.
ORPHAN_CPU_S, ORPHAN_WALL_S = 5.0, 180.0
CONDITION = "kills"
CHANGES: dict[str, Any] = {
    "title": "Moving discs, killed at random",
    "budget": {"epochs": 12},
    "codecs": {
        "nerv-matched": {"points": {"low": {**NETWORKS["nerv-matched"], "save_every": 1}}},
        "x264-medium": {"settings": {"preset": "ultrafast"}, "points": ["crf38"]},
        "identity": {},
    },
    "reference": False,
    "anchor": None,
    "strip": None,
}
_TEMPORARY = re.compile(r"\..*\.tmp|.*\.partial|.*\.part|.*\.part\.json|unpacked-.*")


@dataclass
class Scene:
    """A copy of the repository with a TMPDIR of its own.

    Attributes:
        log: the output of the last command.
        early: folders in TMPDIR of Snakemake processes that were killed in their first second, before they
            recorded them. Only a run that starts a minute later removes them.
    """

    folder: Path
    repo: Repo = field(init=False)
    log: str = field(init=False, default="")
    early: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.repo = copy_repo(self.folder / "repo").write_condition(CONDITION, **CHANGES)
        self.temporary.mkdir()

    @property
    def root(self) -> Path:
        return self.repo.root

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.repo.env,
            "TMPDIR": str(self.temporary),
            MARK: str(self.folder),
            "no_proxy": "127.0.0.1",
        }

    def bench(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "bench", *words]

    def start(self, command: Sequence[str], **environment: str) -> subprocess.Popen[str]:
        """Start a command in a session of its own. Its output goes to a file, which no orphan can block."""
        with (self.folder / "output").open("w") as output:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=self.env | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )

    def wait(self, process: subprocess.Popen[str], seconds: float = 600) -> int:
        """Wait for a command; its exit status. Its output is then in `log`."""
        status = process.wait(seconds)
        self.log = (self.folder / "output").read_text(errors="replace")
        return status

    def run(self, command: Sequence[str], **environment: str) -> int:
        return self.wait(self.start(command, **environment))

    def processes(self) -> dict[int, str]:
        """Running processes of this scene: process id -> command line."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (path / "environ").read_bytes().split(b"\0")
                if f"{MARK}={self.folder}".encode() in environment:
                    words = (path / "cmdline").read_bytes().split(b"\0")
                    if words[0]:
                        found[int(path.name)] = " ".join(os.fsdecode(word) for word in words)
        return found

    def check_no_orphan(self) -> None:
        """Wait until all processes have ended; AssertionError if one runs too long."""
        end, first = time.monotonic() + ORPHAN_WALL_S, {}
        while left := self.processes():
            for process, command in left.items():
                used = cpu_seconds(process)
                first.setdefault(process, used)
                if time.monotonic() > end or used - first[process] > ORPHAN_CPU_S:
                    os.kill(process, signal.SIGKILL)
                    raise AssertionError(f"the process still runs: {command}")
            time.sleep(0.05)

    def note_early_folders(self) -> None:
        """Add to `early` the folders that the killed Snakemake had not recorded."""
        recorded = {path.name for path in (self.root / ".snakemake" / "processes").glob("*")}
        for folder in self.temporary.glob("snakemake*"):
            if folder.name not in recorded:
                self.early.add(folder.name)

    def leftovers(self) -> list[str]:
        """Temporary files in the repository, and everything in TMPDIR."""
        folders = [self.root / name for name in ("results", "resources", "config", "out", "clip")]
        files = [path for folder in folders for path in folder.rglob("*") if _TEMPORARY.fullmatch(path.name)]
        # torch's cache of compiled kernels, which every process that imports torch may create.
        others = [path for path in self.temporary.iterdir() if not path.name.startswith("torchinductor_")]
        others = [path for path in others if path.name not in self.early]
        return sorted(str(path.relative_to(self.folder)) for path in [*files, *others])

    def one_error_line(self) -> str:
        """The only error line of the last command."""
        assert "Traceback" not in self.log, self.log
        lines = [line for line in self.log.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.log
        return lines[0]

    def reset(self, *names: str) -> None:
        for name in names:
            shutil.rmtree(self.root / name, ignore_errors=True)

    def metrics(self) -> dict[str, Any]:
        """All values of records that do not depend on time or machine."""
        records = map(read_json, sorted(self.root.glob("results/points/*/*/*/*/*/record.json")))
        keys = ("metrics", "rate_bpp", "stream_bytes", "stream_sha256", "clip_sha256", "epochs")
        return {record["codec"]: {key: record[key] for key in keys} for record in records}


def cpu_seconds(process: int) -> float:
    """CPU seconds of a process; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def random_wait(process: subprocess.Popen[str], random_: random.Random, longest_s: float) -> bool:
    """Wait a random time. Whether the process still runs then."""
    try:
        process.wait(random_.uniform(0, longest_s))
    except subprocess.TimeoutExpired:
        return True
    return False
