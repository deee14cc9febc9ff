"""``bench plan``: jobs and bytes of a condition before it runs, and the time of its fits on this machine."""

from __future__ import annotations

import argparse
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.base.cores import usable_cores
from bench.base.errors import BenchError
from bench.base.files import write_json
from bench.codec import registry
from bench.codec.device import DEVICES

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.workflow.estimate import Estimate
    from bench.workflow.job_memory import Table
    from bench.workflow.plan import Plan

_NOTES = (
    "Milliseconds of a step on this machine, times the steps, as if one fit ran at a time. Larger frames and",
    "other networks are scaled by their multiplications: expect a factor of two. Only fits are timed.",
)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("plan", help="print jobs, bytes and the time of fits before a run")
    parser.add_argument("--condition", help="a name in config/conditions, or a YAML file (default: config's)")
    parser.add_argument("--plan", type=Path, metavar="FILE", help="a plan file of a run, for --memory")
    parser.add_argument(
        "--memory", type=Path, metavar="FILE", help="write the memory of fits as JSON, no more"
    )
    parser.add_argument("--no-timing", action="store_true", help="jobs and bytes only: time nothing")
    parser.add_argument("--device", choices=DEVICES, help="of networks (default: the condition's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.conditions.reader import condition_names
    from bench.conditions.run_config import default_condition
    from bench.inr.study.fit_cost import fit_cost
    from bench.inr.study.fit_memory import fit_memory
    from bench.workflow.estimate import Estimate
    from bench.workflow.job_memory import memory_table
    from bench.workflow.plan import make_plan
    from bench.workflow.plan_file import read_plan
    from bench.workflow.snakemake_process import outdated_files

    plan = read_plan(args.plan) if args.plan else make_plan(args.condition or default_condition())
    device = args.device or plan.condition.device
    table = memory_table(plan, partial(fit_memory, device="cuda" if device == "cuda" else "cpu"))
    if args.memory:
        write_json(args.memory, table)
        return 0
    name = plan.condition.name
    # Snakemake runs conditions by name. If no run was started in this folder, all files are missing.
    has_run = name in condition_names() and Path(".snakemake").is_dir()
    estimate = Estimate(plan, fit_cost, outdated_files(name) if has_run else ())
    _write(_heading(plan))
    _write(_jobs(estimate))
    _write(_bytes(estimate))
    _write(_memory(plan, table))
    if not args.no_timing and estimate.pending_fits():
        _write(_fit_times(estimate, device))
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _heading(plan: Plan) -> str:
    condition = plan.condition
    counts = f"clips: {len(condition.clips)}, codecs: {len(condition.codecs)}, points: {len(plan.points)}"
    counts += f", skipped: {len(plan.skipped)}"
    lines = [f"{condition.name}: {condition.title}", counts]
    reasons: dict[str, list[str]] = {}
    for skip in plan.skipped:
        reasons.setdefault(skip.codec, []).append(skip.reason)
    for codec, of_codec in reasons.items():
        more = ", ..." if len(set(of_codec)) > 1 else ""
        lines.append(f"skipped, {codec} ({len(of_codec)}): {of_codec[0]}{more}")
    return "\n".join(lines) + "\n"


def _jobs(estimate: Estimate) -> str:
    from bench.tables.text_table import TextTable, plain

    rows = [(jobs.kind, str(jobs.to_do), str(jobs.done)) for jobs in estimate.jobs()]
    to_do, done = (sum(int(row[column]) for row in rows) for column in (1, 2))
    rows.append(("in all, without tables and figures", str(to_do), str(done)))
    return plain(TextTable(("jobs", "to do", "done"), rows, (False, True, True)))


def _bytes(estimate: Estimate) -> str:
    from bench.tables.text_table import TextTable, plain

    download, disk = estimate.download(), estimate.disk()
    spaces = [*([download] if download.total else []), *disk]
    rows = [(space.kind, _size(space.total), _size(space.missing), space.note) for space in spaces]
    missing = sum(space.missing for space in disk)
    free = f"{_size(shutil.disk_usage('.').free)} are free"
    rows.append(("disk", _size(sum(space.total for space in disk)), _size(missing), free))
    return plain(TextTable(("bytes", "in all", "missing", ""), rows, (False, True, True, False)))


def _memory(plan: Plan, table: Table) -> str:
    """The largest memory of a job of each kind. Encoders of one kind differ, so theirs is a round figure."""
    from bench.tables.text_table import TextTable, plain
    from bench.workflow.job_memory import job_bytes

    largest: dict[str, int] = {}
    for point in plan.points:
        for rule in ("prepare", "encode", "measure"):
            kind = rule if rule == "prepare" else f"{rule} {point.codec}"
            if not point.reference:
                largest[kind] = max(largest.get(kind, 0), job_bytes(rule, plan, table, point))
    rows = [(kind, _size(count)) for kind, count in sorted(largest.items())]
    note = (
        "The largest job of each kind. A fit holds its clip once, as RGB. On a GPU the clip is in its memory."
    )
    return plain(TextTable(("memory", "a job"), rows, (False, True), [note]))


def _fit_times(estimate: Estimate, device: str) -> str:
    from bench.codec.device import device_name, resolve_device
    from bench.inr.study.fit_hours import fit_seconds
    from bench.tables.text_table import TextTable, plain

    rows, total, devices = [], 0.0, set()
    for codec_id, fits in estimate.pending_fits().items():
        config = estimate.plan.configs[codec_id]
        codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
        devices.add(resolve_device(device, codec))
        progress = process.progress(f"plan {codec_id}")
        try:
            seconds = fit_seconds(codec, fits, threads=config.threads, device=device, progress=progress)
        except BenchError as error:
            rows.append((codec_id, str(len(fits)), "", f"unknown: {error.problem}"))
            continue
        shortest, longest = _time(min(seconds)), _time(max(seconds))
        each = shortest if shortest == longest else f"{shortest} to {longest}"
        rows.append((codec_id, str(len(fits)), each, _time(sum(seconds))))
        total += sum(seconds)
    count = sum(int(row[1]) for row in rows)
    rows.append(("in all", str(count), "", _time(total)))
    names = ", ".join(f"{device} ({device_name(device)})" for device in sorted(devices))
    notes = [f"Timed on {names}.", *_NOTES]
    if devices == {"cpu"} and (cores := usable_cores()) > 1:
        notes.append(f"With {cores} fits at once, each on a core of its own: {_time(total / cores)}.")
    return plain(TextTable(("fits", "number", "each", "in all"), rows, (False, True, True, True), notes))


def _time(seconds: float) -> str:
    """Seconds, minutes or hours with two significant digits."""
    unit, size = next((unit for unit in (("h", 3600), ("min", 60)) if seconds >= unit[1]), ("s", 1))
    number = seconds / size
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"


def _size(count: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count / 1e6:,.1f} MB"
