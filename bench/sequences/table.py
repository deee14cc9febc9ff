"""The table of source sequences, ``config/sequences.tsv``: one row each (`bench.sequences.row`).

A row may end before the columns for downloads (`url` to `raw_bytes`), or after them. An older table lacks the
columns after those.

Spreadsheets save tables in other forms. A byte order mark, UTF-16, CRLF, cells in quotes and tabs at the end
of a line are read. Empty lines, and lines that begin with ``#``, are skipped.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.base.paths import ROOT
from bench.base.strict_model import validate
from bench.sequences.row import EMPTY, SourceSequence

SEQUENCES = ROOT / "config" / "sequences.tsv"
#: Folder of the downloads, relative to the working directory: results belong to a run, not to the code.
DOWNLOADS = Path("resources") / "sequences"
#: Columns that describe the download. Nothing that is computed from a sequence depends on them.
DOWNLOAD_COLUMNS = ("url", "mirror", "archive_bytes", "archive_sha256", "raw_bytes")
#: Columns that an older table lacks.
NEW_COLUMNS = ("pixel_format", "rotation")
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: All columns in order.
COLUMNS = tuple(SourceSequence.model_fields)
#: Columns of whole numbers, and columns that may be empty.
_WHOLE_NUMBERS = ("width", "height", "frames", "archive_bytes", "raw_bytes", "rotation")
_OPTIONAL = ("sha256", *DOWNLOAD_COLUMNS, *NEW_COLUMNS)
_OLDER_COLUMNS = COLUMNS[: -len(NEW_COLUMNS)]
#: Numbers of fields of rows that end early.
_SHORT_ROWS = (len(_OLDER_COLUMNS) - len(DOWNLOAD_COLUMNS), len(_OLDER_COLUMNS))


def read_sequences(path: Path | None = None) -> dict[str, SourceSequence]:
    """All rows of sequences.tsv by name.

    Raises:
        BenchError: a column is missing, or a value does not fit; line and column are named.
    """
    path = path or SEQUENCES
    return dict(_parse_table(path, read_table_text(path)[0]))


@lru_cache(maxsize=8)  # a plan asks for the table once for each of thousands of jobs
def _parse_table(path: Path, text: str) -> dict[str, SourceSequence]:
    sequences: dict[str, SourceSequence] = {}
    lines: dict[str, int] = {}
    header: tuple[str, ...] | None = None
    for number, line in enumerate(split_lines(text), start=1):
        cells = _split_line(line)
        if not cells:
            continue
        where = f"{path}:{number}"
        if header is None:
            header = tuple(_without_empty_end(cells))
            if header not in (COLUMNS, _OLDER_COLUMNS):
                raise _wrong_header(path, header)
            continue
        sequence = _parse_row(cells, header, where)
        # Downloads are files with this name: names must differ where a file system ignores case.
        other = lines.setdefault(sequence.name.casefold(), number)
        if other != number:
            problem = f"name: {sequence.name!r} is also the name in line {other}"
            raise BenchError(where, problem, "give each row its own name")
        sequences[sequence.name] = sequence
    if header is None:
        raise _wrong_header(path, ())
    return sequences


def read_table_text(path: Path) -> tuple[str, str]:
    """Text of a table, and its encoding: UTF-8, or what its byte order mark states.

    Raises:
        BenchError: the file is missing or is not text of that encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", "restore it") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise BenchError(path, f"must be UTF-8 text ({error.reason})", "save it as UTF-8") from None


def split_lines(text: str) -> list[str]:
    """The lines of a table with the line ends of any system."""
    return re.split("\r\n|\r|\n", text)


def is_row(line: str) -> bool:
    """Whether a line is the header or a row: not empty, and no comment."""
    return bool(line.strip()) and not line.startswith("#")


def _split_line(line: str) -> list[str]:
    """The cells of a line; none of an empty line or a comment."""
    if not is_row(line):
        return []
    cells = [cell.strip() for cell in line.split("\t")]
    return [
        cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell
        for cell in cells
    ]


def _without_empty_end(cells: list[str]) -> list[str]:
    count = max((index for index, cell in enumerate(cells, start=1) if cell), default=0)
    return cells[:count]


def _wrong_header(path: Path, header: tuple[str, ...]) -> BenchError:
    separator = next((mark for mark in ",; " if len(header) == 1 and mark in header[0]), "")
    if separator:
        return BenchError(path, f"separates its columns by {separator!r}", "save it as tab-separated text")
    unknown = [name for name in header if name not in COLUMNS]
    found = f" (unknown: {', '.join(map(repr, unknown[:3]))})" if unknown else ""
    return BenchError(path, f"must begin with a line of its columns{found}", f"use {' '.join(COLUMNS)}")


def _parse_row(cells: list[str], header: tuple[str, ...], where: str) -> SourceSequence:
    filled = len(_without_empty_end(cells))
    length = next((length for length in (*_SHORT_ROWS, len(header)) if length >= filled), None)
    if length is None or len(cells) < length:
        raise BenchError(where, "has too few or too many fields", "separate them by single tabs")
    values: dict[str, Any] = {name: cell or EMPTY for name, cell in zip(header, cells[:length], strict=False)}
    values = {name: text for name, text in values.items() if name not in _OPTIONAL or text != EMPTY}
    for column in _WHOLE_NUMBERS:
        if re.fullmatch("-?[0-9]{1,18}", values.get(column, "")):
            values[column] = int(values[column])
    return validate(SourceSequence, values, where=where)


def find_sequence(name: str, path: Path | None = None) -> SourceSequence:
    """The sequence of that name; BenchError suggests close names for an unknown one."""
    sequences = read_sequences(path)
    if name not in sequences:
        raise unknown_name("sequence", name, sequences, where=path or SEQUENCES)
    return sequences[name]


def downloaded_file(sequence: SourceSequence, folder: Path = DOWNLOADS) -> Path:
    """The downloaded file of a sequence of kind `url`: the row's name with the suffix of its file."""
    return folder / f"{sequence.name}{PurePosixPath(sequence.location).suffix}"


def users_file(sequence: SourceSequence) -> Path:
    """The file of a sequence of kind `file`.

    Raises:
        BenchError: the file is missing. The remedy names the row's `url`, if it has one.
    """
    path = sequence.local_path
    if not path.is_file():
        source = f"get it from {sequence.url} and " if sequence.url else ""
        remedy = f"{source}put it there, or correct its location in sequences.tsv"
        raise BenchError(path, f"the file of sequence {sequence.name} is missing", remedy)
    return path
