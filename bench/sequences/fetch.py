"""A sequence of kind `url` becomes a file: download, check, unpack the one file that is wanted, pin.

``resources/sequences/<name>.yuv`` (or ``.y4m``) is there when it is complete and checked, never before.
What is on the way lies in ``resources/sequences/.fetch``, where a killed fetch finds it again. The
archive is removed once its content is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from bench.base.errors import BenchError
from bench.base.files import check_writable, sha256_file
from bench.base.progress_bar import Meter, megabytes
from bench.sequences.download import Patience, Wanted, check_room, download
from bench.sequences.lock_file import PINS, Pin, check_digest, read_pins, write_pin
from bench.sequences.prepare import raw_format
from bench.sequences.table import DOWNLOADS, SourceSequence, downloaded_file

_WORK = ".fetch"
_BEGINNINGS = {".7z": b"7z\xbc\xaf\x27\x1c", ".y4m": b"YUV4MPEG2 ", ".yuv": b""}
_FRAME_LINE = b"FRAME\n"
_HEADER_BYTES = 1024
_NAMED = 5


def fetch(
    sequence: SourceSequence,
    *,
    meter: Meter,
    folder: Path = DOWNLOADS,
    pins: Path = PINS,
    patience: Patience | None = None,
) -> Pin:
    """Get the file of a sequence; one that is there is only checked. What is known of it comes back.

    Args:
        folder: where it belongs; pins: the table of digests that it is held to, and added to.

    Raises:
        BenchError: it cannot be had, is not what the row or the pins say, or does not fit on the disk.
    """
    if sequence.kind != "url":
        problem = f"is of kind {sequence.kind}: there is nothing to download"
        raise BenchError(f"sequence {sequence.name}", problem, "fetch one of kind url")
    check_writable(pins)  # now, not after an hour
    job = _Job(sequence, folder, pins, meter)
    with _alone(job.work / f"{sequence.name}.lock", meter):
        meter.line(f"licence: {sequence.licence}; to cite: {sequence.citation}")
        if job.target.exists():
            pin = job.check_present()
        elif sequence.in_archive:
            job.get_archive(patience)
            pin = job.unpack()
        else:
            pin = job.get_file(patience)
    meter.line(f"{job.target}: {megabytes(pin.raw_bytes)}, its digest is in {pins.name}")
    return pin


class _Job:
    """One fetch: of what, from where, to where."""

    def __init__(self, sequence: SourceSequence, folder: Path, pins: Path, meter: Meter) -> None:
        self.sequence, self.pins, self.meter = sequence, pins, meter
        self.work = folder / _WORK
        self.target = downloaded_file(sequence, folder)
        self.raw = self.work / self.target.name
        self.unpacked = self.work / f"unpacked-{self.target.name}"
        self.archive = self.work / f"{sequence.name}.7z"

    def check_present(self) -> Pin:
        """A file that a user put there counts as much as one that was downloaded."""
        check_content(self.target, self.sequence)
        return self._pin(self.target, sha256_file(self.target), where=self.target)

    def get_file(self, patience: Patience | None) -> Pin:
        """Download the file itself."""
        self._download(self.raw, size=self.sequence.raw_bytes, room=0, patience=patience)
        check_content(self.raw, self.sequence)
        pin = self._pin(self.raw, sha256_file(self.raw), where=self.raw)
        os.replace(self.raw, self.target)
        return pin

    def get_archive(self, patience: Patience | None) -> None:
        """Download the archive."""
        room = min(_possible_sizes(self.sequence))
        self._download(self.archive, size=self.sequence.archive_bytes, room=room, patience=patience)

    def unpack(self) -> Pin:
        """Take the file out of the archive, which is then removed."""
        check_room(self.work, min(_possible_sizes(self.sequence)))
        archive_sha256 = sha256_file(self.archive)
        check_digest(self.archive, archive_sha256, self.sequence, "archive_sha256", pins=self.pins)
        try:
            digest = self._write_unpacked()
            check_content(self.unpacked, self.sequence)
            where = f"{self.sequence.location} of {self.archive}"
            pin = self._pin(self.unpacked, digest, where=where, archive_sha256=archive_sha256)
            os.replace(self.unpacked, self.target)
        finally:
            self.unpacked.unlink(missing_ok=True)
        self.archive.unlink()
        return pin

    def _write_unpacked(self) -> str:
        # Always the same name: what a killed fetch leaves of gigabytes is written over by the next.
        try:
            with self.unpacked.open("wb") as file:
                digest = unpack(self.archive, self.sequence, file, meter=self.meter)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = error.filename or str(self.unpacked)
            raise
        return digest

    def _download(self, path: Path, *, size: int | None, room: int, patience: Patience | None) -> None:
        if path.exists():  # complete, of a fetch that was stopped later on
            return
        urls = [url for url in (self.sequence.url, self.sequence.mirror) if url]
        wanted = Wanted(urls=urls, size=size, begins_with=_BEGINNINGS[path.suffix], room=room)
        download(wanted, path, meter=self.meter, patience=patience)

    def _pin(self, path: Path, digest: str, *, where: str | Path, archive_sha256: str = "") -> Pin:
        """Check the digest, and note it before the file gets its name: none is used that is not pinned."""
        check_digest(where, digest, self.sequence, "sha256", pins=self.pins)
        known = read_pins(self.pins).get(self.sequence.name)
        pin = Pin(
            sequence=self.sequence.name,
            archive_sha256=archive_sha256 or (known.archive_sha256 if known else ""),
            raw_bytes=path.stat().st_size,
            sha256=digest,
        )
        if pin != known:
            write_pin(pin, self.pins, guard=self.work / "pins.lock")
        return pin


def check_content(path: Path, sequence: SourceSequence) -> None:
    """Refuse a file whose size cannot be that of the row's frames.

    Raises:
        BenchError: it is cut short, or the row describes another file.
    """
    if path.suffix == ".yuv":
        raw_format(path, sequence)
        return
    with path.open("rb") as file:
        header = file.readline(_HEADER_BYTES)
    size = path.stat().st_size
    sides = dict(re.findall(rb" ([WH])(\d+)", header))
    if (int(sides.get(b"W", 0)), int(sides.get(b"H", 0))) != (sequence.width, sequence.height):
        problem = f"its first line is {header[:60]!r}, not that of {sequence.width}x{sequence.height}"
        raise BenchError(path, problem, "mend the row, or remove it and get it again")
    sizes = [
        len(header) + sequence.frames * (len(_FRAME_LINE) + depth * sequence.frame_bytes) for depth in (1, 2)
    ]
    if size not in sizes:
        problem = f"is {size} bytes, {sequence.frames} frames make {sizes[0]} (8 bit) or {sizes[1]} (10 bit)"
        raise BenchError(path, problem, "mend frames in sequences.tsv, or remove it and get it again")


def unpack(archive: Path, sequence: SourceSequence, file: BinaryIO, *, meter: Meter) -> str:
    """Write the sequence's file, out of its 7z archive, to `file`; the SHA-256 of it comes back.

    Nothing of the archive chooses a path, and no more is written than the row allows.

    Raises:
        BenchError: the archive has no such file or another size of it, or is damaged (then it is removed).
    """
    import py7zr

    class Factory(py7zr.io.WriterFactory):
        def create(self, filename: str) -> Any:
            return sink

    sink = _Sink(file, meter)
    try:
        with py7zr.SevenZipFile(archive) as opened:
            name, sink.size = _find_member(opened.list(), sequence, archive)
            opened.extract(targets=[name], factory=Factory())
        if sink.count != sink.size:
            raise EOFError(f"{sink.count} of {sink.size} bytes")
    except Exception as error:  # py7zr tells of a damaged archive by errors of a dozen types
        if isinstance(error, BenchError) or sink.failed:
            raise
        archive.unlink()
        problem = f"is damaged ({type(error).__name__}: {error}), and was removed"
        raise BenchError(archive, problem, "fetch it again") from error
    return sink.digest.hexdigest()


class _Sink:
    """What py7zr writes one file to: hashes it on its way to the disk."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self.file, self.meter = file, meter
        self.size = self.count = 0
        self.failed = False
        self.digest = hashlib.sha256()

    def write(self, data: bytes | bytearray) -> int:
        self.digest.update(data)
        try:
            self.file.write(data)
        except OSError:
            self.failed = True
            raise
        self.count += len(data)
        self.meter.progress("unpacked", self.count, self.size)
        return len(data)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _find_member(members: list[Any], sequence: SourceSequence, archive: Path) -> tuple[str, int]:
    """Name and size of the wanted file in the archive, whatever folder it is in."""
    files = [member for member in members if member.is_file]
    found = [member for member in files if PurePosixPath(member.filename).name == sequence.location]
    if len(found) != 1:
        names = ", ".join(PurePosixPath(member.filename).name for member in files[:_NAMED])
        count = f"{len(found)} files" if found else "no file"
        problem = f"has {count} of the name {sequence.location}; it has {names or 'nothing'}"
        raise BenchError(archive, problem, f"mend location of {sequence.name} in sequences.tsv")
    size = found[0].uncompressed
    if size not in _possible_sizes(sequence):
        problem = f"{sequence.location} in it has {size} bytes, which {sequence.frames} frames cannot have"
        if sequence.raw_bytes:
            problem = f"{sequence.location} in it has {size} bytes, not {sequence.raw_bytes}"
        raise BenchError(archive, problem, f"mend frames and raw_bytes of {sequence.name} in sequences.tsv")
    return found[0].filename, size


def _possible_sizes(sequence: SourceSequence) -> set[int]:
    """Bytes that the row's file may have, of 8 or 10 bit; a y4m file's header is of any length."""
    if sequence.raw_bytes:
        return {sequence.raw_bytes}
    y4m = sequence.location.endswith(".y4m")
    line, headers = (len(_FRAME_LINE), range(1, _HEADER_BYTES + 1)) if y4m else (0, range(1))
    frames = [sequence.frames * (line + depth * sequence.frame_bytes) for depth in (1, 2)]
    return {size + header for size in frames for header in headers}


@contextmanager
def _alone(path: Path, meter: Meter) -> Iterator[None]:
    """Wait until no other process fetches the same sequence; the lock ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            meter.line("another process is fetching it; waiting for that")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
