"""Runs through a real SLURM of one node: streams as in a local run, a failure, a time limit, a cancelled job.

`make test-slurm` runs these tests. They need root and the Debian packages slurm-wlm and munge.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from tiny_repo import NETWORKS, Repo, copy_repo

pytestmark = pytest.mark.slurm

ONE_NODE = Path(__file__).with_name("one_node.sh")
PROFILE = ("--workflow-profile", "profiles/slurm-test")
#: Epochs of fits that SLURM ends: long enough for a job to be found while it runs, with a saved state. SLURM
#: rounds a time limit up to a minute and checks it twice a minute.
LONG_FITS = {"cancel": 2000, "time-limit": 9000}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """A copy of the repository with the SLURM profile fitted to one node without accounting."""
    folder = tmp_path_factory.mktemp("slurm")
    copy = copy_repo(folder / "repo")
    profile = yaml.safe_load((copy.root / "profiles/slurm/profile.yaml").read_text())
    profile |= {
        "jobs": 2,
        "latency-wait": 5,
        "slurm-no-account": True,
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": 2,
    }
    profile["default-resources"] |= {"mem_mb": 700, "runtime": 10}
    profile["set-resources"] = {"encode": {"runtime": "10 * attempt"}}
    target = copy.root / "profiles/slurm-test/profile.yaml"
    target.parent.mkdir()
    target.write_text(yaml.safe_dump(profile))
    subprocess.run([ONE_NODE, "up", folder / "node"], check=True)
    yield copy
    subprocess.run([ONE_NODE, "down", folder / "node"], check=True)


def fits(repo: Repo, name: str, **budget: object) -> Repo:
    codecs = {"nerv-matched": {"points": {"low": NETWORKS["nerv-matched"]}}, "identity": {}}
    changes = {"budget": budget} if budget else {}
    return repo.write_condition(name, codecs=codecs, anchor=None, reference=False, **changes)


def records(repo: Repo) -> str:
    return f"results/tables/{repo.condition}/rd_points.csv"


def start(repo: Repo) -> subprocess.Popen[str]:
    words = ("snakemake", *PROFILE, "--config", f"condition={repo.condition}", "--", records(repo))
    return subprocess.Popen(
        words, cwd=repo.root, env=repo.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def wait_for(what: Callable[[], object], limit_s: float = 600) -> object:
    end = time.monotonic() + limit_s
    while not (value := what()):
        assert time.monotonic() < end, "the awaited state did not come"
        time.sleep(0.5)
    return value


def job_of_fit(repo: Repo) -> str:
    """Number of the SLURM job that runs a fit with a saved state; empty if there is none yet."""
    states = repo.root.glob(f"results/state/{repo.condition}/discs/nerv-matched/low/seed0/*")
    if not any(path.is_file() and path.name != ".lock" for path in states):
        return ""
    jobs = subprocess.run(
        ["squeue", "--noheader", "--states=RUNNING", "--format=%i %k"], capture_output=True, text=True
    )
    match = re.search(r"^(\d+) .*encode.*nerv", jobs.stdout, re.MULTILINE)
    return match[1] if match else ""


def final_state(job: str) -> str:
    text = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout
    return re.search(r"JobState=(\w+)", text)[1]


def test_streams_equal_those_of_a_local_run(repo: Repo) -> None:
    remote, local = fits(repo, "remote"), fits(repo, "local")
    remote.snakemake(*PROFILE, targets=(records(remote),))
    local.snakemake("--cores", "2", targets=(records(local),))
    assert remote.streams() == local.streams()
    assert len(remote.streams()) == 2


def test_a_job_that_fails_once_is_submitted_again(repo: Repo) -> None:
    run = fits(repo, "once")
    marker = repo.root / "failed-once"
    failing = (
        "import annotations\n\nfrom pathlib import Path\n"
        f"if not Path({str(marker)!r}).exists():\n"
        f"    Path({str(marker)!r}).touch()\n"
        "    raise SystemExit(3)\n"
    )
    with repo.edited("bench/cli/encode.py", "import annotations\n", failing):
        output = run.snakemake(*PROFILE, targets=(records(run),))
    assert marker.exists()
    assert "Trying to restart job" in output
    assert len(run.streams()) == 2


@pytest.mark.parametrize("end", LONG_FITS)
def test_a_fit_that_slurm_ends_resumes_without_a_hand(repo: Repo, end: str) -> None:
    budget = {"epochs": LONG_FITS[end], "rounding": {"epochs": 2}}
    run = fits(repo, end, **budget)
    with start(run) as process:
        job = str(wait_for(lambda: job_of_fit(run)))
        if end == "cancel":
            subprocess.run(["scancel", job], check=True)
        else:
            subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=00:00:01"], check=True)
        expected = {"cancel": "CANCELLED", "time-limit": "TIMEOUT"}[end]
        wait_for(lambda: final_state(job) == expected)
        output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    report = run.file("nerv-matched", "low", "seed0", "encode.json").read_text()
    log = (run.root / f"logs/encode/{end}/discs/nerv-matched/low/seed0.log").read_text()
    assert '"fit_log"' in report
    assert int(re.search(r"epoch (\d+)/", log)[1]) > 1  # the log of the second attempt
    undisturbed = fits(repo, f"{end}-local", **budget)
    undisturbed.snakemake("--cores", "2", targets=(records(undisturbed),))
    assert run.streams() == undisturbed.streams()


def test_nothing_is_left_in_the_queue(repo: Repo) -> None:
    assert shutil.which("squeue")
    jobs = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True)
    assert jobs.stdout == ""
