"""Input and parameter functions for the Snakemake rules.

Each takes a job's wildcards, loads the plan of that job's condition and returns one value from it. The
condition is the wildcard `condition`, or follows from the wildcard `selection` (`bench.workflow.outputs`).
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bench.base.errors import BenchError
from bench.base.paths import ROOT, reported_files
from bench.base.result_files import FileName
from bench.scoring.metrics import describe
from bench.workflow.job_memory import Table, job_bytes, read_table, request_mb
from bench.workflow.outputs import Selection, condition_of
from bench.workflow.plan import Plan, make_plan
from bench.workflow.plan_file import read_plan, write_plan
from bench.workflow.targets import NamedTarget

#: Environment variable with the plan files of a run, the chosen condition's first.
PLAN_FILES = "BENCH_PLAN_FILES"


_Function = TypeVar("_Function", bound=Callable[..., Any])


class Wildcards(Protocol):
    """The part of Snakemake's wildcards that is used here."""

    def items(self) -> Any: ...


class Plans:
    """The plans of a run: of the chosen condition, and of those that targets by name need.

    Snakemake parses the Snakefile in its main process and again in each process that it starts for a job,
    on a cluster above all. Only the main process plans. The others inherit the paths of its plan files in
    an environment variable and read these, so that all jobs of a run have the settings of its start.

    Args:
        condition: the chosen condition. main_process: whether this process plans.
        error: class of the error for another condition that cannot be planned; Snakemake prints one line.
        bundles: folder of bundles, whose streams join those of their condition.
        limits_memory: whether jobs state their memory: on a cluster, or with ``--resources mem_mb=N``.

    Raises:
        BenchError: the chosen condition cannot be planned.
    """

    def __init__(
        self,
        condition: str,
        *,
        main_process: bool,
        error: type[Exception],
        bundles: str | None = None,
        limits_memory: bool = False,
    ) -> None:
        self._main_process, self._error, self._bundles = main_process, error, bundles
        self._limits_memory = limits_memory
        self._plans: dict[str, Plan] = {}
        self._files: dict[str, str] = {}
        self._memory: dict[str, Table] = {}
        if main_process:
            self._add(write_plan(make_plan(condition, bundles)))
        else:
            for path in os.environ[PLAN_FILES].split(os.pathsep):
                self._add(path)
        self.chosen = next(iter(self._plans.values()))

    def of(self, condition: str) -> Plan:
        """The plan of a condition, given by its name."""
        if condition not in self._plans:
            if not self._main_process:
                raise self._error(
                    f"condition {condition} is not in the plans of this run; start the run again"
                )
            try:
                self._add(write_plan(make_plan(condition, self._bundles)))
            except BenchError as error:
                raise self._error(str(error)) from None
        return self._plans[condition]

    @cached_property
    def file(self) -> Callable[[Any, Sequence[str]], str]:
        """A function of wildcards and outputs: the plan file of a job.

        It is a function of `output`, too, because Snakemake leaves such parameters out of its rerun
        triggers: the file changes with every edit of the condition, the job's own inputs
        (`Plan.encode_inputs` and so on) do not.
        """

        def file(wildcards: Any, output: Sequence[str]) -> str:
            condition = getattr(wildcards, "condition", None) or condition_of(wildcards.selection)
            self.of(condition)
            return self._files[condition]

        return with_signature(file)

    def selection(self, wildcards: Wildcards) -> Selection:
        """The selection of points that a table or figure covers."""
        name = dict(wildcards.items())["selection"]
        return Selection(self.of(condition_of(name)), name)

    def of_job(self, name: str) -> Callable[[Any], Any]:
        """A function of wildcards: the value of a method of `Plan` for that job.

        It is the same for all seeds and bundles of a point, and computed once.
        """
        values: dict[tuple[str | None, ...], Any] = {}

        def value(wildcards: Any) -> Any:
            key = tuple(getattr(wildcards, level, None) for level in ("condition", "clip", "codec", "point"))
            if key not in values:
                values[key] = getattr(self.of(wildcards.condition), name)(wildcards)
            return values[key]

        return with_signature(value)

    def memory(self, rule: str) -> dict[str, Callable[[Any, int], int]]:
        """The resource `mem_mb` of a rule, if memory is limited: a function of wildcards and the attempt.

        Estimates of fits cost seconds, once for each plan file.
        """

        def memory_mb(wildcards: Any, attempt: int) -> int:
            plan, file = self.of(wildcards.condition), self._files[wildcards.condition]
            if rule != "prepare" and file not in self._memory:
                try:
                    self._memory[file] = read_table(file)
                except BenchError as error:
                    raise self._error(str(error)) from None
            return request_mb(job_bytes(rule, plan, self._memory.get(file, {}), wildcards), attempt)

        return {"mem_mb": with_signature(memory_mb)} if self._limits_memory else {}

    def of_condition(self, name: str) -> Callable[[Wildcards], Any]:
        """A function of wildcards: the value of a property of the plan or of its condition."""

        def value(wildcards: Wildcards) -> Any:
            names: Mapping[str, str] = dict(wildcards.items())
            plan = self.of(names.get("condition") or condition_of(names["selection"]))
            return getattr(plan if hasattr(plan, name) else plan.condition, name)

        return value

    def result_files(self, name: FileName) -> Callable[[Wildcards], list[str]]:
        """A function of wildcards: the files of that name that a table or figure has as inputs."""
        return lambda wildcards: self.selection(wildcards).result_files(
            name, clip=dict(wildcards.items()).get("clip")
        )

    def page_frames(self, wildcards: Wildcards) -> list[str]:
        """The folders of frames that a report page has as inputs."""
        return self.selection(wildcards).page_frames()

    def page_bits(self, wildcards: Wildcards) -> list[str]:
        """The tables of bits that a report page has as inputs."""
        return self.selection(wildcards).page_bits()

    def records(self, wildcards: Wildcards) -> list[str]:
        """The records of a selection."""
        return self.selection(wildcards).records()

    def records_digest(self, wildcards: Wildcards) -> str:
        """A digest of the records of a partial selection, which has no input files; empty for a full one."""
        selection = self.selection(wildcards)
        return digest(selection.records()) if selection.partial else ""

    def target_files(self, target: NamedTarget) -> Callable[[Wildcards], list[str]]:
        """An input function: the files of a target by name."""

        def files(_: Wildcards) -> list[str]:
            conditions = target.conditions or [self.chosen.condition.name]
            return [file for name in conditions for file in target.files(Selection(self.of(name), name))]

        return files

    def published_files(self, wildcards: Wildcards) -> list[str]:
        """The files of the published curves that a selection is compared with."""
        published = self.selection(wildcards).plan.condition.published
        named = [curve.source for curve in published if curve.source.endswith(".csv")]
        return [*named, *(str(path) for path in reported_files())] if published else []

    def gpus(self, wildcards: Wildcards) -> int:
        """GPUs of a job that decodes the points of a selection one after the other."""
        selection = self.selection(wildcards)
        points: Sequence[Any] = selection.points  # frozen, but with the attributes of wildcards
        return max((selection.plan.gpus(point) for point in points), default=0)

    def skipped(self, wildcards: Wildcards) -> list[dict[str, str]]:
        """The rows of skipped.csv."""
        return [vars(skip) for skip in self.selection(wildcards).plan.skipped]

    def _add(self, path: str) -> None:
        """Use the plan of a file. The main process reads its own files, too, so all plans are equal."""
        plan = read_plan(path)
        self._plans[plan.condition.name], self._files[plan.condition.name] = plan, path
        os.environ[PLAN_FILES] = os.pathsep.join(self._files.values())


