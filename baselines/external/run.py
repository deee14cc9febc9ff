"""Run the commands of an external codec, isolated and under limits, and turn failures into one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.external.commands import Kind, fill
from baselines.external.containers import container_command, remove_container
from baselines.external.isolation import Isolation, isolated_command, isolation
from baselines.external.programs import Installed
from baselines.external.settings import ExternalSettings
from bench.base import process
from bench.base.progress_bar import format_megabytes
from bench.base.sizes import parse_bytes
from bench.base.stage_clock import StageClock
from bench.base.strict_json import parse_json
from bench.codec.contract import Progress

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_LOG_LINES, _MOST_LOG_BYTES, _MOST_STAGES = 10, 1 << 16, 100
_MOST_STAGE_FILE_BYTES = 1 << 16


@dataclass(frozen=True)
class Cost:
    """Cost of all commands of an encode or decode: seconds and peak memory of their process trees."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0


class CommandFailed(Exception):
    """A command failed; the message names the program and its last line of output."""


def run_commands(
    kind: Kind,
    settings: ExternalSettings,
    installed: Installed,
    *,
    values: Mapping[str, Any],
    folder: Path,
    threads: int,
    clock: StageClock,
    progress: Progress | None = None,
) -> tuple[Cost, Isolation]:
    """Run the encode or decode commands one after the other in `folder`, which holds their input alone.

    The last lines of their output go to `progress`, or to the log if a command fails. Stage times that a
    command reports replace a part of the stage `encode` or `decode`.

    Args:
        values: placeholder -> value. threads: of the variables such as OMP_NUM_THREADS.
        folder: the working folder; a folder beside it becomes /tmp.

    Raises:
        CommandFailed: a command failed, was killed, or exceeded a limit.
    """
    box = settings.environment if settings.environment and settings.environment.container else None
    used: Isolation = "container" if box else isolation()
    variables = installed.variables(settings, threads=threads)
    scratch = folder.with_name(f"{folder.name}-tmp")
    scratch.mkdir(exist_ok=True)
    if used == "folder":
        variables |= {"HOME": str(scratch), "TMPDIR": str(scratch)} | settings.variables
    names = {**values, **installed.placeholders}
    limit_s = settings.encode_time_limit_s if kind == "encode" else settings.decode_time_limit_s
    total, container = Cost(), f"neural-video-bench-{uuid.uuid4().hex}"
    with clock(kind):
        for words in settings.commands(kind):
            command = fill([f"{{{words[0]}}}", *words[1:]], names)
            if box:
                line = container_command(
                    box,
                    command,
                    folder=folder,
                    variables=variables,
                    gpu=settings.gpu,
                    name=container,
                    memory_bytes=parse_bytes(settings.memory_limit, where="limit"),
                )
            else:
                readable = installed.readable(settings, kind)
                line = isolated_command(
                    command, kind=used, folder=folder, scratch=scratch, readable=readable, gpu=settings.gpu
                )
            try:
                # An engine's own client needs the user's variables; the commands inside get only `variables`.
                done = _supervise(
                    line,
                    name=words[0],
                    folder=folder,
                    scratch=scratch,
                    variables=dict(os.environ) if box else variables,
                    time_s=limit_s,
                    settings=settings,
                    progress=progress,
                )
            finally:
                if box:
                    remove_container(box, container)
            total = Cost(
                total.wall_s + done.wall_s,
                total.cpu_s + done.cpu_s,
                max(total.peak_memory_bytes, done.peak_memory_bytes),
            )
    if settings.stage_times:
        _add_stages(clock, kind, folder / settings.stage_times)
    return total, used


