"""Fetching that meets damage: spoilt archives and pins, killed fetches, full disks."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from archive_data import ARCHIVE, MEMBER, make_archive, with_header_sums
from fetch_data import RAW, altered, files, get, refused
from file_server import FileServer

from bench.base.errors import BenchError
from bench.sequences.lock_file import read_pins
from bench.sequences.table import SourceSequence


def test_an_archive_that_leads_out_of_its_folder_leads_nowhere(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """py7zr writes no such name, so it is put into the header, as UTF-16, in the place of another."""
    plain, wicked = f"aa/bb/{MEMBER}", f"../../{MEMBER}"
    data = make_archive(tmp_path, {plain: RAW}, packed_header=False)
    inside = data.replace(plain.encode("utf-16-le"), wicked.encode("utf-16-le"))
    assert inside != data
    server.files[f"/{ARCHIVE}"].data = with_header_sums(inside)
    folder = tmp_path / "one" / "two" / "three"
    assert "is damaged (Bad7zFile: Specified path is bad" in refused(row, folder)
    assert list(tmp_path.rglob("*.yuv")) == []


def test_damaged_archives_are_refused_whatever_the_damage(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """One byte, anywhere after the beginning: one line, or the true frames; never others, never a crash."""
    served = server.files[f"/{ARCHIVE}"]
    whole, generator = served.data, np.random.default_rng(0)
    outcomes = {"refused": 0, "true": 0}
    for trial in range(150):
        place, value = int(generator.integers(6, len(whole))), int(generator.integers(1, 256))
        served.data = whole[:place] + bytes([whole[place] ^ value]) + whole[place + 1 :]
        folder = tmp_path / str(trial)
        try:
            get(row, folder)
        except BenchError:
            outcomes["refused"] += 1
            assert files(folder / "sequences") <= {".fetch/tiny-readysetgo.7z"}
        else:
            outcomes["true"] += 1
            assert (folder / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW
    assert outcomes["refused"] > 100


def test_a_damaged_archive_is_removed_so_that_the_next_fetch_mends_it(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    served = server.files[f"/{ARCHIVE}"]
    whole, served.data = served.data, altered(served.data)
    told = refused(row, tmp_path)
    assert "tiny-readysetgo.7z: is damaged (" in told
    assert told.endswith("and was removed; fetch it again")
    served.data = whole
    get(row, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW


def test_what_a_killed_fetch_left_is_used_or_written_over(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    """Killed while it unpacked: the archive is whole, what was unpacked is not."""
    served, work = server.files[f"/{ARCHIVE}"], tmp_path / "sequences" / ".fetch"
    work.mkdir(parents=True)
    (work / "tiny-readysetgo.7z").write_bytes(served.data)
    (work / "unpacked-tiny-readysetgo.yuv").write_bytes(b"x" * 2 * len(RAW))
    assert "needs 1,000,000,000,000.0 MB of room" in refused(replace(row, raw_bytes=10**18), tmp_path)
    get(row, tmp_path)
    assert served.seen == []
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW
    assert files(tmp_path) == {"sequences/tiny-readysetgo.yuv", "sequences.lock"}


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(row: SourceSequence, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            get(row, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    work = tmp_path / "sequences" / ".fetch"
    assert caught.value.filename == str(work / "unpacked-tiny-readysetgo.yuv")
    assert files(tmp_path) == {"sequences/.fetch/tiny-readysetgo.7z"}
    get(row, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == RAW


@pytest.mark.parametrize(
    "line", ["x\t-\t12", "x\t-\ttwelve\t" + "0" * 64, "x\t-\t12\tabc", "x\t-\t12\t" + "0" * 64 + "\tmore"]
)
def test_a_table_of_pins_that_was_spoilt_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "sequences.lock"
    path.write_text(f"sequence\tarchive_sha256\traw_bytes\tsha256\n{line}\n")
    with pytest.raises(BenchError, match="its line of 'x' is no valid one; restore it"):
        read_pins(path)
    path.write_text("sequence\tsha256\n")
    with pytest.raises(BenchError, match="does not begin with the columns"):
        read_pins(path)
