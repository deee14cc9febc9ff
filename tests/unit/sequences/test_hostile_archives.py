"""Archives that cannot be extracted, or must not be: kept, with the true cause, and nothing is written."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
from archive_data import ARCHIVE, MEMBER, make_archive, with_header_checksums
from fetch_data import RAW, fetch_error, files
from file_server import FileServer

from bench.sequences import archive as archive_module
from bench.sequences.row import SourceSequence

#: Method ids of filters in a header, after their length: one that py7zr writes, and one that it lacks.
BCJ, BCJ2 = b"\x04\x03\x03\x01\x03", b"\x04\x03\x03\x01\x1b"


def encrypted(folder: Path, *, header: bool) -> bytes:
    path = folder / "encrypted.7z"
    with py7zr.SevenZipFile(path, "w", password="secret", header_encryption=header) as opened:
        opened.writestr(RAW, MEMBER)
    return path.read_bytes()


def with_unsupported_filter(folder: Path) -> bytes:
    """The archive with the filter BCJ2 instead of BCJ in its header."""
    data = make_archive(folder, {MEMBER: RAW}, packed_header=False)
    assert data.count(BCJ) == 1
    return with_header_checksums(data.replace(BCJ, BCJ2))


def with_link(folder: Path) -> bytes:
    """The sequence's file is a symbolic link to a file outside of the archive."""
    (folder / MEMBER).symlink_to("/etc/passwd")
    path = folder / "link.7z"
    with py7zr.SevenZipFile(path, "w") as opened:
        opened.write(folder / MEMBER, MEMBER)
    return path.read_bytes()


CASES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "password": (lambda folder: encrypted(folder, header=False), "is encrypted with a password"),
    "encrypted header": (lambda folder: encrypted(folder, header=True), "is encrypted with a password"),
    "unsupported filter": (
        with_unsupported_filter,
        "uses a filter that is not supported (its id is 0303011b)",
    ),
    "link": (with_link, "must hold one file ReadySteadyGo_64x48_120fps_420_8bit_YUV.yuv, not 0"),
    "two files of the name": (
        lambda folder: make_archive(folder, {f"a/{MEMBER}": RAW, f"b/{MEMBER}": RAW}),
        "must hold one file ReadySteadyGo_64x48_120fps_420_8bit_YUV.yuv, not 2",
    ),
    "name with a terminal escape": (
        lambda folder: make_archive(folder, {"\x1b[2Jx.yuv": RAW}),
        "not 0; it holds",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_archive_that_cannot_be_extracted_is_kept_and_not_fetched_again(
    case: str, row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    make, message = CASES[case]
    (tmp_path / "made").mkdir()
    served = server.files[f"/{ARCHIVE}"]
    served.data = make(tmp_path / "made")
    folder = tmp_path / "fetched"
    for _ in range(2):
        error = fetch_error(row, folder)
        assert message in error
        assert "tiny-readysetgo.7z" in error
    assert len(served.requests) == 1
    assert files(folder) == {"sequences/.fetch/tiny-readysetgo.7z"}
    assert (folder / "sequences/.fetch/tiny-readysetgo.7z").read_bytes() == served.data


def test_an_archive_whose_other_files_are_too_large_is_refused_before_it_is_unpacked(
    row: SourceSequence, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a solid archive, the files before the sequence's file are decompressed, too."""
    monkeypatch.setattr(archive_module, "_OTHER_BYTES", 0)
    monkeypatch.setattr(archive_module, "_MOST_FILES", 2)
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {"a.txt": bytes(3 * len(RAW)), MEMBER: RAW})
    assert "holds 0.1 MB in all, but" in fetch_error(row, tmp_path / "f")
    assert files(tmp_path / "f") == {"sequences/.fetch/tiny-readysetgo.7z"}


def test_filters_whose_decoder_is_not_safe_are_not_run(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """Damaged data makes the decoder of PPMd write outside of its memory."""
    path = tmp_path / "x.7z"
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 16}]) as opened:
        opened.set_encoded_header_mode(False)
        opened.writestr(RAW, MEMBER)
    server.files[f"/{ARCHIVE}"].data = path.read_bytes()
    assert "uses a filter that is not supported (its id is 030401)" in fetch_error(row, tmp_path / "f")
    assert files(tmp_path / "f") == {"sequences/.fetch/tiny-readysetgo.7z"}


def test_a_header_packed_by_such_a_filter_is_not_unpacked(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """The packed header of a 7z archive names its filter: here LZMA2 is replaced by PPMd."""
    data = make_archive(tmp_path, {MEMBER: RAW})
    start = 32 + struct.unpack_from("<Q", data, 12)[0]
    header = data[start:]
    assert header[0] == 0x17
    altered = header
    for filter_id in (b"\x23\x03\x01\x01", b"\x21\x21\x01"):  # LZMA, LZMA2
        altered = altered.replace(filter_id, b"\x23\x03\x04\x01")
    assert altered != header
    changed = data[:20] + struct.pack("<Q", len(altered)) + data[28:start] + altered
    server.files[f"/{ARCHIVE}"].data = with_header_checksums(changed)
    assert "uses a filter that is not supported (it packs the header)" in fetch_error(row, tmp_path / "f")
