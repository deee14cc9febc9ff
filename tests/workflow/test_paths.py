"""Folders with spaces, quotes and other letters; a working directory outside of the checkout; modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tiny_repo import Repo, add_reference, copy_repo

FOLDER = """my suite's "ü" $HOME"""
SMALL = {"codecs": {"identity": {}}, "anchor": None, "strip": None}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A copy with an environment of its own, in a folder whose name a shell would take apart."""
    repo = copy_repo(tmp_path_factory.mktemp("paths") / FOLDER / "repo")
    environment = repo.root / ".venv"
    venv.create(environment, symlinks=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (site_packages / "packages.pth").write_text("\n".join([*paths, str(repo.root)]) + "\n")
    shutil.copy(repo.root / "requirements.lock", environment / "installed.lock")
    add_reference(repo.write_condition("tiny", **SMALL), "mean-frame", "raw")
    return repo.write_condition("small", **SMALL, reference=False)


def run(repo: Repo, *words: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        words, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts and path.is_file()}


def test_make_runs_in_a_folder_with_spaces_and_quotes(repo: Repo) -> None:
    """Commands (prepare, encode, measure) and scripts (the tables)."""
    table = "results/tables/small/points.csv"
    output = run(repo, "make", "run", "CONDITION=small", "CORES=2", f"TARGETS={table}", cwd=repo.root)
    assert "1 of 1 points" in output
    assert len((repo.root / table).read_text().splitlines()) == 2


def test_results_are_written_to_another_folder_and_nothing_to_the_checkout(
    repo: Repo, tmp_path: Path
) -> None:
    """The tracked streams are those of the checkout."""
    before = files(repo.root)
    record = "results/points/tiny/discs/mean-frame/raw/reference-seed0/record.json"
    python, snakefile = repo.root / ".venv/bin/python", repo.root / "Snakefile"
    where = ("--snakefile", snakefile, "--directory", tmp_path / "a b")
    words = (python, "-m", "snakemake", *where, "--cores", "1", "--config", "condition=tiny", "--")
    run(repo, *words, record, cwd=tmp_path)
    assert (tmp_path / "a b" / record).is_file()
    assert files(repo.root) == before
    verified = run(repo, python, "-m", "bench", "verify", record, cwd=tmp_path / "a b")
    assert verified.startswith(f"{record}: as recorded; all ")
    assert verified.endswith(" frames are identical\n")


def test_the_workflow_is_a_module_of_another_one(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f"""
module bench:
    snakefile: {str(repo.root / "workflow/Snakefile")!r}
    config: {{"condition": "small", "figures": ["rd"]}}

use rule * from bench as bench_*

rule mine:
    default_target: True
    input: rules.bench_all.input
"""
    )
    python = repo.root / ".venv/bin/python"
    output = run(repo, python, "-m", "snakemake", "--dry-run", cwd=tmp_path)
    rules = set(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE))
    assert {"mine", "bench_encode", "bench_measure", "bench_collect", "bench_figure_rd"} <= rules
