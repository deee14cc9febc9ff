"""Every shipped condition can be planned by Snakemake, without network and frames."""

from __future__ import annotations

import re
from collections import Counter

from tiny_repo import Repo

from bench.conditions.reader import condition_names
from bench.workflow.plan import make_plan


def jobs(output: str) -> Counter[tuple[str, str]]:
    """(rule, condition) -> jobs of a dry run."""
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    return Counter((rule, *re.findall(r"condition=([^,\n]+)", details)[:1]) for rule, details in found)


def test_the_tables_of_all_conditions_are_one_dry_run_away(repo: Repo, monkeypatch) -> None:
    """One dry run for all conditions: its jobs are those of their plans."""
    monkeypatch.chdir(repo.root)
    names = condition_names()
    targets = tuple(f"results/tables/{name}/summary.txt" for name in names)
    planned = jobs(repo.snakemake("--dry-run", "--quiet", "host", targets=targets))
    for name in names:
        plan = make_plan(name)
        made = sum(not point.reference for point in plan.points)
        assert planned["encode", name] == made, name
        assert planned["measure", name] == made, name
        assert planned["prepare", name] == len(plan.condition.clips), name
        assert planned["fetch", name] == (7 if name.startswith("uvg-") else 0), name


def test_the_suites_own_protocol_is_chosen_on_the_command_line(repo: Repo) -> None:
    planned = Repo(repo.root, "uvg-1080p-v1").planned()
    assert {"ffnerv-matched", "hinerv-matched", "x265-medium", "identity"} <= planned["encode"]
    assert len(planned["fetch"]) == 7
    assert {"figure_rd", "bd_rate", "summary"} <= set(planned)
