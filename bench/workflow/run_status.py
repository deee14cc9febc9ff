"""State of a run, read from its result files and logs by any process: what runs, is done, failed or is left.

A command locks its log file while it runs (`bench.base.log_file`). A log without a lock and without the
output that its command makes is that of a command that failed or was stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.base.errors import printable
from bench.base.log_file import is_locked
from bench.base.result_files import CLIPS, RunKey
from bench.workflow.plan import Plan

#: Bytes at the end of a log that are searched for its last line.
_TAIL_BYTES = 4096
_BAR_WIDTH = 28


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command with a log: `encode bunny/nerv/0.20/seed0`, its last line, and seconds since that line."""

    name: str
    line: str
    running: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """State of the runs of a condition.

    Attributes:
        points, measured, encoded: numbers of runs, of those with a record, and of those with a stream.
        jobs: commands that run, failed or were stopped.
        left_s: estimate of the time that is left; None where a codec has no finished run yet.
    """

    points: int
    measured: int
    encoded: int
    jobs: tuple[Job, ...]
    left_s: float | None

    @property
    def running(self) -> list[Job]:
        return [job for job in self.jobs if job.running]

    @property
    def failed(self) -> list[Job]:
        return [job for job in self.jobs if not job.running]

    def text(self) -> str:
        """A bar, one line for each running job, and one for each failed or stopped one."""
        filled = _BAR_WIDTH * self.measured // max(self.points, 1)
        left = f", about {_duration(self.left_s)} left" if self.left_s else ""
        lines = [
            f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {self.measured} of {self.points} points measured,"
            f" {self.encoded} encoded, {len(self.running)} jobs running{left}"
        ]
        lines += [f"running: {job.name}: {job.line} ({_duration(job.seconds)} ago)" for job in self.running]
        lines += [failure_line(job) for job in self.failed]
        return "\n".join(lines) + "\n"


def failure_line(job: Job) -> str:
    """Name and last line of the log of a job that failed or was stopped."""
    state = "failed" if "rror" in job.line else "stopped"
    return f"{state}: {job.name}: {job.line}"


def run_status(plan: Plan) -> RunStatus:
    """The state of a plan's runs in the current folder."""
    measured = plan.measured()
    encoded = [point for point in plan.points if Path(point.file("stream.bin")).is_file()]
    jobs = tuple(job for job in _jobs(plan) if job is not None)
    running = sum(job.running for job in jobs)
    return RunStatus(
        points=len(plan.points),
        measured=len(measured),
        encoded=len(encoded),
        jobs=jobs,
        left_s=_left_s(plan, set(measured), max(running, 1)),
    )


def _jobs(plan: Plan) -> Iterator[Job | None]:
    name = plan.condition.name
    for clip in plan.condition.clips:
        for rule, output in (("fetch", "source.json"), ("prepare", "clip.json")):
            file = f"{name}/{clip}"
            yield _job(rule, file, Path(CLIPS, file, output))
    for point in plan.points:
        file = "/".join((point.condition, point.clip, point.codec, point.point, point.run))
        if point.encoded_here:
            yield _job("encode", file, Path(point.file("encode.json")))
        yield _job("measure", file, Path(point.file("record.json")))


def _job(rule: str, file: str, output: Path) -> Job | None:
    """The job with this log; None if there is none, or if it has made its output and does not run."""
    log = Path("logs", rule, f"{file}.log")
    try:
        running = is_locked(log)
        if not running and output.exists():
            return None
        lines = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").splitlines()
        written = log.stat().st_mtime
    except OSError:  # not started, or removed in this moment
        return None
    last = next((line.strip() for line in reversed(lines) if line.strip()), "(the log is empty)")
    text = printable(last)
    if text.startswith("["):  # the name of the job, which is in front already
        text = text.partition("] ")[2] or text
    name = f"{rule} {file.partition('/')[2]}"
    return Job(name=name, line=text, running=running, seconds=max(0.0, time.time() - written))


def _left_s(plan: Plan, measured: set[RunKey], jobs: int) -> float | None:
    """Seconds of the missing runs, each as long as the median of its codec, shared by the running jobs."""
    seconds: dict[str, list[float]] = {}
    for point in measured:
        try:
            record = json.loads(Path(point.file("record.json")).read_bytes())
            spent = record["decode"]["wall_s"] + (record["encode"]["wall_s"] if point.encoded_here else 0)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        seconds.setdefault(_series(point), []).append(spent)
    missing = [point for point in plan.points if point not in measured]
    if any(_series(point) not in seconds for point in missing):
        return None
    return sum(median(seconds[_series(point)]) for point in missing) / jobs


def _series(point: RunKey) -> str:
    return f"{point.codec}, reference" if point.reference else point.codec


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )
