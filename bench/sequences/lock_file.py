"""What was downloaded once must come again: sizes and digests in ``config/sequences.lock``.

Few sequences have a published checksum. The first download therefore writes one into this table,
and every later one, on any machine, is held to it: commit the file.
"""

from __future__ import annotations

import csv
import fcntl
import io
import re
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.sequences.table import SEQUENCES, SourceSequence

PINS = SEQUENCES.with_suffix(".lock")

_COMMENT = (
    "# Sizes and SHA-256 of the first download of each sequence; later ones must match. Commit this file.\n"
)
_REMEDY = "restore it from git, or remove the line"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One line of the table; `archive_sha256` is empty for a file that came in no archive."""

    sequence: str
    archive_sha256: str
    raw_bytes: int
    sha256: str


_COLUMNS = tuple(field.name for field in fields(Pin))


def read_pins(path: Path | None = None) -> dict[str, Pin]:
    """All lines of the table by sequence; none where there is no table yet.

    Raises:
        BenchError: a line is not as `write_pin` makes it.
    """
    path = path or PINS
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    rows = csv.reader((line for line in lines if line and not line.startswith("#")), delimiter="\t")
    if tuple(next(rows, ())) != _COLUMNS:
        raise BenchError(path, f"does not begin with the columns {' '.join(_COLUMNS)}", _REMEDY)
    pins = [_parse(row, path) for row in rows]
    return {pin.sequence: pin for pin in pins}


def write_pin(pin: Pin, path: Path, *, guard: Path) -> None:
    """Add a line to the table, or replace that of the same sequence, whoever else writes at the time.

    Args:
        guard: a file that is locked meanwhile; it is made where it is missing.
    """
    with guard.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pins = read_pins(path) | {pin.sequence: pin}
        text = io.StringIO()
        text.write(_COMMENT)
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(_COLUMNS)
        for _, known in sorted(pins.items()):
            writer.writerow([value if value != "" else "-" for value in astuple(known)])
        with atomic_file(path) as file:
            file.write(text.getvalue().encode())


def check_digest(
    where: str | Path, found: str, sequence: SourceSequence, column: str, *, pins: Path | None = None
) -> None:
    """Hold a file to what the row and the table of pins say of it, where they do.

    Args:
        where: what the file is called; found: its SHA-256.
        column: "sha256" for the frames, "archive_sha256" for the archive that they came in.

    Raises:
        BenchError: it is another file.
    """
    pins = pins or PINS
    pin = read_pins(pins).get(sequence.name)
    for wanted, table in (
        (getattr(sequence, column), SEQUENCES.name),
        (getattr(pin, column) if pin else "", pins.name),
    ):
        if wanted and wanted != found:
            problem = f"its sha256 is {found}, {table} has {wanted}"
            remedy = f"remove it to get it again, or mend {sequence.name} in config/{table} if it is meant"
            raise BenchError(where, problem, remedy)


def _parse(row: list[str], path: Path) -> Pin:
    values = dict(zip(_COLUMNS, row, strict=False))
    digest = "[0-9a-f]{64}"
    valid = (
        len(row) == len(_COLUMNS)
        and re.fullmatch(f"-|{digest}", values["archive_sha256"])
        and re.fullmatch(digest, values["sha256"])
        and re.fullmatch("[0-9]+", values["raw_bytes"])
    )
    if not valid:
        raise BenchError(path, f"its line of {row[0]!r} is no valid one", _REMEDY)
    return Pin(
        sequence=values["sequence"],
        archive_sha256=values["archive_sha256"].removeprefix("-"),
        raw_bytes=int(values["raw_bytes"]),
        sha256=values["sha256"],
    )
