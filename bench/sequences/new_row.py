"""A new row of sequences.tsv from a video file or a folder of frames: what it states, and what is assumed."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError
from bench.base.files import atomic_file, sha256_file
from bench.base.locks import try_lock
from bench.base.names import NAME, NAME_RULE
from bench.base.paths import ROOT
from bench.base.strict_model import validate
from bench.sequences.frame_folder import (
    FRAME_SUFFIXES,
    FrameFolder,
    frame_files,
    frame_size,
    is_frame_pattern,
)
from bench.sequences.pixel_format import EXAMPLES, PixelFormat, check_sample_range
from bench.sequences.probe import probe
from bench.sequences.row import SourceSequence
from bench.sequences.source_check import check_decode, check_row, check_suitable, not_applied
from bench.sequences.table import COLUMNS, SEQUENCES, is_row, read_sequences, read_table_text, split_lines

#: Parts of names of raw files, such as Beauty_1920x1080_120fps_420_8bit_YUV.yuv.
_SIZE = re.compile(r"(?<![0-9])([1-9][0-9]{1,3})x([1-9][0-9]{1,3})(?![0-9])")
_RATE = re.compile(
    r"(?<=[0-9]x)[0-9]+[_-](?!4(?:20|22|44)_)([0-9]{1,3}(?:\.[0-9]+)?)(?:fps|hz|p)?(?=[_.-])", re.I
)
_FORMAT = re.compile(r"(?<![0-9])(420|422|444)(?![0-9]).*?(?<![0-9])(8|10|12) ?bit", re.I)
#: The largest frame of standard definition, whose matrix is BT.601: long and short side.
_SD_SIZE = (1024, 576)


@dataclass
class NewRow:
    """Values of a new row, and a line for each that the file does not state.

    Attributes:
        values: columns of sequences.tsv; what is missing is empty there.
        remarks: lines of text: `assumed: ...`, `unknown: ...`, `note: ...`.
    """

    values: dict[str, Any]
    remarks: list[str] = field(default_factory=list)

    def assume(self, column: str, value: Any, reason: str) -> None:
        """Set a column that has no value yet, and note why."""
        if self.values.get(column) in (None, ""):
            self.values[column] = value
            self.remarks.append(f"assumed: {column} {value}: {reason}")

    def sequence(self) -> SourceSequence:
        """The row, validated."""
        return validate(SourceSequence, self.values, where="the new row")


def describe_source(
    path: Path, name: str | None, given: Mapping[str, Any]
) -> tuple[SourceSequence, list[str]]:
    """The row of a file or folder, compared with all its frames, and the lines of `NewRow.remarks`.

    Args:
        name: of the sequence; None: from the file's name.
        given: columns that the user states; they override assumptions, but must not contradict the file.

    Raises:
        BenchError: the file cannot be measured (`bench.sequences.source_check`), contradicts `given`, or
            lacks a fact that cannot be assumed.
    """
    if not path.exists() and not is_frame_pattern(path):
        raise BenchError(path, "no such file or folder", "check the path")
    if path.is_file() and path.suffix.lower() in FRAME_SUFFIXES:
        remedy = f"give its folder, or a pattern in quotes such as '{path.parent}/*{path.suffix}'"
        raise BenchError(path, "is one picture", remedy)
    location = _location(path)
    values = {"name": name, "location": location, "licence": "-", "citation": "-", "note": "-", **given}
    row = NewRow({key: value for key, value in values.items() if value is not None})
    if name is None:
        row.assume("name", _name_of(path), "from the file's name")
    if not path.is_file():
        sequence = _of_folder(row, path)
    elif path.suffix.lower() == ".yuv":
        sequence = _of_raw_file(row, path)
    else:
        sequence = _of_container(row, path)
    row.remarks.append("unknown: licence and citation; write them into the table")
    if sequence.width % 2 or sequence.height % 2:
        even = f"[0, 0, {sequence.width // 2 * 2}, {sequence.height // 2 * 2}]"
        row.remarks.append(f"note: the size is odd; a clip needs `crop: {even}` in its condition")
    return sequence, row.remarks


def add_row(sequence: SourceSequence, path: Path | None = None) -> None:
    """Append a row to sequences.tsv, atomically. All other lines, their order and the encoding stay.

    A table without the newest columns gets them.

    Raises:
        BenchError: the table is invalid, or has a row of that name.
        OSError: the table cannot be written.
    """
    path = path or SEQUENCES
    # Two processes that add rows at once must not lose one. The lock is on the folder: the file is replaced.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        try_lock(folder, wait=True)
        for other in read_sequences(path):
            if other.casefold() == sequence.name.casefold():
                raise BenchError(
                    path, f"has a sequence {other!r} already", "give another --name, or edit the row"
                )
        text, encoding = read_table_text(path)
        newline = "\r\n" if "\r\n" in text else "\n"
        lines = split_lines(text.rstrip("\r\n"))
        lines[next(index for index, line in enumerate(lines) if is_row(line))] = "\t".join(COLUMNS)
        cells = {name: getattr(sequence, name) for name in COLUMNS}
        lines.append("\t".join("-" if cell in (None, "") else str(cell) for cell in cells.values()))
        with atomic_file(path) as file:
            file.write(newline.join([*lines, ""]).encode(encoding))
    finally:
        os.close(folder)


def _location(path: Path) -> str:
    """The path as the table has it: relative to the repository if the file is in it, else absolute."""
    absolute = Path(os.path.abspath(path))
    text = str(absolute.relative_to(ROOT) if absolute.is_relative_to(ROOT) else absolute)
    if text.startswith("~"):  # which would be a home folder
        text = str(absolute)
    try:
        valid = text.encode() and text == text.strip() and not re.search(r'[\t\r\n]|^"', text)
    except UnicodeEncodeError:  # a name that is not UTF-8
        valid = False
    if not valid:
        raise BenchError(repr(text), "a row of a table cannot hold this path", "rename the file")
    return text


def _name_of(path: Path) -> str:
    """A valid name from that of a file or folder: accents are dropped, other characters become `-`."""
    folder = path.parent if is_frame_pattern(path) else path
    stem = unicodedata.normalize("NFKD", path.stem if path.is_file() else folder.resolve().name)
    ascii_only = "".join(character for character in stem if not unicodedata.combining(character))
    name = re.sub("[^A-Za-z0-9._-]+", "-", ascii_only).strip("-._")[:100]
    if not NAME.fullmatch(name):
        raise BenchError(path, "has no name that a sequence can have", f"give --name: {NAME_RULE}")
    return name


def _of_container(row: NewRow, path: Path) -> SourceSequence:
    log = probe(path, frames=None)
    facts = check_suitable(log, path)
    row.values |= {"kind": "file", "sha256": sha256_file(path), "frames": log.frames}
    row.values.setdefault("pixel_format", facts.pixel_format)
    width, height = facts.width, facts.height
    if facts.rotation:
        turned = int(facts.rotation)
        width, height = (height, width) if turned % 180 else (width, height)
        row.values["rotation"] = turned
        row.remarks.append(f"note: frames are rotated by {turned} degrees, as the file states")
    for column, value in (("width", width), ("height", height), ("fps", log.fps)):
        row.values.setdefault(column, value)
    _require_rate(row, path)
    if facts.range:
        row.values.setdefault("range", facts.range)
    if facts.matrix:
        row.values.setdefault("matrix", facts.matrix)
    if facts.siting in ("left", "center", "topleft"):
        row.values.setdefault("siting", facts.siting)
    _assume_colour(row, width, height, "the file does not state it")
    for what, tag in (("primaries", facts.primaries), ("transfer function", facts.transfer)):
        if not tag:
            row.remarks.append(f"unknown: {what}; samples are used as they are")
    sequence = row.sequence()
    check_row(log, sequence, path)
    check_decode(log, path)
    row.remarks += [f"note: {note}" for note in not_applied(log, sequence)]
    return sequence


def _of_raw_file(row: NewRow, path: Path) -> SourceSequence:
    row.values |= {"kind": "file", "sha256": sha256_file(path)}
    if size := _SIZE.search(path.name):
        row.assume("width", int(size[1]), "from the file's name")
        row.assume("height", int(size[2]), "from the file's name")
    if "width" not in row.values:
        raise BenchError(path, "is a raw file, which does not state its size", "give --size WIDTHxHEIGHT")
    if rate := _RATE.search(path.name):
        row.assume("fps", rate[1], "from the file's name")
    _require_rate(row, path)
    if name := _FORMAT.search(path.name):
        bits = "" if name[2] == "8" else f"{name[2]}le"
        row.assume("pixel_format", f"yuv{name[1]}p{bits}", "from the file's name")
    width, height = row.values["width"], row.values["height"]
    pixel_format, row.values["frames"] = _raw_format(path, width, height, row.values.get("pixel_format"))
    row.assume("pixel_format", pixel_format, "the only one that fits the bytes")
    _assume_colour(row, width, height, "a raw file does not state it")
    return row.sequence()


def _raw_format(path: Path, width: int, height: int, given: str | None) -> tuple[str, int]:
    """Pixel format and number of frames of a raw file: the given format, or the only one that fits its bytes.

    Raises:
        BenchError: no format fits, or several do.
    """
    size, fitting, problem = path.stat().st_size, {}, f"no whole frames of {width}x{height}"
    for name in [given] if given else EXAMPLES.split(", "):
        pixel_format = PixelFormat.parse(name)
        if pixel_format is None:
            raise BenchError(path, f"unknown pixel format {name!r}", f"give one of {EXAMPLES}")
        if not size or size % pixel_format.frame_bytes(width, height):
            continue
        try:
            check_sample_range(path, pixel_format)
        except BenchError as error:
            if given:
                raise
            problem = error.problem
            continue
        fitting[name] = size // pixel_format.frame_bytes(width, height)
    if len(fitting) == 1:
        return fitting.popitem()
    which = ", ".join(f"{frames} frames of {name}" for name, frames in fitting.items())
    remedy = "give --pixel-format and the right --size"
    raise BenchError(path, f"is {size} bytes, which are {which or problem}", remedy)


def _of_folder(row: NewRow, path: Path) -> SourceSequence:
    files = frame_files(Path(os.path.abspath(path)))
    width, height = frame_size(files[0])
    row.values |= {"kind": "frames", "frames": len(files), "matrix": "-", "range": "-", "siting": "-"}
    row.values.setdefault("width", width)
    row.values.setdefault("height", height)
    _require_rate(row, path)
    folder = FrameFolder(row.sequence())
    for _ in folder.frames(0, len(files)):  # decodes and checks every file
        pass
    row.values["sha256"] = folder.sha256
    row.remarks.append(f"note: from {files[0].name} to {files[-1].name}, in natural order")
    row.remarks.append("note: the truth is RGB; codecs of 4:2:0 are charged for the conversion")
    if files[0].suffix.lower() != ".png":
        row.remarks.append("note: RGB of JPEG files is what Pillow decodes")
    row.remarks += [f"note: {remark}" for remark in folder.remarks]
    return row.sequence()


def _require_rate(row: NewRow, path: Path) -> None:
    if not row.values.get("fps"):
        raise BenchError(path, "does not state its frame rate", "give --fps, such as 25 or 30000/1001")
    if isinstance(row.values["fps"], Fraction):
        row.values["fps"] = str(row.values["fps"])


def _assume_colour(row: NewRow, width: int, height: int, reason: str) -> None:
    standard = max(width, height) <= _SD_SIZE[0] and min(width, height) <= _SD_SIZE[1]
    row.assume("matrix", "bt601" if standard else "bt709", f"from its size; {reason}")
    row.assume("range", "limited", reason)
    row.assume("siting", "left", reason)
