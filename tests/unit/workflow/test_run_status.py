"""`bench status`: the state of a run, read from its files by another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.base.result_files import RunKey
from bench.cli import main
from bench.workflow.plan import Plan, make_plan
from bench.workflow.run_status import run_status

CONDITION = {
    "title": "two codecs",
    "clips": {"discs": {"sequence": "discs-tiny"}},
    "codecs": {"x264-medium": {"points": ["crf38", "crf28", "crf23"]}, "identity": {}},
}
RUNNING = """
import sys
from bench.base.log_file import copy_stderr
with copy_stderr(sys.argv[1]):
    sys.stderr.write("[x264-medium crf28 seed0] frame 3 of 10\\n")
    sys.stderr.flush()
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    Path("two-v1.yaml").write_text(yaml.safe_dump(CONDITION, sort_keys=False))
    return make_plan("two-v1.yaml")


def finish(point: RunKey, wall_s: float) -> None:
    record = Path(point.file("record.json"))
    record.parent.mkdir(parents=True)
    for name in ("stream.bin", "encode.json"):
        record.with_name(name).touch()
    record.write_text(json.dumps({"encode": {"wall_s": wall_s}, "decode": {"wall_s": 1.0}}))


def log_of(rule: str, point: RunKey) -> Path:
    path = Path("logs", rule, "two-v1", point.clip, point.codec, point.point, f"{point.run}.log")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_an_empty_folder_has_no_jobs(plan: Plan) -> None:
    status = run_status(plan)
    assert (status.points, status.measured, status.encoded, status.jobs) == (4, 0, 0, ())
    assert status.left_s is None
    assert status.text() == f"[{'.' * 28}] 0 of 4 points measured, 0 encoded, 0 jobs running\n"


def test_running_failed_and_stopped_jobs_are_distinguished(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    crf38, crf28, crf23, identity = plan.points
    finish(crf38, wall_s=9.0)
    log_of("encode", crf38).write_text("[x264-medium crf38 seed0] 100 bytes\n")
    log_of("encode", crf23).write_text(
        "[x264-medium crf23 seed0] frame 1 of 10\nerror: clip.y4m: is damaged; mend it\n"
    )
    log_of("encode", identity).write_text("[identity raw seed0] frame 1 of 10\n\n")
    command = [sys.executable, "-c", RUNNING, str(log_of("encode", crf28))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert main(["status", "--condition", "two-v1.yaml"]) == 0
        process.kill()
    bar, running, *ended = capsys.readouterr().out.splitlines()
    assert bar == f"[{'#' * 7}{'.' * 21}] 1 of 4 points measured, 1 encoded, 1 jobs running"
    assert running.startswith("running: encode discs/x264-medium/crf28/seed0: frame 3 of 10 (")
    assert ended == [
        "failed: encode discs/x264-medium/crf23/seed0: error: clip.y4m: is damaged; mend it",
        "stopped: encode discs/identity/raw/seed0: frame 1 of 10",
    ]
    assert len(run_status(plan).failed) == 3  # the killed one, too


def test_the_time_left_is_that_of_like_points(plan: Plan) -> None:
    crf38, _, _, identity = plan.points
    finish(crf38, wall_s=9.0)
    assert run_status(plan).left_s is None  # nothing is known of identity
    finish(identity, wall_s=1.0)
    assert run_status(plan).left_s == 2 * 10.0
    assert "2 of 4 points measured, 2 encoded, 0 jobs running, about 20 s left" in run_status(plan).text()


def test_a_log_with_control_characters_is_printed_safely(plan: Plan) -> None:
    log_of("measure", plan.points[0]).write_bytes(b"error: \x1b[31mred\x00 \xff\n")
    assert "\x1b" not in run_status(plan).text()
