"""What the Snakefiles need beside a plan: strict configuration, fingerprints, a lock, closing words."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.workflow.plan import existing

if TYPE_CHECKING:
    from bench.workflow.plan import Plan

#: So many missing points are named at the end of a run.
_NAMED = 5
#: Targets that make no points: how many there are is no answer to them.
_NO_POINTS = {"partial", "show", "plan", "list_figures", "train_learned"}


def hold_run_lock(path: str | Path) -> None:
    """Take a shared lock that ends with this process, however that ends.

    `make` looks at it before it removes a lock that Snakemake left behind: while anybody holds this
    one, a run is alive. The file stays open for that on purpose.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), fcntl.LOCK_SH)


def put_this_python_first() -> None:
    """Put the folder of this Python first on PATH, for the jobs that this process starts."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def digest(paths: Iterable[str | Path]) -> str:
    """A short hash of files' names and contents: it changes where any of them does."""
    total = hashlib.sha256()
    for path in map(Path, paths):
        total.update(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def closing(plan: Plan, command: Sequence[str] = ()) -> str:
    """What a person is told at the end of a run; nothing where its command asked for no points."""
    if _NO_POINTS & set(command):
        return ""
    missing = [point for point in plan.points if not Path(point.file("record.json")).is_file()]
    name = plan.condition.name
    lines = [_count(plan, len(plan.points) - len(missing)) + f", {len(plan.skipped)} skipped"]
    if missing:
        lines += [
            f"missing: {point.clip}/{point.codec}/{point.point}/{point.run}" for point in missing[:_NAMED]
        ]
        lines.append("logs/ says why; snakemake partial: draw what there is")
    else:
        lines.append(f"figures: results/figures/{name}/   tables: results/tables/{name}/")
        lines.append("snakemake show: print the summary; snakemake --report report.zip: pack a report")
    return "\n".join(lines) + "\n"


def partial_message(plan: Plan) -> str:
    """What the partial view shows, in one line."""
    made = len(existing(plan))
    where = f"results/figures/partial/{plan.condition.name}/" if made else "nothing to draw yet"
    return f"{_count(plan, made)}: {where}"


def _count(plan: Plan, made: int) -> str:
    return f"{made} of {len(plan.points)} points"
