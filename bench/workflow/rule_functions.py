"""What rules ask of the plans: functions of a job's wildcards, for conditions that are planned when needed.

A run has one chosen condition, and targets by name may want others. A job says which it belongs to: by
the wildcard `condition`, or by `view` (`bench.workflow.outputs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from bench.base.errors import BenchError
from bench.base.paths import reported_files
from bench.base.result_files import FileName
from bench.workflow.outputs import View, condition_of
from bench.workflow.plan import Plan, make_plan
from bench.workflow.session import digest
from bench.workflow.targets import Named


class Wildcards(Protocol):
    """The part of Snakemake's wildcards that is used here."""

    def items(self) -> Any: ...


class Plans:
    """The plans of all conditions, each made when it is first asked for.

    Args:
        chosen: the plan at hand; a slip in it was told before the run began.
        error: what a slip in another condition is raised as, so that Snakemake tells it in one line.
    """

    def __init__(self, chosen: Plan, error: type[Exception]) -> None:
        self._chosen = chosen.condition.name
        self._made, self._error = {self._chosen: chosen}, error

    def of(self, condition: str) -> Plan:
        """The plan of a condition, by its name."""
        if condition not in self._made:
            try:
                self._made[condition] = make_plan(condition)
            except BenchError as error:
                raise self._error(str(error)) from None
        return self._made[condition]

    def view(self, wildcards: Wildcards) -> View:
        """The view that a job belongs to."""
        name = _words(wildcards)["view"]
        return View(self.of(condition_of(name)), name)

    def planned(self, name: str) -> Callable[[Any], Any]:
        """A function of wildcards: what the plan of the job's condition says under that name."""
        return lambda wildcards: getattr(self.of(wildcards.condition), name)(wildcards)

    def stated(self, name: str) -> Callable[[Wildcards], Any]:
        """A function of wildcards: the value of a key of the condition, of a job or of a view."""

        def look_up(wildcards: Wildcards) -> Any:
            words = _words(wildcards)
            condition = words.get("condition") or condition_of(words["view"])
            return getattr(self.of(condition).condition, name)

        return look_up

    def awaited(self, name: FileName) -> Callable[[Wildcards], list[str]]:
        """A function of wildcards: the files of that name that a view waits for, of its clip if any."""
        return lambda wildcards: self.view(wildcards).awaited(name, clip=_words(wildcards).get("clip"))

    def records(self, wildcards: Wildcards) -> list[str]:
        """The records that a view shows."""
        return self.view(wildcards).records()

    def contents(self, wildcards: Wildcards) -> str:
        """What a partial view, which waits for no file, depends on; nothing for a full one."""
        view = self.view(wildcards)
        return digest(view.records()) if view.partial else ""

    def named(self, target: Named) -> Callable[[Wildcards], list[str]]:
        """A function of no wildcards: the files of a target by name."""

        def look_up(_: Wildcards) -> list[str]:
            conditions = target.conditions or [self._chosen]
            return [file for name in conditions for file in target.files(View(self.of(name), name))]

        return look_up

    def reported(self, wildcards: Wildcards) -> list[str]:
        """The files of published curves that a view shows some of."""
        named = self.view(wildcards).plan.condition.published
        own = [curve.source for curve in named if curve.source.endswith(".csv")]
        return [*own, *(str(path) for path in reported_files())] if named else []

    def gpus(self, wildcards: Wildcards) -> int:
        """How many GPUs a job takes that goes through a view's points one after the other."""
        view = self.view(wildcards)
        points: Sequence[Any] = view.points  # they serve as wildcards, but for being frozen
        return max((view.plan.gpus(point) for point in points), default=0)

    def skipped(self, wildcards: Wildcards) -> list[dict[str, str]]:
        """The rows of a view's skipped.csv."""
        return [vars(skip) for skip in self.view(wildcards).plan.skipped]


def _words(wildcards: Wildcards) -> Mapping[str, str]:
    return dict(wildcards.items())
