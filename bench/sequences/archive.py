"""Extraction of one video file from a 7z archive.

An archive comes from the network, so it must not decide where or how much is written. The caller opens the
output file. The member is found by its base name; links and duplicates are refused. Its declared size must
be one that the sequence's frames can have, and not more than that is written. The declared sizes of all
members are limited, because members before it in a solid archive are decompressed, too.

An archive is removed only if its data is damaged, so that it can be fetched again. It is kept if this version
of py7zr cannot extract it: a password, an unsupported filter, or any other reason.
"""

from __future__ import annotations

import hashlib
import lzma
import struct
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from bench.base.errors import BenchError
from bench.base.progress_bar import ProgressBar, format_megabytes
from bench.sequences.row import SourceSequence
from bench.sequences.source_file import allowed_sizes
from bench.sequences.table import downloaded_file

#: Ids of the filters that are used: copy, Delta, LZMA and LZMA2, BCJ of six processors, Deflate, bzip2. The
#: published archives have LZMA2 and BCJ. Others are left out: damaged data makes the decoder of PPMd write
#: outside of its memory.
_FILTERS = {
    *(b"\x00", b"\x03", b"\x03\x01\x01", b"\x21", b"\x03\x03\x01\x03", b"\x03\x03\x02\x05"),
    *(b"\x03\x03\x04\x01", b"\x03\x03\x05\x01", b"\x03\x03\x07\x01", b"\x03\x03\x08\x05"),
    *(b"\x04\x01\x08", b"\x04\x02\x02"),
}
#: Ids of the others: PPMd, Deflate64, Zstandard, Brotli.
_REFUSED_IDS = (b"\x03\x04\x01", b"\x04\x01\x09", b"\x04\xf7\x11\x01", b"\x04\xf7\x11\x02")
_START, _PACKED_HEADER = struct.Struct("<8sIQQI"), 0x17
_MAX_LISTED_NAMES = 5
#: Bytes that all members of an archive may have besides the sequence's file, and as a multiple of it.
_OTHER_BYTES, _MOST_FILES = 1 << 30, 16


def extract(archive: Path, sequence: SourceSequence, file: BinaryIO, *, progress_bar: ProgressBar) -> str:
    """Write the member `sequence.location` of a 7z archive to `file`; return its SHA-256.

    Raises:
        BenchError: the archive has no such member, the member has another size, or the archive is damaged or
            cannot be extracted. A damaged archive is removed.
        OSError: `file` cannot be written.
    """
    import py7zr
    from py7zr.exceptions import CrcError, DecompressionError

    class Factory(py7zr.io.WriterFactory):
        def create(self, filename: str) -> Any:
            return writer

    writer = _HashingWriter(file, progress_bar)
    unsupported = py7zr.UnsupportedCompressionMethodError
    target = downloaded_file(sequence)
    remedy = f"extract it with 7-Zip to {target}, or remove the archive to fetch it again"
    try:
        if _has_packed_header_of_refused_filter(archive):
            raise unsupported(None, "it packs the header")
        with py7zr.SevenZipFile(archive) as opened:
            if opened.needs_password():
                raise py7zr.PasswordRequired
            streams = opened.header.main_streams
            folders = streams.unpackinfo.folders if streams else ()
            coders = (coder for folder in folders for coder in folder.coders)
            if refused := {coder["method"] for coder in coders} - _FILTERS:
                raise unsupported(None, f"its id is {min(refused).hex()}")
            name, writer.size = _find_member(opened.list(), sequence, archive)
            opened.extract(targets=[name], factory=Factory())
        if writer.written != writer.size:
            raise EOFError(f"{writer.written} of {writer.size} bytes")
    except py7zr.PasswordRequired:
        raise BenchError(archive, "is encrypted with a password", remedy) from None
    except unsupported as error:
        problem = f"uses a filter that is not supported ({error.args[-1]})"
        raise BenchError(archive, problem, remedy) from error
    except (py7zr.Bad7zFile, CrcError, DecompressionError, lzma.LZMAError, zlib.error, EOFError) as error:
        archive.unlink()
        problem = f"is damaged ({type(error).__name__}: {_reason(error)}) and was removed"
        raise BenchError(archive, problem, "fetch it again") from error
    except Exception as error:  # py7zr raises a dozen other types for archives that it cannot read
        if isinstance(error, BenchError) or writer.failed:
            raise
        problem = f"cannot be extracted ({type(error).__name__}: {_reason(error)})"
        raise BenchError(archive, problem, remedy) from error
    return writer.digest.hexdigest()


def _has_packed_header_of_refused_filter(archive: Path) -> bool:
    """Whether a filter of `_REFUSED_IDS` packs the archive's header, which py7zr unpacks when it opens."""
    with archive.open("rb") as file:
        start = file.read(_START.size)
        if len(start) < _START.size:
            return False
        _, _, offset, _, _ = _START.unpack(start)
        if offset >= archive.stat().st_size:
            return False
        file.seek(_START.size + offset)
        header = file.read(1 << 16)
    return header[:1] == bytes([_PACKED_HEADER]) and any(id_ in header for id_ in _REFUSED_IDS)


def _reason(error: Exception) -> str:
    """The message of a py7zr exception in one line of limited length."""
    return " ".join(str(error.args[0] if error.args else error).split())[:200]


def _find_member(members: list[Any], sequence: SourceSequence, archive: Path) -> tuple[str, int]:
    """Path and size of the sequence's file in the archive; it may be in any folder."""
    files = [member for member in members if member.is_file and not member.is_symlink]
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
    total = sum(member.uncompressed for member in members)
    if total > _MOST_FILES * size + _OTHER_BYTES:
        problem = (
            f"holds {format_megabytes(total)} in all, but {sequence.location} has {format_megabytes(size)}"
        )
        raise BenchError(archive, problem, f"extract {sequence.location} yourself, or fetch another archive")
    return matches[0].filename, size


class _HashingWriter:
    """Output object for py7zr: writes to a file, hashes the bytes and updates the progress bar."""

    def __init__(self, file: BinaryIO, progress_bar: ProgressBar) -> None:
        self.file, self.progress_bar = file, progress_bar
        self.size = self.written = 0
        self.failed = False
        self.digest = hashlib.sha256()

    def write(self, data: bytes | bytearray) -> int:
        if self.written + len(data) > self.size:
            raise EOFError(f"more than {self.size} bytes")
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