def _supervise(
    line: Sequence[str],
    *,
    name: str,
    folder: Path,
    scratch: Path,
    variables: Mapping[str, str],
    time_s: float,
    settings: ExternalSettings,
    progress: Progress | None,
) -> Cost:
    """Run one command line below the supervisor."""
    log = folder.with_name(f"{folder.name}.log")
    log.unlink(missing_ok=True)
    memory, disk = (parse_bytes(text, where="limit") for text in (settings.memory_limit, settings.disk_limit))
    job = {
        "command": list(line),
        "folder": str(folder),
        "environment": dict(variables),
        "log": str(log),
        "watched": [str(folder), str(scratch)],
        "time_s": time_s,
        "memory_bytes": memory,
        "disk_bytes": disk,
        "parent": os.getpid(),
    }
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SUPERVISOR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as supervisor:
        try:
            output, error = supervisor.communicate(json.dumps(job).encode())
        finally:
            supervisor.terminate()  # it kills the command with all its descendants
    try:
        result = json.loads(output)
    except ValueError:
        last = error.decode(errors="replace").strip().rpartition("\n")[2] or "no output"
        raise CommandFailed(f"program {name} could not be started ({last})") from None
    lines = _last_lines(log)
    failed = result["stopped"] or result["status"]
    for text in lines if failed or progress else ():
        (progress or process.progress(name))(f"{name}: {text}" if progress else text)
    limits = {
        "time": f"{time_s:g} s",
        "memory": f"{format_megabytes(memory)} of memory",
        "disk": f"{format_megabytes(disk)} of files",
    }
    status, stopped = result["status"] or 0, result["stopped"]
    killed_by = -status if status < 0 else status - 128 if 128 < status <= 128 + signal.NSIG else 0
    if killed_by == signal.SIGXFSZ:
        stopped = "disk"
    if stopped:
        raise CommandFailed(f"program {name} was killed: it exceeded the limit of {limits[stopped]}")
    if status:
        ended = f"was killed by signal {killed_by}" if killed_by else f"failed with status {status}"
        last = f": {lines[-1][:200]}" if lines else ", without any output"
        raise CommandFailed(f"program {name} {ended}{last}")
    return Cost(result["wall_s"], result["cpu_s"], result["peak_memory_bytes"])


def _last_lines(log: Path) -> list[str]:
    """The last lines of a command's output; a line that a carriage return overwrites is dropped."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _MOST_LOG_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = [line.rpartition("\r")[2].strip() for line in text.replace("\r\n", "\n").split("\n")]
    return [line for line in lines if line][-_LOG_LINES:]


def _add_stages(clock: StageClock, kind: Kind, path: Path) -> None:
    """Add the stages that a program reported, and take their seconds from the stage `encode` or `decode`.

    Raises:
        CommandFailed: the file is missing or is not a table of seconds.
    """
    try:
        if path.is_symlink() or path.stat().st_size > _MOST_STAGE_FILE_BYTES:
            raise ValueError("is too large or a link")
        values = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandFailed(f"the stage times {path.name} cannot be read ({error})") from None
    seconds: dict[str, float] = {}
    for name, value in values.items() if isinstance(values, dict) else ():
        valid = re.fullmatch("[a-z][a-z0-9-]{0,39}", name) and isinstance(value, int | float)
        if not valid or not 0 <= value < 1e9 or name == kind:
            raise CommandFailed(
                f"the stage times {path.name}: {name!r}: {value!r} is not a stage with seconds"
            )
        seconds[name] = float(value)
    if not seconds or len(seconds) > _MOST_STAGES:
        raise CommandFailed(f"the stage times {path.name} must be a table of up to {_MOST_STAGES} stages")
    whole = clock.seconds[kind]
    share = min(1.0, whole["wall_s"] / max(sum(seconds.values()), 1e-9))
    cpu_per_wall = whole["cpu_s"] / max(whole["wall_s"], 1e-9)
    for name, value in seconds.items():
        wall, cpu = value * share, value * share * cpu_per_wall
        total = clock.seconds.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
        total["wall_s"] += wall
        total["cpu_s"] += cpu
        whole["wall_s"] = max(0.0, whole["wall_s"] - wall)
        whole["cpu_s"] = max(0.0, whole["cpu_s"] - cpu)
