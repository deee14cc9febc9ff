"""Result sets: the records of a folder of results, of a condition, or of a git revision.

| text | records |
|---|---|
| path of a folder or a record | all `record.json` below it |
| name of a condition | those of results/points and results/reference |
| git revision | those that the revision tracks below results/reference |
| git revision:path | those that the revision tracks below this path |

A path that exists is a path, whatever else has its name.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import temporary_folder
from bench.base.paths import ROOT
from bench.base.result_files import RESULTS, RunKey, reference_folder
from bench.conditions.reader import condition_names
from bench.reproduce.inputs import find_records
from bench.scoring.record import Record
from bench.scoring.record_check import check_files

REFERENCES = f"{RESULTS}/reference"


@dataclass(frozen=True)
class ResultSet:
    """Records under the text that the user gave for them, each with the path it was read from."""

    name: str
    records: dict[RunKey, Record]
    paths: dict[RunKey, Path]


def read_result_set(text: str) -> ResultSet:
    """The records that a folder, a condition or a git revision has (see the table above).

    Raises:
        BenchError: none of the three, no record, an invalid record, or two streams of one run.
    """
    if Path(text).exists():
        return result_set(text, find_records([Path(text)]))
    if text in condition_names():
        folders = [Path(RESULTS, "points", text), reference_folder(text)]
        if not any(folder.is_dir() for folder in folders):
            raise BenchError(text, "the condition has no results", "run it, or give a folder of results")
        return result_set(text, find_records(folder for folder in folders if folder.is_dir()))
    revision, _, path = text.partition(":")
    with temporary_folder("revision") as folder:
        _extract(text, revision, path or REFERENCES, folder)
        return result_set(text, sorted(folder.rglob("record.json")))


def result_set(name: str, paths: Iterable[Path]) -> ResultSet:
    """The records at these paths.

    A results folder may have two records of a tracked stream, its tracked one and the one measured on this
    machine. The first path is used.

    Raises:
        BenchError: an invalid record, one that contradicts the files beside it, or two streams of one run.
    """
    records: dict[RunKey, Record] = {}
    origins: dict[RunKey, Path] = {}
    for path in paths:
        record = Record.read(path)
        check_files(record, path)
        key = RunKey.of(vars(record))
        if key not in records:
            records[key], origins[key] = record, path
        elif record.stream_sha256 != records[key].stream_sha256:
            raise BenchError(path, f"is of the same run as {origins[key]}, with another stream", "remove one")
    return ResultSet(name, records, origins)


def _extract(text: str, revision: str, path: str, folder: Path) -> None:
    """Write the records that a revision tracks below a path of the repository into a folder.

    Raises:
        BenchError: an unknown revision, or no record there.
    """
    refusal = BenchError(
        text, "must be a folder of results, a condition or a git revision", "check the spelling"
    )
    if revision.startswith("-"):  # git would take it for an option
        raise refusal
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", f"{revision}^{{commit}}"]
    pathspec = f":(glob){path.rstrip('/')}/**/record.json"
    try:
        archive = subprocess.run([*command, pathspec], capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(text, f"git failed ({error})", "give a folder of results") from None
    if archive.returncode and b"pathspec" in archive.stderr:
        raise BenchError(text, f"the revision tracks no record.json below {path}", "give REVISION:FOLDER")
    if archive.returncode:
        raise refusal
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
