"""Fetch a sequence of kind `url`: download it, extract it from its archive, check it, record its digests.

``resources/sequences/<name>.yuv`` (or ``.y4m``) exists only when it is complete and checked. Partial files
are in ``resources/sequences/.fetch``, where the next fetch finds them. An extracted archive is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import check_writable, sha256_file
from bench.base.locks import try_lock, warn_no_locks
from bench.base.progress_bar import ProgressBar, format_megabytes
from bench.base.sizes import check_disk_space
from bench.sequences.archive import extract
from bench.sequences.download import RemoteFile, download
from bench.sequences.lock_file import LOCK_FILE, LockEntry, check_digest, read_lock_file, write_lock_entry
from bench.sequences.retry import RetryPolicy
from bench.sequences.row import SourceSequence
from bench.sequences.source_file import allowed_sizes, check_size
from bench.sequences.table import DOWNLOADS, downloaded_file

_WORK_FOLDER = ".fetch"
#: Bytes that an archive may have besides the frames: its other files, and data that cannot be compressed.
_ARCHIVE_OVERHEAD = 1 << 30
_MAGIC = {".7z": b"7z\xbc\xaf\x27\x1c", ".y4m": b"YUV4MPEG2 ", ".yuv": b""}


def fetch(
    sequence: SourceSequence,
    *,
    progress_bar: ProgressBar,
    folder: Path = DOWNLOADS,
    lock_file: Path = LOCK_FILE,
    retry_policy: RetryPolicy | None = None,
) -> LockEntry:
    """Download a sequence's file to `folder` and return its entry in the lock file.

    A file that exists already, downloaded or put there by the user, is not downloaded; it is checked and
    recorded all the same.

    Raises:
        BenchError: not of kind `url`, no server has the file, its size or digest differs from sequences.tsv
            or the lock file, or the disk is too full.
        OSError: a file cannot be written.
    """
    if sequence.kind != "url":
        problem = f"is of kind {sequence.kind}, so there is nothing to download"
        raise BenchError(f"sequence {sequence.name}", problem, "fetch a sequence of kind url")
    check_writable(lock_file)  # before the download, not after an hour of it
    job = _Fetch(sequence, folder, lock_file, progress_bar, retry_policy)
    with _exclusive(job.work / f"{sequence.name}.lock", progress_bar):
        progress_bar.log(f"licence: {sequence.licence}; to cite: {sequence.citation}")
        if job.target.exists():
            entry = job.check_existing()
        elif sequence.in_archive:
            entry = job.fetch_archive()
        else:
            entry = job.fetch_file()
    progress_bar.log(f"{job.target}: {format_megabytes(entry.raw_bytes)}, its digest is in {lock_file.name}")
    return entry


class _Fetch:
    """The fetch of one sequence, with the paths of its files."""

    def __init__(
        self,
        sequence: SourceSequence,
        folder: Path,
        lock_file: Path,
        progress_bar: ProgressBar,
        retry_policy: RetryPolicy | None,
    ) -> None:
        self.sequence, self.lock_file = sequence, lock_file
        self.progress_bar, self.retry_policy = progress_bar, retry_policy
        self.work = folder / _WORK_FOLDER
        self.target = downloaded_file(sequence, folder)

    def check_existing(self) -> LockEntry:
        """Check the file that is in place already."""
        check_size(self.target, self.sequence)
        return self._record(self.target, sha256_file(self.target), where=self.target)

    def fetch_file(self) -> LockEntry:
        """Download a file that is published without an archive."""
        path = self.work / self.target.name
        self._download(path, size=self.sequence.raw_bytes)
        check_size(path, self.sequence)
        entry = self._record(path, sha256_file(path), where=path)
        os.replace(path, self.target)
        return entry

    def fetch_archive(self) -> LockEntry:
        """Download the archive, extract the file, and remove the archive."""
        archive = self.work / f"{self.sequence.name}.7z"
        unpacked_size = min(allowed_sizes(self.sequence))
        self._download(archive, size=self.sequence.archive_bytes, extra_space=unpacked_size)
        check_disk_space(self.work, unpacked_size)
        archive_sha256 = sha256_file(archive)
        check_digest(archive, archive_sha256, self.sequence, "archive_sha256", lock_file=self.lock_file)
        # The name is fixed, so the next fetch overwrites the gigabytes that a killed fetch leaves.
        unpacked = self.work / f"unpacked-{self.target.name}"
        try:
            digest = self._extract(archive, unpacked)
            check_size(unpacked, self.sequence)
            where = f"{self.sequence.location} of {archive}"
            entry = self._record(unpacked, digest, where=where, archive_sha256=archive_sha256)
            os.replace(unpacked, self.target)
        finally:
            unpacked.unlink(missing_ok=True)
        archive.unlink()
        return entry

    def _download(self, path: Path, *, size: int | None, extra_space: int = 0) -> None:
        if path.exists():  # complete: an earlier fetch was stopped after its download
            return
        urls = [url for url in (self.sequence.url, self.sequence.mirror) if url]
        remote = RemoteFile(
            urls=urls,
            size=size,
            magic=_MAGIC[path.suffix],
            extra_space=extra_space,
            most_bytes=max(allowed_sizes(self.sequence)) + _ARCHIVE_OVERHEAD,
        )
        download(remote, path, progress_bar=self.progress_bar, retry_policy=self.retry_policy)

    def _extract(self, archive: Path, path: Path) -> str:
        try:
            with path.open("wb") as file:
                digest = extract(archive, self.sequence, file, progress_bar=self.progress_bar)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = error.filename or str(path)
            raise
        return digest

    def _record(self, path: Path, digest: str, *, where: str | Path, archive_sha256: str = "") -> LockEntry:
        """Check a digest and write it to the lock file.

        The caller gives the file its final name afterwards, so no file is used whose digest is not recorded.
        """
        check_digest(where, digest, self.sequence, "sha256", lock_file=self.lock_file)
        known = read_lock_file(self.lock_file).get(self.sequence.name)
        entry = LockEntry(
            sequence=self.sequence.name,
            archive_sha256=archive_sha256 or (known.archive_sha256 if known else ""),
            raw_bytes=path.stat().st_size,
            sha256=digest,
        )
        if entry != known:
            write_lock_entry(entry, self.lock_file, mutex=self.work / "lock_file.lock")
        return entry


@contextmanager
def _exclusive(path: Path, progress_bar: ProgressBar) -> Iterator[None]:
    """Wait until no other process fetches the same sequence. A lock ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        acquired = try_lock(file.fileno())
        if acquired is None:
            warn_no_locks(path.parent)
        elif not acquired:
            progress_bar.log("another process is fetching this sequence; waiting for it")
            try_lock(file.fileno(), wait=True)
        yield
