"""Merge of results of several machines into one folder of results.

Every record keeps its provenance, with the machine that encoded and the one that measured. A stream that
several folders have is merged once, with the record of the first folder, if the others agree with it within
the tolerances of the metrics. Two different streams of one run are refused.

Seconds depend on the machine. Tables do not average times of several machines (`bench.analysis.point_means`).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from bench.base.errors import BenchError
from bench.base.files import atomic_folder
from bench.base.result_files import FileName, RunKey, file_of_record
from bench.conditions.reader import condition_names
from bench.reproduce.result_set import ResultSet, read_result_set
from bench.reproduce.verify import compare
from bench.scoring.record import collect


@dataclass(frozen=True)
class Merged:
    """Numbers of runs: those merged, and those that another folder has, too."""

    runs: int
    repeated: int


def merge(texts: Sequence[str], out: Path | str) -> Merged:
    """Copy the runs of all folders of results to `out`, and write tables/CONDITION/rd_points.csv there.

    Args:
        texts: folders of results, or conditions.
        out: a new folder: points/..., reference/... and tables/... below it. It appears when complete.

    Raises:
        BenchError: two streams of one run, records of one stream that differ, an invalid record, or `out` is
            not empty.
    """
    for text in texts:
        if not Path(text).exists() and text not in condition_names():
            raise BenchError(text, "must be a folder of results or a condition", "check the spelling")
    sets = [read_result_set(text) for text in texts]
    chosen = _choose(sets)
    with atomic_folder(out) as folder:
        paths = []
        for key, path in sorted(chosen.items()):
            for name in get_args(FileName):
                source = file_of_record(path, name)
                if source.is_file():
                    target = Path(key.file(name, folder))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)
            paths.append((key.condition, Path(key.file("record.json", folder))))
        for condition in dict.fromkeys(condition for condition, _ in paths):
            of_condition = [path for name, path in paths if name == condition]
            collect(of_condition, folder / "tables" / condition / "rd_points.csv")
    return Merged(len(chosen), sum(len(one.records) for one in sets) - len(chosen))


def _choose(sets: Sequence[ResultSet]) -> dict[RunKey, Path]:
    """Run -> the path of its record in the first set that has it.

    Raises:
        BenchError: another set has another stream, or other values of the same stream.
    """
    chosen: dict[RunKey, tuple[ResultSet, Path]] = {}
    for one in sets:
        for key, record in one.records.items():
            first, _ = chosen.setdefault(key, (one, one.paths[key]))
            if first is one:
                continue
            differences = list(compare(first.records[key], record))
            if differences:
                problem = f"differs from {first.paths[key]}: {differences[0]}"
                raise BenchError(one.paths[key], problem, "remove one, or merge them under other seeds")
    return {key: path for key, (_, path) in chosen.items()}
