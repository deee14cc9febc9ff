"""An edit of a YAML file during a run changes no job of that run: real edits, in local and cluster jobs."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from tiny_repo import Repo

CONDITION = "config/conditions/tiny.yaml"
CODEC = "config/codecs/x264-medium.yaml"
#: Edits of a run's condition and codec: the settings of a point, the label, the metrics.
EDITS = (
    (CODEC, "crf: 38", "crf: 39"),
    (CODEC, "label: ", "label: Edited "),
    (CONDITION, "- psnr_rgb_db", "- psnr_rgb_db\n- vmaf"),
    (CONDITION, "preset: ultrafast", "preset: superfast"),
)


@pytest.fixture
def classical(repo: Repo) -> Repo:
    """A condition of two streams that are coded within a second."""
    codecs = {"x264-medium": {"settings": {"preset": "ultrafast"}, "points": ["crf38", "crf23"]}}
    return repo.write_condition("tiny", codecs=codecs, reference=False, strip=None)


def records(repo: Repo) -> tuple[str, ...]:
    return tuple(
        f"results/points/tiny/discs/x264-medium/{point}/seed0/record.json" for point in ("crf38", "crf23")
    )


def check(repo: Repo) -> None:
    """Both runs have the settings, label and metrics of the start of the run."""
    for path, crf in zip(records(repo), (38, 23), strict=True):
        record = json.loads((repo.root / path).read_text())
        assert (record["settings"]["crf"], record["settings"]["preset"]) == (crf, "ultrafast")
        assert not record["label"].startswith("Edited")
        assert record["metrics"]["vmaf"] is None


def test_local_jobs_keep_the_plan_of_their_start(classical: Repo) -> None:
    repo = classical
    command = ["snakemake", "--cores", "1", "--config", "condition=tiny", "--", *records(repo)]
    log = repo.root / "logs/prepare/tiny/discs.log"
    with subprocess.Popen(
        command, cwd=repo.root, env=repo.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        while not log.exists():
            assert run.poll() is None, run.stdout.read()
            time.sleep(0.02)
        for path, old, new in EDITS:
            file = repo.root / path
            assert old in file.read_text()
            file.write_text(file.read_text().replace(old, new, 1))
        output = run.communicate()[0]
    assert run.returncode == 0, output
    check(repo)
    # The next run follows the edit, of exactly the points that it concerns.
    assert repo.planned("--until", "encode")["encode"] == {"x264-medium"}


def test_cluster_jobs_read_the_plan_of_the_process_that_submits_them(classical: Repo, tmp_path: Path) -> None:
    """Each job parses the Snakefile again in a process of its own, after the edit."""
    repo = classical
    submit = tmp_path / "submit.sh"
    lines = [f"sed -i '0,/{old}/s//{new}/' {path}".replace("\n", "\\n") for path, old, new in EDITS]
    edit = f"if mkdir {tmp_path}/edited 2> /dev/null; then {'; '.join(lines)}; fi"
    submit.write_text(f'#!/bin/bash\n{edit}\nbash "$1" > {tmp_path}/job.$$ 2>&1\necho $$\n')
    submit.chmod(0o755)
    executor = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit))
    executor += ("--seconds-between-status-checks", "1")
    output = repo.snakemake(*executor, "--jobs", "1", targets=records(repo), check=False)
    jobs = "\n".join(path.read_text() for path in tmp_path.glob("job.*"))
    assert all((repo.root / path).is_file() for path in records(repo)), output + jobs
    assert (tmp_path / "edited").is_dir()
    assert "crf: 39" in (repo.root / CODEC).read_text()
    check(repo)


def test_a_dry_run_writes_no_results(repo: Repo) -> None:
    repo.snakemake("--dry-run")
    assert not (repo.root / "results").exists()


def test_an_edited_label_changes_the_plan_file_and_fits_nothing(classical: Repo) -> None:
    repo = classical
    targets = records(repo)
    repo.snakemake("--cores", "1", targets=targets)
    (first,) = (repo.root / ".snakemake/plans").iterdir()
    with repo.edited(CODEC, "label: ", "label: Edited "):
        output = repo.snakemake("--cores", "1", targets=targets)
        assert "rule measure:" not in output or "rule encode:" not in output
        label = json.loads((repo.root / targets[0]).read_text())["label"]
    assert label.startswith("Edited ")
    assert len(list((repo.root / ".snakemake/plans").iterdir())) == 2
    assert first.is_file()
    assert (repo.root / "logs/encode/tiny/discs/x264-medium/crf38/seed0.log").stat().st_mtime < (
        repo.root / targets[0]
    ).stat().st_mtime
