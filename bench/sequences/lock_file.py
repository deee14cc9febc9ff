"""Lock file of the downloads, ``config/sequences.lock``: sizes and SHA-256 digests.

Few sequences have a published checksum. The first download of a sequence therefore records its digests here,
and every later download, on any machine, must match them. Commit the file. A digest in sequences.tsv, where a
publisher gives one, is checked too.

The file is a table of tab-separated values with the columns of `LockEntry`. Lines that begin with ``#`` are
comments. To accept a new version of a file on purpose, remove its line.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.base.locks import try_lock
from bench.sequences.row import SourceSequence
from bench.sequences.table import SEQUENCES

LOCK_FILE = SEQUENCES.with_suffix(".lock")

_COMMENT = (
    "# Sizes and SHA-256 of the first download of each sequence; later ones must match. Commit this file.\n"
)
_REMEDY = "restore it from git, or remove the line"


@dataclass(frozen=True, kw_only=True)
class LockEntry:
    """One line of the lock file.

    Attributes:
        archive_sha256: of the downloaded archive; empty if the file was downloaded without one.
        raw_bytes, sha256: of the file with the frames.
    """

    sequence: str
    archive_sha256: str
    raw_bytes: int
    sha256: str


_COLUMNS = tuple(field.name for field in fields(LockEntry))


def read_lock_file(path: Path | None = None) -> dict[str, LockEntry]:
    """All entries by sequence name; an empty dictionary if there is no file yet.

    Raises:
        BenchError: the file has other columns, or an invalid line.
    """
    path = path or LOCK_FILE
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise BenchError(path, f"must be UTF-8 text ({error.reason})", _REMEDY) from None
    reader = csv.reader((line for line in lines if line and not line.startswith("#")), delimiter="\t")
    try:
        header, *rows = reader
    except (csv.Error, ValueError):
        header, rows = [], []
    if tuple(header) != _COLUMNS:
        raise BenchError(path, f"must begin with the columns {' '.join(_COLUMNS)}", _REMEDY)
    entries = [_parse_entry(row, path) for row in rows]
    return {entry.sequence: entry for entry in entries}


def write_lock_entry(entry: LockEntry, path: Path, *, mutex: Path) -> None:
    """Add an entry to the lock file, or replace the one of the same sequence.

    Args:
        mutex: file that processes lock while they write, so that no entry of a concurrent fetch is lost. A
            missing file is created.
    """
    with mutex.open("a") as file:
        try_lock(file.fileno(), wait=True)
        entries = read_lock_file(path) | {entry.sequence: entry}
        text = io.StringIO()
        text.write(_COMMENT)
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(_COLUMNS)
        for _, item in sorted(entries.items()):
            writer.writerow([value if value != "" else "-" for value in astuple(item)])
        with atomic_file(path) as lock_file:
            lock_file.write(text.getvalue().encode())


def check_digest(
    where: str | Path, digest: str, sequence: SourceSequence, column: str, *, lock_file: Path | None = None
) -> None:
    """Compare a file's SHA-256 with sequences.tsv and the lock file, as far as these have one.

    Args:
        where: the file that errors name.
        digest: its SHA-256 in hexadecimal.
        column: "sha256" for the file with the frames, "archive_sha256" for its archive.

    Raises:
        BenchError: the digest differs.
    """
    lock_file = lock_file or LOCK_FILE
    entry = read_lock_file(lock_file).get(sequence.name)
    recorded = {
        SEQUENCES.name: getattr(sequence, column),
        lock_file.name: getattr(entry, column) if entry else "",
    }
    for table, expected in recorded.items():
        if expected and expected != digest:
            problem = f"its sha256 is {digest}, but {expected} in {table}"
            remedy = f"remove it and get it again, or correct {sequence.name} in config/{table}"
            raise BenchError(where, problem, remedy)


def _parse_entry(row: list[str], path: Path) -> LockEntry:
    values = dict(zip(_COLUMNS, row, strict=False))
    digest = "[0-9a-f]{64}"
    valid = (
        len(row) == len(_COLUMNS)
        and re.fullmatch(f"-|{digest}", values["archive_sha256"])
        and re.fullmatch(digest, values["sha256"])
        and re.fullmatch("[0-9]+", values["raw_bytes"])
    )
    if not valid:
        raise BenchError(path, f"the line of {row[0]!r} is invalid", _REMEDY)
    return LockEntry(
        sequence=values["sequence"],
        archive_sha256=values["archive_sha256"].removeprefix("-"),
        raw_bytes=int(values["raw_bytes"]),
        sha256=values["sha256"],
    )
