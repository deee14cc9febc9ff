"""Fetch of a sequence from an archive or a plain file: what it writes, records and refuses."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from archive_data import ARCHIVE, FRAMES, HEIGHT, MEMBER, WIDTH, make_archive, sha256
from fetch_data import RAW, altered, fetch_error, files, run_fetch
from file_server import FileServer, Served

from bench.sequences.lock_file import LockEntry, read_lock_file, write_lock_entry
from bench.sequences.row import SourceSequence
from bench.video.synthetic import moving_discs
from bench.video.y4m import y4m_chunks


def test_the_file_is_extracted_from_the_archive_and_recorded(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    log = run_fetch(row, tmp_path)
    target = tmp_path / "sequences" / "tiny-readysetgo.yuv"
    assert target.read_bytes() == RAW
    assert files(tmp_path) == {"sequences/tiny-readysetgo.yuv", "sequences.lock"}
    archive = server.files[f"/{ARCHIVE}"].data
    entry = LockEntry(
        sequence=row.name, archive_sha256=sha256(archive), raw_bytes=len(RAW), sha256=sha256(RAW)
    )
    assert read_lock_file(tmp_path / "sequences.lock") == {row.name: entry}
    assert "[fetch tiny-readysetgo] licence: for tests alone; to cite: nobody: nothing, 2024\n" in log
    assert " unpacked, " in log


def test_an_existing_file_is_checked_and_not_downloaded(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    run_fetch(row, tmp_path)
    assert "licence: for tests alone" in run_fetch(row, tmp_path)
    assert len(server.files[f"/{ARCHIVE}"].requests) == 1
    target = tmp_path / "sequences" / "tiny-readysetgo.yuv"
    target.write_bytes(altered(RAW))
    message = fetch_error(row, tmp_path)
    assert message.startswith(
        f"{target}: its sha256 is {sha256(altered(RAW))}, but {sha256(RAW)} in sequences.lock; "
    )
    assert message.endswith("remove it and get it again, or correct tiny-readysetgo in config/sequences.lock")
    target.write_bytes(RAW[:-1])
    assert "is 27647 bytes, but 6 frames of 64x48 are 27648 (8 bit)" in fetch_error(row, tmp_path)


def test_a_file_that_the_user_put_there_is_recorded(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "sequences").mkdir()
    (tmp_path / "sequences" / "tiny-readysetgo.yuv").write_bytes(RAW)
    run_fetch(row, tmp_path)
    assert server.files[f"/{ARCHIVE}"].requests == []
    entry = read_lock_file(tmp_path / "sequences.lock")[row.name]
    assert (entry.archive_sha256, entry.sha256) == ("", sha256(RAW))
    (tmp_path / "sequences" / "tiny-readysetgo.yuv").unlink()
    run_fetch(row, tmp_path)  # adds the archive's digest to that of the frames
    entry = read_lock_file(tmp_path / "sequences.lock")[row.name]
    assert (entry.archive_sha256, entry.sha256) == (sha256(server.files[f"/{ARCHIVE}"].data), sha256(RAW))


def test_a_file_that_differs_from_the_lock_file_is_refused(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    run_fetch(row, tmp_path)
    (tmp_path / "sequences" / "tiny-readysetgo.yuv").unlink()
    other = make_archive(tmp_path, {MEMBER: altered(RAW)})
    server.files[f"/{ARCHIVE}"] = Served(other)
    archive = tmp_path / "sequences" / ".fetch" / "tiny-readysetgo.7z"
    message = fetch_error(row, tmp_path)
    assert message.startswith(f"{archive}: its sha256 is {sha256(other)}, but ")
    assert not (tmp_path / "sequences" / "tiny-readysetgo.yuv").exists()

    # A new archive with other frames: without the archive's digest, that of the frames is still checked.
    lock = tmp_path / "sequences.lock"
    entry = read_lock_file(lock)[row.name]
    write_lock_entry(replace(entry, archive_sha256=""), lock, mutex=tmp_path / "guard")
    message = fetch_error(row, tmp_path)
    assert message.startswith(f"{MEMBER} of {archive}: its sha256 is {sha256(altered(RAW))}, but ")
    assert files(tmp_path / "sequences") == {".fetch/tiny-readysetgo.7z"}

    lock.unlink()  # the user accepts the new file; it is not downloaded a second time
    run_fetch(row, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == altered(RAW)
    assert len(server.files[f"/{ARCHIVE}"].requests) == 1


@pytest.mark.parametrize("column", ["sha256", "archive_sha256"])
def test_a_published_digest_is_checked(
    row: SourceSequence, server: FileServer, tmp_path: Path, column: str
) -> None:
    true = sha256({"sha256": RAW, "archive_sha256": server.files[f"/{ARCHIVE}"].data}[column])
    message = fetch_error(row.model_copy(update={column: "0" * 64}), tmp_path)
    assert f"its sha256 is {true}, but {'0' * 64} in sequences.tsv; remove it" in message
    assert not (tmp_path / "sequences.lock").exists()
    run_fetch(row.model_copy(update={column: true}), tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"location": "ReadySetGo_64x48_120fps_420_8bit_YUV.yuv"},
            f"must hold one file ReadySetGo_64x48_120fps_420_8bit_YUV.yuv, not 0; it holds "
            f"ReadySteadyGo_Copyright.txt, {MEMBER}; correct location of tiny-readysetgo",
        ),
        (
            {"raw_bytes": 27649},
            f"{MEMBER} in it has 27648 bytes, but raw_bytes is 27649; correct frames or raw_bytes",
        ),
        (
            {"raw_bytes": None, "frames": 7},
            f"{MEMBER} in it has 27648 bytes, but 7 frames have another size; correct",
        ),
        ({"archive_bytes": 5}, "bytes, but 5 in sequences.tsv; check whether the file was replaced"),
        ({"kind": "file"}, "sequence tiny-readysetgo: is of kind file, so there is nothing to download"),
        ({"raw_bytes": 10**18}, "needs 1,000,000,000,000.0 MB of disk space"),
    ],
    ids=["no such member", "raw_bytes", "frames", "archive_bytes", "kind", "disk space"],
)
def test_a_row_that_does_not_fit_is_refused(
    row: SourceSequence, tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    assert expected in fetch_error(row.model_copy(update=changes), tmp_path)
    assert not (tmp_path / "sequences" / "tiny-readysetgo.yuv").exists()
    assert not (tmp_path / "sequences.lock").exists()


def test_a_member_may_be_in_a_folder_but_must_be_unique(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {f"a/{MEMBER}": RAW})
    run_fetch(row, tmp_path / "in-folder")
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {f"a/{MEMBER}": RAW, f"b/{MEMBER}": RAW})
    assert f"must hold one file {MEMBER}, not 2" in fetch_error(row, tmp_path / "twice")


def test_a_y4m_file_without_an_archive(row: SourceSequence, server: FileServer, tmp_path: Path) -> None:
    frames = moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES)
    data = b"".join(y4m_chunks(frames, width=WIDTH, height=HEIGHT, fps=Fraction(25)))
    server.files["/tiny_cif.y4m"] = Served(data)
    y4m = row.model_copy(
        update={
            "name": "tiny_cif",
            "location": "tiny_cif.y4m",
            "url": server.url("/tiny_cif.y4m"),
            "raw_bytes": None,
        }
    )
    run_fetch(y4m, tmp_path)
    assert files(tmp_path) == {"sequences/tiny_cif.y4m", "sequences.lock"}
    assert (tmp_path / "sequences" / "tiny_cif.y4m").read_bytes() == data
    entry = LockEntry(sequence="tiny_cif", archive_sha256="", raw_bytes=len(data), sha256=sha256(data))
    assert read_lock_file(tmp_path / "sequences.lock") == {"tiny_cif": entry}

    # Without a published digest or size, the number of frames reveals a file that is cut short.
    assert f"is {len(data)} bytes, but 7 frames are" in fetch_error(
        y4m.model_copy(update={"frames": 7}), tmp_path / "frames"
    )
    assert "but the size is 32x48 in sequences.tsv; correct width" in fetch_error(
        y4m.model_copy(update={"width": 32}), tmp_path / "width"
    )
    server.files["/tiny_cif.y4m"] = Served(b"<html>moved</html>", content_type="text/html")
    assert "did not send a .y4m file" in fetch_error(y4m, tmp_path / "page")
    for folder in ("frames", "width", "page"):
        assert not (tmp_path / folder / "sequences.lock").exists()
        assert not (tmp_path / folder / "sequences" / "tiny_cif.y4m").exists()


def test_a_y4m_file_in_an_archive(row: SourceSequence, server: FileServer, tmp_path: Path) -> None:
    frames = moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES)
    data = b"".join(y4m_chunks(frames, width=WIDTH, height=HEIGHT, fps=Fraction(25)))
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {"tiny.y4m": data})
    y4m = row.model_copy(update={"location": "tiny.y4m", "raw_bytes": None})
    run_fetch(y4m, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.y4m").read_bytes() == data
    (tmp_path / "sequences" / "tiny-readysetgo.y4m").unlink()
    assert f"tiny.y4m in it has {len(data)} bytes, but 5 frames have another size" in fetch_error(
        y4m.model_copy(update={"frames": 5}), tmp_path
    )
    assert files(tmp_path / "sequences") == {".fetch/tiny-readysetgo.7z"}


def test_two_fetches_of_one_sequence_download_it_once(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    served = server.files[f"/{ARCHIVE}"]
    served.holds = len(served.data) // 2
    logs: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda name=name: logs.update({name: run_fetch(row, tmp_path)}))
        for name in ("first", "second")
    ]
    threads[0].start()
    while not served.requests:
        threads[0].join(0.01)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive()
    served.go.set()
    for thread in threads:
        thread.join(30)
    assert len(served.requests) == 1
    assert "another process" not in logs["first"]
    assert "another process is fetching this sequence; waiting for it" in logs["second"]
    assert files(tmp_path) == {"sequences/tiny-readysetgo.yuv", "sequences.lock"}


def test_entries_of_concurrent_fetches_are_all_kept(row: SourceSequence, tmp_path: Path) -> None:
    rows = [row.model_copy(update={"name": f"tiny-{index}"}) for index in range(6)]
    threads = [threading.Thread(target=run_fetch, args=(row, tmp_path)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert list(read_lock_file(tmp_path / "sequences.lock")) == [row.name for row in rows]
    text = (tmp_path / "sequences.lock").read_text()
    assert text.startswith("# ")
    assert "Commit this file." in text
