"""Fetch with damaged archives and lock files, killed processes and full disks."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from archive_data import ARCHIVE, MEMBER, make_archive, with_header_checksums
from fetch_data import RAW, altered, fetch_error, files, run_fetch
from file_server import FileServer

from bench.base.errors import BenchError
from bench.sequences.lock_file import read_lock_file
from bench.sequences.row import SourceSequence


def test_a_member_path_outside_the_archive_folder_is_refused(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """py7zr refuses to write such a path, so the test replaces another one in the header (UTF-16)."""
    plain, outside = f"aa/bb/{MEMBER}", f"../../{MEMBER}"
    data = make_archive(tmp_path, {plain: RAW}, packed_header=False)
    edited = data.replace(plain.encode("utf-16-le"), outside.encode("utf-16-le"))
    assert edited != data
    server.files[f"/{ARCHIVE}"].data = with_header_checksums(edited)
    folder = tmp_path / "one" / "two" / "three"
    assert "is damaged (Bad7zFile: Specified path is bad" in fetch_error(row, folder)
    assert list(tmp_path.rglob("*.yuv")) == []


def test_an_archive_with_one_damaged_byte(row: SourceSequence, server: FileServer, tmp_path: Path) -> None:
    """A damaged byte after the magic gives an error or the right frames, never other frames or a crash."""
    served = server.files[f"/{ARCHIVE}"]
    whole, generator = served.data, np.random.default_rng(0)
    errors = 0
    for trial in range(150):
        offset, value = int(generator.integers(6, len(whole))), int(generator.integers(1, 256))
        served.data = whole[:offset] + bytes([whole[offset] ^ value]) + whole[offset + 1 :]
        folder = tmp_path / str(trial)
        try:
            run_fetch(row, folder)
        except BenchError:
            errors += 1
            assert files(folder / "sequences") <= {".fetch/tiny-readysetgo.7z"}
        else:
            assert (folder / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW
    assert errors > 100


def test_a_damaged_archive_is_removed_and_fetched_again(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    served = server.files[f"/{ARCHIVE}"]
    whole, served.data = served.data, altered(served.data)
    message = fetch_error(row, tmp_path)
    assert "tiny-readysetgo.7z: is damaged (" in message
    assert message.endswith("and was removed; fetch it again")
    served.data = whole
    run_fetch(row, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW


def test_a_fetch_that_was_killed_during_extraction_is_resumed(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """The archive is complete and is used; the extracted file is not and is overwritten."""
    served, work = server.files[f"/{ARCHIVE}"], tmp_path / "sequences" / ".fetch"
    work.mkdir(parents=True)
    (work / "tiny-readysetgo.7z").write_bytes(served.data)
    (work / "unpacked-tiny-readysetgo.yuv").write_bytes(b"x" * 2 * len(RAW))
    assert "needs 1,000,000,000,000.0 MB of disk space" in fetch_error(
        row.model_copy(update={"raw_bytes": 10**18}), tmp_path
    )
    run_fetch(row, tmp_path)
    assert served.requests == []
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW
    assert files(tmp_path) == {"sequences/tiny-readysetgo.yuv", "sequences.lock"}


def test_a_full_disk_during_extraction_keeps_the_archive(row: SourceSequence, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            run_fetch(row, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    work = tmp_path / "sequences" / ".fetch"
    assert caught.value.filename == str(work / "unpacked-tiny-readysetgo.yuv")
    assert files(tmp_path) == {"sequences/.fetch/tiny-readysetgo.7z"}
    run_fetch(row, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW


@pytest.mark.parametrize(
    "line", ["x\t-\t12", "x\t-\ttwelve\t" + "0" * 64, "x\t-\t12\tabc", "x\t-\t12\t" + "0" * 64 + "\tmore"]
)
def test_a_damaged_lock_file_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "sequences.lock"
    path.write_text(f"sequence\tarchive_sha256\traw_bytes\tsha256\n{line}\n")
    with pytest.raises(BenchError, match="the line of 'x' is invalid; restore it"):
        read_lock_file(path)
    path.write_text("sequence\tsha256\n")
    with pytest.raises(BenchError, match="must begin with the columns"):
        read_lock_file(path)
