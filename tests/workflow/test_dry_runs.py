"""Every shipped condition can be planned by Snakemake, without network and frames."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from PIL import Image
from tiny_repo import Repo

from bench.conditions.reader import condition_names
from bench.workflow.plan import make_plan


def jobs(output: str) -> Counter[tuple[str, str]]:
    """(rule, condition) -> jobs of a dry run."""
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    return Counter((rule, *re.findall(r"condition=([^,\n]+)", details)[:1]) for rule, details in found)


#: Hides two installed packages from a Python process.
SITECUSTOMIZE = """
import sys
from importlib.machinery import PathFinder


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name in ("compressai", "safetensors")
        return None if hidden else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def test_without_the_packages_of_learned_codecs_their_points_are_skipped(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    env = repo.env | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{repo.root}"}
    words = (
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "--quiet",
        "host",
        "--config",
        "condition=demo-v1",
        "--",
        "all",
    )
    done = subprocess.run(words, cwd=repo.root, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "codec=mean-scale-hyperprior-local" not in done.stdout
    assert "codec=x264-medium" in done.stdout
    code = (
        "from bench.workflow.plan import make_plan; print({s.reason for s in make_plan('demo-v1').skipped})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repo.root, env=env, text=True, capture_output=True
    )
    assert done.stdout == "{'the package compressai is not installed'}\n", done.stderr


def test_the_tables_of_all_conditions_are_one_dry_run_away(repo: Repo, monkeypatch) -> None:
    """One dry run for all conditions: its jobs are those of their plans."""
    monkeypatch.chdir(repo.root)
    names = condition_names()
    targets = tuple(f"results/tables/{name}/summary.txt" for name in names)
    planned = jobs(repo.snakemake("--dry-run", "--quiet", "host", targets=targets))
    for name in names:
        plan = make_plan(name)
        made = sum(not point.reference for point in plan.points)
        assert planned["encode", name] == made, name
        assert planned["measure", name] == made, name
        assert planned["prepare", name] == len(plan.condition.clips), name
        assert planned["fetch", name] == (7 if name.startswith("uvg-") else 0), name


def test_the_suites_own_protocol_is_chosen_on_the_command_line(repo: Repo) -> None:
    planned = Repo(repo.root, "uvg-1080p-v1").planned()
    assert {"ffnerv-matched", "hinerv-matched", "x265-medium", "identity"} <= planned["encode"]
    assert len(planned["fetch"]) == 7
    assert {"figure_rd", "bd_rate", "summary"} <= set(planned)


def test_rgb_frames_are_an_output_of_prepare_and_an_input_of_jobs(repo: Repo) -> None:
    (repo.root / "pictures").mkdir()
    for index in range(2):
        Image.new("RGB", (32, 16), (index, 2, 3)).save(repo.root / "pictures" / f"{index}.png")
    row = "pictures\tframes\tpictures/*.png\t-\t32\t16\t25\t2\t-\t-\t-\tCC0 1.0\tnone\tnone\n"
    with (repo.root / "config/sequences.tsv").open("a") as table:
        table.write(row)
    changes = {"anchor": None, "strip": None, "reference": False, "codecs": {"identity": {}}}
    pictures = repo.write_condition("pictures", clips={"pictures": {"sequence": "pictures"}}, **changes)
    output = pictures.snakemake("--dry-run", "--quiet", "host")
    lines = re.findall(r"^    (input|output): (.*clip\.rgb\.npy.*)$", output, re.MULTILINE)
    assert sorted(kind for kind, _ in lines) == ["input", "input", "output"]


def test_jobs_state_their_memory_where_it_is_limited(repo: Repo) -> None:
    free = repo.snakemake("--dry-run", "--quiet", "host")
    limited = repo.snakemake("--dry-run", "--quiet", "host", "--resources", "mem_mb=64000")
    assert "mem_mb=" not in free
    for rule in ("prepare", "encode", "measure"):
        jobs_of_rule = re.findall(rf"^rule {rule}:\n((?:    .*\n)*)", limited, re.MULTILINE)
        assert jobs_of_rule
        assert all("mem_mb=" in job for job in jobs_of_rule)
