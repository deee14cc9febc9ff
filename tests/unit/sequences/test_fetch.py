"""A sequence from an archive or a file on a server: what is kept, pinned and refused."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from archive_data import ARCHIVE, FRAMES, HEIGHT, MEMBER, WIDTH, make_archive, sha256
from fetch_data import RAW, altered, files, get, refused
from file_server import FileServer, Served

from bench.sequences.lock_file import Pin, read_pins, write_pin
from bench.sequences.table import SourceSequence
from bench.video.synthetic import moving_discs
from bench.video.y4m import y4m_chunks


def test_the_wanted_file_is_taken_out_of_the_archive_and_pinned(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    told = get(row, tmp_path)
    target = tmp_path / "sequences" / "tiny-readysetgo.yuv"
    assert target.read_bytes() == RAW
    assert files(tmp_path) == {"sequences/tiny-readysetgo.yuv", "sequences.lock"}
    archive = server.files[f"/{ARCHIVE}"].data
    pin = Pin(sequence=row.name, archive_sha256=sha256(archive), raw_bytes=len(RAW), sha256=sha256(RAW))
    assert read_pins(tmp_path / "sequences.lock") == {row.name: pin}
    assert "[fetch tiny-readysetgo] licence: for tests alone; to cite: nobody: nothing, 2024\n" in told
    assert " unpacked, " in told


def test_a_file_that_is_there_is_checked_and_not_downloaded(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    get(row, tmp_path)
    assert "licence: for tests alone" in get(row, tmp_path)
    assert len(server.files[f"/{ARCHIVE}"].seen) == 1
    target = tmp_path / "sequences" / "tiny-readysetgo.yuv"
    target.write_bytes(altered(RAW))
    told = refused(row, tmp_path)
    assert told.startswith(
        f"{target}: its sha256 is {sha256(altered(RAW))}, sequences.lock has {sha256(RAW)}; "
    )
    assert told.endswith(
        "remove it to get it again, or mend tiny-readysetgo in config/sequences.lock if it is meant"
    )
    target.write_bytes(RAW[:-1])
    assert "is 27647 bytes, 6 frames of 64x48 make 27648 (8 bit)" in refused(row, tmp_path)


def test_a_file_that_a_user_put_there_is_pinned(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "sequences").mkdir()
    (tmp_path / "sequences" / "tiny-readysetgo.yuv").write_bytes(RAW)
    get(row, tmp_path)
    assert server.files[f"/{ARCHIVE}"].seen == []
    pin = read_pins(tmp_path / "sequences.lock")[row.name]
    assert (pin.archive_sha256, pin.sha256) == ("", sha256(RAW))
    (tmp_path / "sequences" / "tiny-readysetgo.yuv").unlink()
    get(row, tmp_path)  # the archive's digest joins that of the frames
    pin = read_pins(tmp_path / "sequences.lock")[row.name]
    assert (pin.archive_sha256, pin.sha256) == (sha256(server.files[f"/{ARCHIVE}"].data), sha256(RAW))


def test_what_was_pinned_may_not_change(row: SourceSequence, server: FileServer, tmp_path: Path) -> None:
    get(row, tmp_path)
    (tmp_path / "sequences" / "tiny-readysetgo.yuv").unlink()
    other = make_archive(tmp_path, {MEMBER: altered(RAW)})
    server.files[f"/{ARCHIVE}"] = Served(other)
    archive = tmp_path / "sequences" / ".fetch" / "tiny-readysetgo.7z"
    told = refused(row, tmp_path)
    assert told.startswith(f"{archive}: its sha256 is {sha256(other)}, sequences.lock has ")
    assert not (tmp_path / "sequences" / "tiny-readysetgo.yuv").exists()

    # Packed anew, with other frames in it: the archive's pin was lifted, that of the frames holds.
    lock = tmp_path / "sequences.lock"
    pin = read_pins(lock)[row.name]
    write_pin(replace(pin, archive_sha256=""), lock, guard=tmp_path / "guard")
    told = refused(row, tmp_path)
    assert told.startswith(
        f"{MEMBER} of {archive}: its sha256 is {sha256(altered(RAW))}, sequences.lock has "
    )
    assert files(tmp_path / "sequences") == {".fetch/tiny-readysetgo.7z"}

    lock.unlink()  # what the user does who means the new one: it needs no second download
    get(row, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.yuv").read_bytes() == altered(RAW)
    assert len(server.files[f"/{ARCHIVE}"].seen) == 1


@pytest.mark.parametrize("column", ["sha256", "archive_sha256"])
def test_a_published_digest_is_held_to(
    row: SourceSequence, server: FileServer, tmp_path: Path, column: str
) -> None:
    true = sha256({"sha256": RAW, "archive_sha256": server.files[f"/{ARCHIVE}"].data}[column])
    told = refused(replace(row, **{column: "0" * 64}), tmp_path)
    assert f"its sha256 is {true}, sequences.tsv has {'0' * 64}; remove it" in told
    assert not (tmp_path / "sequences.lock").exists()
    get(replace(row, **{column: true}), tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"location": "ReadySetGo_64x48_120fps_420_8bit_YUV.yuv"},
            f"has no file of the name ReadySetGo_64x48_120fps_420_8bit_YUV.yuv; it has "
            f"ReadySteadyGo_Copyright.txt, {MEMBER}; mend location of tiny-readysetgo",
        ),
        ({"raw_bytes": 27649}, f"{MEMBER} in it has 27648 bytes, not 27649; mend frames and raw_bytes"),
        (
            {"raw_bytes": None, "frames": 7},
            f"{MEMBER} in it has 27648 bytes, which 7 frames cannot have; mend",
        ),
        ({"archive_bytes": 5}, "bytes, sequences.tsv says 5; see whether the file was replaced"),
        ({"kind": "file"}, "sequence tiny-readysetgo: is of kind file: there is nothing to download"),
        ({"raw_bytes": 10**18}, "needs 1,000,000,000,000.0 MB of room"),
    ],
    ids=["no such member", "raw_bytes", "frames", "archive_bytes", "kind", "no room"],
)
def test_a_row_that_does_not_fit_is_told(
    row: SourceSequence, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    assert told in refused(replace(row, **changes), tmp_path)
    assert not (tmp_path / "sequences" / "tiny-readysetgo.yuv").exists()
    assert not (tmp_path / "sequences.lock").exists()


def test_a_member_in_a_folder_is_found_and_one_that_is_there_twice_is_not(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {f"a/{MEMBER}": RAW})
    get(row, tmp_path / "in-folder")
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {f"a/{MEMBER}": RAW, f"b/{MEMBER}": RAW})
    assert f"has 2 files of the name {MEMBER}" in refused(row, tmp_path / "twice")


def test_a_y4m_file_comes_without_an_archive(row: SourceSequence, server: FileServer, tmp_path: Path) -> None:
    frames = moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES)
    data = b"".join(y4m_chunks(frames, width=WIDTH, height=HEIGHT, fps=Fraction(25)))
    server.files["/tiny_cif.y4m"] = Served(data)
    y4m = replace(
        row, name="tiny_cif", location="tiny_cif.y4m", url=server.url("/tiny_cif.y4m"), raw_bytes=None
    )
    get(y4m, tmp_path)
    assert files(tmp_path) == {"sequences/tiny_cif.y4m", "sequences.lock"}
    assert (tmp_path / "sequences" / "tiny_cif.y4m").read_bytes() == data
    pin = Pin(sequence="tiny_cif", archive_sha256="", raw_bytes=len(data), sha256=sha256(data))
    assert read_pins(tmp_path / "sequences.lock") == {"tiny_cif": pin}

    # Without a published digest or size, the frames of the row tell a file that is cut short.
    assert f"is {len(data)} bytes, 7 frames make" in refused(replace(y4m, frames=7), tmp_path / "frames")
    assert "not that of 32x48; mend the row" in refused(replace(y4m, width=32), tmp_path / "width")
    server.files["/tiny_cif.y4m"] = Served(b"<html>moved</html>", content_type="text/html")
    assert "sends no .y4m file" in refused(y4m, tmp_path / "page")
    for folder in ("frames", "width", "page"):
        assert not (tmp_path / folder / "sequences.lock").exists()
        assert not (tmp_path / folder / "sequences" / "tiny_cif.y4m").exists()


def test_a_y4m_file_may_come_in_an_archive(row: SourceSequence, server: FileServer, tmp_path: Path) -> None:
    frames = moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES)
    data = b"".join(y4m_chunks(frames, width=WIDTH, height=HEIGHT, fps=Fraction(25)))
    server.files[f"/{ARCHIVE}"].data = make_archive(tmp_path, {"tiny.y4m": data})
    y4m = replace(row, location="tiny.y4m", raw_bytes=None)
    get(y4m, tmp_path)
    assert (tmp_path / "sequences" / "tiny-readysetgo.y4m").read_bytes() == data
    (tmp_path / "sequences" / "tiny-readysetgo.y4m").unlink()
    assert f"tiny.y4m in it has {len(data)} bytes, which 5 frames cannot have" in refused(
        replace(y4m, frames=5), tmp_path
    )
    assert files(tmp_path / "sequences") == {".fetch/tiny-readysetgo.7z"}


def test_two_fetches_of_one_sequence_download_it_once(
    row: SourceSequence, server: FileServer, tmp_path: Path
) -> None:
    served = server.files[f"/{ARCHIVE}"]
    served.holds = len(served.data) // 2
    told: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda name=name: told.update({name: get(row, tmp_path)}))
        for name in ("first", "second")
    ]
    threads[0].start()
    while not served.seen:
        threads[0].join(0.01)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive()
    served.go.set()
    for thread in threads:
        thread.join(30)
    assert len(served.seen) == 1
    assert "another process" not in told["first"]
    assert "another process is fetching it; waiting for that" in told["second"]
    assert files(tmp_path) == {"sequences/tiny-readysetgo.yuv", "sequences.lock"}


def test_pins_of_many_are_all_kept(row: SourceSequence, tmp_path: Path) -> None:
    rows = [replace(row, name=f"tiny-{index}") for index in range(6)]
    threads = [threading.Thread(target=get, args=(row, tmp_path)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert list(read_pins(tmp_path / "sequences.lock")) == [row.name for row in rows]
    text = (tmp_path / "sequences.lock").read_text()
    assert text.startswith("# ")
    assert "Commit this file." in text
