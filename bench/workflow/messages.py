"""Messages of a run: how many points are measured, which are missing, where figures and tables are."""

from __future__ import annotations

from collections.abc import Sequence

from bench.workflow.plan import Plan
from bench.workflow.run_status import failure_line, run_status
from bench.workflow.targets import UTILITY_TARGETS

_LISTED = 5


def closing_message(plan: Plan, command: Sequence[str] = ()) -> str:
    """The message at the end of a run; empty if the command names a target that computes no points."""
    if set(UTILITY_TARGETS) & set(command):
        return ""
    measured = set(plan.measured())
    missing = [point for point in plan.points if point not in measured]
    name = plan.condition.name
    lines = [f"{_count(plan)}, {len(plan.skipped)} skipped"]
    if missing:
        listed = missing[:_LISTED]
        lines += [f"missing: {point.clip}/{point.codec}/{point.point}/{point.run}" for point in listed]
        lines += [failure_line(job) for job in run_status(plan).failed[:_LISTED]]
        lines.append("errors: see logs/   tables and figures of the measured points: snakemake partial")
    else:
        lines.append(f"figures: results/figures/{name}/   tables: results/tables/{name}/")
        lines.append(f"report page: results/report/{name}/index.html")
        lines.append("snakemake show: print the summary; snakemake --report report.zip: pack a report")
    return "\n".join(lines) + "\n"


def partial_message(plan: Plan) -> str:
    """The message of the target `partial`, in one line."""
    folder = f"results/figures/partial/{plan.condition.name}/"
    return f"{_count(plan)}: {folder if plan.measured() else 'nothing to draw yet'}"


def _count(plan: Plan) -> str:
    return f"{len(plan.measured())} of {len(plan.points)} points"
