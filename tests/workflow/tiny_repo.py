"""A copy of the repository to run the workflow in, with conditions of a few tiny frames."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.base.paths import ROOT

COPIED = (
    *("Snakefile", "Makefile", "pyproject.toml", "requirements.lock"),
    *("workflow", "config", "profiles", "bench", "ffnerv", "baselines"),
)
#: Settings that make a network small enough for a test.
NETWORKS = {
    "ffnerv-matched": {"channels": 8, "grid_lengths": [3, 5], "strides": [2, 2, 2], "lower_width": 4},
    "nerv-matched": {"channels": 8, "strides": [2, 2, 2], "lower_width": 4, "stem_width": 16},
}
CONDITION: dict[str, Any] = {
    "title": "Moving discs, for tests",
    "clips": {"discs": {"sequence": "discs-tiny", "trim": [0, 6]}},
    "device": "cpu",
    "budget": {"epochs": 28, "rounding": {"epochs": 2}},
    "codecs": {
        **{codec: {"points": {"low": settings}} for codec, settings in NETWORKS.items()},
        "x264-medium": {"settings": {"preset": "ultrafast"}, "points": ["crf38", "crf23"]},
        "identity": {},
    },
    "reference": True,
    "anchor": "x264-medium",
    "metrics": ["psnr_rgb_db"],
    "strip": {"frame": 2, "crop": [8, 8, 24, 16], "rate_bpp": 1.0},
}


@dataclass(frozen=True)
class Repo:
    """A copy of the repository and commands in it. `condition` is passed to each command."""

    root: Path
    condition: str = "tiny"

    @property
    def env(self) -> dict[str, str]:
        """Jobs find this Python and the packages of the copy, and use one thread."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command. Both output streams are in `stdout` of the result."""
        done = subprocess.run(
            command, cwd=self.root, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, done.stdout
        return done

    def snakemake(self, *args: str, targets: tuple[str, ...] = (), check: bool = True) -> str:
        """Run Snakemake and return its output."""
        words = ("snakemake", *args, "--config", f"condition={self.condition}", "--", *targets)
        return self.run(*words, check=check).stdout

    def planned(self, *args: str) -> dict[str, set[str]]:
        """Jobs of a dry run: rule -> codecs (or clips) of its jobs."""
        text = self.snakemake("--dry-run", "--quiet", "host", *args)
        jobs: dict[str, set[str]] = {}
        for rule, details in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", text, re.MULTILINE):
            found = dict(re.findall(r"(\w+)=([^,\n]+)", details.partition("wildcards:")[2]))
            jobs.setdefault(rule, set()).add(found.get("codec") or found.get("clip") or "")
        jobs.pop("default", None)
        jobs.pop("all", None)
        return jobs

    def file(self, *parts: str) -> Path:
        """A file of a point of the tiny condition: codec, point, run, name."""
        return self.root.joinpath("results", "points", self.condition, "discs", *parts)

    def streams(self) -> dict[str, bytes]:
        """All streams of the condition by their relative path."""
        folder = self.file()
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("stream.bin")}

    @contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """Replace a piece of a file during the block. The modification time is not restored."""
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{path} no longer has {old!r}"
        file.write_text(text.replace(old, new, 1))
        try:
            yield
        finally:
            file.write_text(text)

    def with_new_code_in(self, path: str) -> AbstractContextManager[None]:
        """Add a statement without effect to a Python file during the block."""
        return self.edited(path, "import annotations\n", "import annotations\n\nEDITED = True\n")

    def write_condition(self, name: str, **changes: Any) -> Repo:
        """Add a condition like the tiny one, with changes. Return this copy with that condition chosen."""
        path = self.root / "config" / "conditions" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**CONDITION, **changes}, sort_keys=False))
        return Repo(self.root, name)


def copy_repo(root: Path) -> Repo:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            root.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / name)
    return Repo(root).write_condition("tiny")


def add_failing_codec(repo: Repo) -> None:
    """Add the codec id `bad`, whose encodes fail."""
    (repo.root / "baselines" / "bad.py").write_text(
        "from baselines.control import Control\n"
        "from bench.base.errors import BenchError\n\n\n"
        "class Bad(Control):\n"
        "    def encode(self, clip, job):\n"
        '        raise BenchError("the encoder", "failed", "try another")\n\n\n'
        "CODEC = Bad\n"
    )
    text = (repo.root / "config/codecs/identity.yaml").read_text()
    text = text.replace("family: control", "family: bad").replace("kind: control", "kind: classical")
    (repo.root / "config/codecs/bad.yaml").write_text(text)


@dataclass(frozen=True)
class Finished:
    """A copy in which the tiny condition has run to its end, and the output of that run."""

    repo: Repo
    output: str


def add_reference(repo: Repo, codec: str, point: str) -> None:
    """Track a stream of the tiny clip, like the stream of a long fit."""
    folder = repo.root / "results" / "reference" / repo.condition / "discs" / codec / point / "seed0"
    clip, bench = repo.root / "clip", (sys.executable, "-m", "bench")
    files = ("--out", str(folder / "stream.bin"), "--report", str(folder / "encode.json"))
    repo.run(*bench, "prepare", "--condition", repo.condition, "--clip", "discs", "--out", str(clip))
    repo.run(*bench, "encode", "--codec", codec, "--point", point, "--clip", str(clip / "clip.json"), *files)
    shutil.rmtree(clip)