def metric_labels(wildcards: Wildcards) -> dict[str, str]:
    """Labels of a rate-distortion figure in the report: the metric, and the clip of a figure of one clip."""
    names: dict[str, str] = dict(wildcards.items())
    clip = {"clip": names["clip"]} if "clip" in names else {}
    return {"metric": describe(names["metric"]).label, **clip}


def with_signature(function: _Function) -> _Function:
    """The same function with its signature stored in it.

    Snakemake inspects the signature of each function of a rule several times for every job. In a run of
    thousands of jobs that is a tenth of the planning time.
    """
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function


def option(name: str, given: object) -> Callable[[Wildcards, Sequence[str]], str]:
    """A parameter function: an option of a command and a space, or nothing.

    It is a function of `output`, too, because Snakemake leaves such parameters out of its rerun triggers.
    """
    text = f"{name} " if given else ""
    return with_signature(lambda wildcards, output: text)


def page_assets() -> list[Path]:
    """The files of the report page that are the same for all conditions."""
    return sorted(path for path in (ROOT / "bench" / "report" / "assets").rglob("*") if path.is_file())


def digest(paths: Iterable[str | Path]) -> str:
    """A short hash of the names and contents of files."""
    total = hashlib.sha256()
    for path in map(Path, paths):
        total.update(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:16]
