"""Failures of a run: a bad point, a kill, an error in a file, two runs at once."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_repo import Finished, Repo, add_failing_codec

MAKE = ("make", "run", "CONDITION=tiny", f"VENV={sys.prefix}")


def wait_for(what: Callable[[], object], process: subprocess.Popen[str], *, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, f"it ended too early, with {process.returncode}"
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_a_failed_point_does_not_stop_the_others_and_partial_shows_them(repo: Repo) -> None:
    codecs = {"identity": {}, "x264-medium": {"points": {"good": {"crf": 30}}}, "bad": {}, "dice": {}}
    add_failing_codec(repo)
    add_random_decoder(repo)
    repo = repo.write_condition("broken", codecs=codecs, reference=False)

    output = repo.snakemake("--cores", "2", check=False)
    assert "CalledProcessError" in output
    lines = ["2 of 4 points, 0 skipped", "missing: discs/bad/raw/seed0", "missing: discs/dice/roll/seed0"]
    assert "\n".join(lines) in output
    assert repo.file("identity", "raw", "seed0", "record.json").is_file()
    assert repo.file("x264-medium", "good", "seed0", "record.json").is_file()
    assert not repo.file("bad", "raw", "seed0", "stream.bin").exists()
    log = (repo.root / "logs/encode/broken/discs/bad/raw/seed0.log").read_text().splitlines()
    assert log[-1] == "error: the encoder: failed; try another"
    assert "Traceback" not in "\n".join(log)
    name = "logs/measure/broken/discs/dice/roll/seed0.log"
    assert name in output
    last = (repo.root / name).read_text().splitlines()[-1]
    assert "codec dice, point roll: python, script decoded it to other frames the second time" in last

    output = repo.run("make", "-o", "env", "report", "CONDITION=broken", f"VENV={sys.prefix}").stdout
    assert "make: points, tables or figures are missing; the report shows the measured points" in output
    assert zipfile.is_zipfile(repo.root / "report.zip")
    assert "2 of 4 points: results/figures/partial/broken/" in output
    assert "encode" not in output
    table = (repo.root / "results/tables/partial/broken/rd_points.csv").read_text()
    assert len(table.splitlines()) == 3
    assert (repo.root / "results/figures/partial/broken/rd_psnr_rgb_db.png").is_file()
    assert (
        not (repo.root / "results/tables/broken").exists()
        or not (repo.root / "results/tables/broken/rd_points.csv").exists()
    )


def add_random_decoder(repo: Repo) -> None:
    """An external codec whose decoder writes other frames each time."""
    script = repo.root / "dice" / "dice.py"
    script.parent.mkdir()
    size = "int(sys.argv[3]) * int(sys.argv[4]) * int(sys.argv[5]) * 3 // 2 if sys.argv[1] == 'decode' else 9"
    script.write_text(f"import os, sys\nopen(sys.argv[2], 'wb').write(os.urandom({size}))\n")
    settings = {
        "programs": {"python": {}, "script": {"path": str(script)}},
        "environment": {"venv": sys.prefix},
        "encode": ["python", "{script}", "encode", "{stream}", "{input}"],
        "decode": ["python", "{script}", "decode", "{output}", "{width}", "{height}", "{frames}"],
        "output": "yuv420p",
    }
    values = {"label": "dice", "family": "external", "kind": "classical", "settings": settings}
    values |= {"points": {"roll": {}}, "citation": "tests", "license": "tests"}
    (repo.root / "config/codecs/dice.yaml").write_text(json.dumps(values))  # JSON is YAML


def test_partial_without_records_prints_that(repo: Repo) -> None:
    assert "0 of 5 points: nothing to draw yet" in repo.snakemake(targets=("partial",))
    assert not (repo.root / "results" / "points").exists()


def test_skipped_points_are_in_a_table_with_their_reason(repo: Repo) -> None:
    codecs = {"mean-frame": {}, "vvenc-faster": {"points": {"low": {"qp": 40}}}}
    clips = {"discs": {"sequence": "discs-tiny", "scale": [32, 16]}}
    changes = {"clips": clips, "reference": False, "anchor": None, "strip": None}
    repo = repo.write_condition("skipping", codecs=codecs, **changes)
    folder = repo.root / "results/tables/skipping"
    repo.snakemake("--cores", "1", targets=("results/tables/skipping/skipped.csv",))
    reason = "vvenc codes no side below 24 pixels"
    assert f"vvenc-faster,VVenC faster,low,{reason}" in (folder / "skipped.csv").read_text()
    assert reason in (folder / "skipped.md").read_text()
    assert repo.planned()["encode"] == {"mean-frame"}


def test_a_killed_run_is_finished_by_the_next_with_the_same_streams(finished: Finished, repo: Repo) -> None:
    state = repo.root / "results/state/tiny/discs/nerv-matched/low/seed0"
    with subprocess.Popen(
        [*MAKE, "CORES=2"], cwd=repo.root, env=repo.env, start_new_session=True, text=True
    ) as process:
        wait_for(lambda: [path for path in state.glob("[!.]*") if path.suffix != ".tmp"], process)
        os.killpg(process.pid, signal.SIGKILL)
    assert any((repo.root / ".snakemake/locks").iterdir())
    assert not repo.file("nerv-matched", "low", "seed0", "encode.json").exists()

    streams = [f"{repo.file()}/{place}".removeprefix(f"{repo.root}/") for place in finished.repo.streams()]
    repo.run(*MAKE, "CORES=1", f"TARGETS={' '.join(streams)}")
    assert repo.streams() == finished.repo.streams()


def test_a_fit_dies_with_a_workflow_that_is_killed_alone(repo: Repo) -> None:
    log = repo.root / "logs/encode/tiny/discs/nerv-matched/low/seed0.log"
    with repo.edited("config/conditions/tiny.yaml", "epochs: 28", "epochs: 100000"):
        stream = str(repo.file("nerv-matched", "low", "seed0", "stream.bin")).removeprefix(f"{repo.root}/")
        command = ["snakemake", "--cores", "1", "--config", "condition=tiny", "--", stream]
        with subprocess.Popen(
            command, cwd=repo.root, env=repo.env, start_new_session=True, text=True
        ) as process:
            wait_for(lambda: log.exists() and "epoch" in log.read_text(), process)
            os.kill(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while members(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        left = members(process.pid)
        if left:
            os.killpg(process.pid, signal.SIGKILL)
        assert not left


def members(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_make_does_not_unlock_a_run_that_is_alive(repo: Repo) -> None:
    locks = repo.root / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/tables/tiny/rd_points.csv\n")
    with (repo.root / ".snakemake" / "run.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        done = repo.run(*MAKE, "ARGS=--dry-run", check=False)
    assert done.returncode != 0
    assert "another run is at work in this folder" in done.stdout
    assert any(locks.iterdir())

    repo.run(*MAKE, "ARGS=--dry-run")
    assert not any(locks.iterdir())


@pytest.mark.parametrize(
    ("path", "old", "new", "output"),
    [
        (
            "config/config.yaml",
            "figures:",
            "figuers:",
            "config/config.yaml: unknown key 'figuers'; try figures",
        ),
        ("config/conditions/tiny.yaml", "anchor:", "ancor:", "unknown key 'ancor'; try anchor"),
        (
            "config/conditions/tiny.yaml",
            "x264-medium:",
            "x246-medium:",
            "anchor: unknown codec 'x264-medium'; try x246-medium",
        ),
        ("config/codecs/x264-medium.yaml", "label:", "lable:", "unknown key 'lable'; try label"),
        (
            "config/sequences.tsv",
            "discs-tiny",
            "discs-teeny",
            "unknown sequence 'discs-tiny'; try discs-teeny",
        ),
    ],
)
def test_an_error_in_a_file_is_one_line(
    finished: Finished, path: str, old: str, new: str, output: str
) -> None:
    with finished.repo.edited(path, old, new):
        lines = finished.repo.snakemake("--dry-run", check=False).splitlines()
    assert output in lines[-1]
    assert lines[-1].startswith("error: ")
    assert not any("Traceback" in line or "  File" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("label,rate_bpp,psnr_rgb_db\nmine,0.1,3O\n", "mine.csv:2: column psnr_rgb_db: '3O' is not a number"),
        (None, "mine.csv: No such file or directory"),
    ],
)
def test_a_slip_in_a_curve_file_ends_the_run_before_a_figure_is_removed(
    finished: Finished, text: str | None, error: str
) -> None:
    root = finished.repo.root
    if text:
        (root / "mine.csv").write_text(text)
    figures = {path: path.stat().st_mtime_ns for path in (root / "results/figures/tiny").iterdir()}
    assert figures
    words = ("--config", f"condition={finished.repo.condition}", "my_curves=mine.csv", "--", "all")
    done = finished.repo.run("snakemake", "--cores", "1", *words, check=False)
    (root / "mine.csv").unlink(missing_ok=True)
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1].startswith(f"error: {error}")
    assert {path: path.stat().st_mtime_ns for path in (root / "results/figures/tiny").iterdir()} == figures


def test_an_unknown_condition_is_refused_with_similar_names(finished: Finished) -> None:
    output = Repo(finished.repo.root, "tinny").snakemake("--dry-run", check=False)
    assert output.splitlines()[-1].endswith("try tiny")
