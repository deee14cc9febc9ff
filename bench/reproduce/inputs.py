"""Inputs of a check: the records below a folder, and the condition and clip of a record."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import temporary_folder
from bench.base.paths import ROOT
from bench.base.result_files import clip_file
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition
from bench.scoring.record import Record


def find_records(paths: Iterable[Path]) -> list[Path]:
    """The given records, and all records below the given folders.

    Raises:
        BenchError: a folder holds no record.
    """
    records: list[Path] = []
    for path in paths:
        below = sorted(path.rglob("record.json")) if path.is_dir() else [path]
        if not below:
            raise BenchError(path, "holds no record.json", "give a record or a folder of results")
        records += below
    return records


class RecordInputs:
    """The condition and the clip of a record, as a context manager.

    A clip that is not prepared yet is prepared in a temporary folder, which is deleted at the end.

    Args:
        clip: clip.json to use for every record; condition: name or file to use for every record.
    """

    def __init__(self, clip: Path | None = None, condition: str | None = None) -> None:
        self._clip, self._condition = clip, condition
        self._prepared: dict[tuple[str, str], Path] = {}
        self._folders = ExitStack()

    def __enter__(self) -> RecordInputs:
        return self

    def __exit__(self, *error: object) -> None:
        self._folders.close()

    def condition(self, record: Record) -> Condition:
        """The condition of a record.

        Raises:
            BenchError: there is no condition of that name.
        """
        return load_condition(self._condition or record.condition)

    def clip(self, record: Record) -> Path:
        """Path of a record's clip.json.

        Raises:
            BenchError: there is no prepared clip, and the condition or its source is missing.
        """
        if self._clip is not None:
            return self._clip
        path = Path(clip_file(record.condition, record.clip, "clip.json"))
        for prepared in (path, ROOT / path):
            if prepared.is_file():
                return prepared
        key = (record.condition, record.clip)
        if key not in self._prepared:
            from bench.sequences.prepare import prepare

            folder = self._folders.enter_context(temporary_folder("rerun"))
            process.progress("verify")(f"preparing {record.clip} of {record.condition}")
            prepare(self.condition(record), record.clip, folder)
            self._prepared[key] = folder / "clip.json"
        return self._prepared[key]
