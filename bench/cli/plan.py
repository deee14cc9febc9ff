"""``bench plan``: what a condition costs before it is run: jobs, bytes, and hours on this machine."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.codec.device import DEVICES, resolve_device, synchronizer
from bench.conditions.run_config import default_condition
from bench.tables.text_table import TextTable, plain
from bench.workflow.estimate import Estimate
from bench.workflow.plan import Plan, make_plan

if TYPE_CHECKING:
    from bench.workflow.hours import Hours

_MEANT = (
    "One job after the other, on a machine as busy as this one was. Fits are scaled up from small frames,",
    "encoders from made-up pictures: good to a factor of two or so.",
)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("plan", help="what a condition costs: jobs, bytes, hours on this machine")
    parser.add_argument("--condition", help="a name in config/conditions, or a YAML file (default: config's)")
    parser.add_argument("--no-probe", action="store_true", help="jobs and bytes alone: nothing is timed")
    parser.add_argument("--device", choices=DEVICES, help="of networks (default: the condition's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    plan = make_plan(args.condition or default_condition())
    estimate = Estimate(plan)
    _write(_heading(plan))
    _write(_jobs(estimate))
    _write(_bytes(estimate))
    if not args.no_probe:
        _write(_hours(estimate, args.device or plan.condition.device))
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _heading(plan: Plan) -> str:
    condition = plan.condition
    counts: dict[str, Sized] = {
        "clips": condition.clips,
        "codecs": condition.codecs,
        "points": plan.points,
    }
    told = ", ".join(f"{word}: {len(things)}" for word, things in {**counts, "skipped": plan.skipped}.items())
    lines = [f"{condition.name}: {condition.title}", told]
    reasons: dict[str, list[str]] = {}
    for skip in plan.skipped:
        reasons.setdefault(skip.codec, []).append(skip.reason)
    for codec, said in reasons.items():
        more = ", ..." if len(set(said)) > 1 else ""
        lines.append(f"skipped, {codec} ({len(said)}): {said[0]}{more}")
    return "\n".join(lines) + "\n"


def _jobs(estimate: Estimate) -> str:
    rows = [(jobs.kind, str(jobs.to_do), str(jobs.done)) for jobs in estimate.jobs()]
    to_do, done = (sum(int(row[column]) for row in rows) for column in (1, 2))
    rows.append(("in all, without tables and figures", str(to_do), str(done)))
    return plain(TextTable(("jobs", "to do", "done"), rows, (False, True, True)))


def _bytes(estimate: Estimate) -> str:
    download, disk = estimate.download(), estimate.disk()
    rooms = [*([download] if download.total else []), *disk]
    rows = [(room.sort, _size(room.total), _size(room.to_come), room.note) for room in rooms]
    to_come = sum(room.to_come for room in disk)
    free = f"{_size(shutil.disk_usage('.').free)} are free here"
    rows.append(("disk", _size(sum(room.total for room in disk)), _size(to_come), free))
    largest = max(3 * info.width * info.height * info.frames for info in estimate.clips.values())
    note = f"A fit holds its clip as RGB: up to {_size(largest)} of memory, beside the network's."
    return plain(TextTable(("bytes", "in all", "to come", ""), rows, (False, True, True, False), [note]))


def _hours(estimate: Estimate, device: str) -> str:
    from bench.workflow.hours import Stopwatch

    def synchronize(device: str) -> Callable[[], None]:
        return synchronizer(device) or (lambda: None)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        watch = Stopwatch(
            estimate,
            Path(folder),
            device_of=lambda codec: resolve_device(device, codec),
            synchronize=synchronize,
            tell=process.progress("plan"),
        )
        found = list(watch.encodes())
        if measuring := watch.measuring():
            found.append(measuring)
    rows = [_hours_row(hours) for hours in found]
    total, jobs = sum(hours.total_s for hours in found), sum(hours.jobs for hours in found)
    cores = os.cpu_count() or 1
    at_once = f"{_time(total / cores)} where {cores} jobs run at once, each on a core of its own"
    shared = "" if any(device.startswith("cuda") for device in watch.devices) else at_once
    rows.append(("in all, as far as estimated", str(jobs), "", _time(total), shared))
    text = TextTable(("time", "jobs", "a job", "in all", "from"), rows, (False, True, True, True, False))
    return plain(replace(text, notes=list(_notes(watch.devices))))


def _hours_row(hours: Hours) -> Sequence[str]:
    if not hours.seconds:
        return hours.sort, str(hours.jobs), "", "", hours.source
    shortest, longest = _time(min(hours.seconds)), _time(max(hours.seconds))
    each = shortest if shortest == longest else f"{shortest} to {longest}"
    return hours.sort, str(hours.jobs), each, _time(hours.total_s), hours.source


def _notes(devices: Sequence[str]) -> Iterator[str]:
    from bench.codec.device import device_name

    names = ", ".join(f"{device} ({device_name(device)})" for device in devices or ["cpu"])
    yield f"Timed on {names}."
    yield from _MEANT


def _time(seconds: float) -> str:
    """Seconds, minutes or hours, with two digits that count."""
    unit, size = next((unit for unit in (("h", 3600), ("min", 60)) if seconds >= unit[1]), ("s", 1))
    number = seconds / size
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"


def _size(count: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count / 1e6:,.1f} MB"
