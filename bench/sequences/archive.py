"""Extraction of one video file from a 7z archive.

An archive comes from the network, so it must not decide where or how much is written. The caller opens the
output file. The member is found by its base name. Its declared size must be one that the sequence's frames
can have, and the extracted size must equal the declared one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from bench.base.errors import BenchError
from bench.base.progress_bar import ProgressBar
from bench.sequences.source_file import allowed_sizes
from bench.sequences.table import SourceSequence

_MAX_LISTED_NAMES = 5


def extract(archive: Path, sequence: SourceSequence, file: BinaryIO, *, progress_bar: ProgressBar) -> str:
    """Write the member `sequence.location` of a 7z archive to `file`; return its SHA-256.

    Raises:
        BenchError: the archive has no such member, the member has another size, or the archive is damaged. A
            damaged archive is removed.
        OSError: `file` cannot be written.
    """
    import py7zr

    class Factory(py7zr.io.WriterFactory):
        def create(self, filename: str) -> Any:
            return writer

    writer = _HashingWriter(file, progress_bar)
    try:
        with py7zr.SevenZipFile(archive) as opened:
            name, writer.size = _find_member(opened.list(), sequence, archive)
            opened.extract(targets=[name], factory=Factory())
        if writer.written != writer.size:
            raise EOFError(f"{writer.written} of {writer.size} bytes")
    except Exception as error:  # for a damaged archive, py7zr raises a dozen types of exceptions
        if isinstance(error, BenchError) or writer.failed:
            raise
        archive.unlink()
        problem = f"is damaged ({type(error).__name__}: {error}) and was removed"
        raise BenchError(archive, problem, "fetch it again") from error
    return writer.digest.hexdigest()


def _find_member(members: list[Any], sequence: SourceSequence, archive: Path) -> tuple[str, int]:
    """Path and size of the sequence's file in the archive; it may be in any folder."""
    files = [member for member in members if member.is_file]
    matches = [member for member in files if PurePosixPath(member.filename).name == sequence.location]
    if len(matches) != 1:
        names = ", ".join(PurePosixPath(member.filename).name for member in files[:_MAX_LISTED_NAMES])
        problem = f"must hold one file {sequence.location}, not {len(matches)}; it holds {names or 'no file'}"
        raise BenchError(archive, problem, f"correct location of {sequence.name} in sequences.tsv")
    size = matches[0].uncompressed
    if size not in allowed_sizes(sequence):
        expected = f"{sequence.frames} frames have another size"
        if sequence.raw_bytes:
            expected = f"raw_bytes is {sequence.raw_bytes}"
        problem = f"{sequence.location} in it has {size} bytes, but {expected}"
        remedy = f"correct frames or raw_bytes of {sequence.name} in sequences.tsv"
        raise BenchError(archive, problem, remedy)
    return matches[0].filename, size


class _HashingWriter:
    """Output object for py7zr: writes to a file, hashes the bytes and updates the progress bar."""

    def __init__(self, file: BinaryIO, progress_bar: ProgressBar) -> None:
        self.file, self.progress_bar = file, progress_bar
        self.size = self.written = 0
        self.failed = False
        self.digest = hashlib.sha256()

    def write(self, data: bytes | bytearray) -> int:
        self.digest.update(data)
        try:
            self.file.write(data)
        except OSError:
            self.failed = True
            raise
        self.written += len(data)
        self.progress_bar.update("unpacked", self.written, self.size)
        return len(data)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
