"""Check of a bundle: every stream is decoded in isolation and scored again, and compared with its record."""

from __future__ import annotations

from collections.abc import Iterator

from bench.base.errors import BenchError
from bench.bundles.bundle_file import Bundle
from bench.codec import registry
from bench.reproduce.inputs import RecordInputs
from bench.reproduce.verify import verify
from bench.scoring.record import Record


def other_programs(bundle: Bundle) -> Iterator[str]:
    """One line for each program outside the suite that is not the one that the bundle's author used."""
    if not bundle.index.programs:
        return
    config = registry.codec_config(bundle.index.codec)
    here = registry.load_family(config.family).identity(config.settings).get("programs", {})
    for name, facts in bundle.index.programs.items():
        ours = here.get(name, {})
        if ours.get("sha256") != facts.get("sha256"):
            versions = f"{ours.get('version') or 'unknown'} here, {facts.get('version') or 'unknown'} there"
            yield f"program {name} is another one: {versions}"


def check_runs(
    bundle: Bundle, inputs: RecordInputs, *, tolerance_db: float | None, device: str
) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each run and its deviations, one line each; an empty list if it agrees.

    Raises:
        BenchError: the bundle's condition or one of its clips or points is unknown here.
    """
    first = Record.read(bundle.folder_of(bundle.index.runs[0]) / "record.json")
    condition = inputs.condition(first)
    for run in bundle.index.runs:
        condition.clip(run.clip)
        name = f"{run.clip}/{bundle.index.codec}/{run.point}/{run.run}"
        record = bundle.folder_of(run) / "record.json"
        try:
            problems = verify(record, inputs, tolerance_db=tolerance_db, device=device).problems
        except BenchError as error:
            problems = [str(error)]
        shown = f"{bundle.folder}/"
        yield name, [line.replace(shown, "") for line in problems]
