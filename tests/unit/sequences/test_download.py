"""One file from a server that misbehaves."""

from __future__ import annotations

import io
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_server import FileServer, Served, running_server

from bench.base.errors import BenchError
from bench.base.progress_bar import Meter
from bench.sequences.download import Patience, Wanted, check_room, download

DATA = np.random.default_rng(0).bytes(300_000)
QUICK = Patience(tries=3, wait_s=0.01, connect_s=10, read_s=30)
PROXIES = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running_server() as server:
        yield server


def get(url: str | list[str], path: Path, patience: Patience = QUICK, **wanted: object) -> str:
    """Download, and give back what was told."""
    told = io.StringIO()
    urls = [url] if isinstance(url, str) else url
    download(Wanted(urls=urls, **wanted), path, meter=Meter("test", stream=told), patience=patience)
    return told.getvalue()


def test_a_whole_file_appears_and_nothing_beside_it(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA)
    told = get(server.url("/a.7z"), tmp_path / "new" / "a.7z", size=len(DATA), begins_with=DATA[:6])
    assert (tmp_path / "new" / "a.7z").read_bytes() == DATA
    assert os.listdir(tmp_path / "new") == ["a.7z"]
    assert served.asked == [None]
    assert served.seen[0]["Accept-Encoding"] == "identity"
    assert told.startswith("[test] 100 %, 0.3 MB of 0.3 MB downloaded")


def test_broken_connections_are_gone_on_from(server: FileServer, tmp_path: Path) -> None:
    """More breaks than tries: each brings bytes, so none counts against the server."""
    server.files["/a.7z"] = served = Served(DATA, breaks=[70_000, 70_000, 70_000, 70_000])
    told = get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert served.asked[0] is None
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in served.asked[1:]]
    assert starts == sorted(set(starts))
    assert starts[0] > 0
    assert {headers["If-Range"] for headers in served.seen[1:]} == {'"first"'}
    assert "the connection broke" in told


@pytest.mark.parametrize(
    "changes",
    [{"ranges": False}, {"version": None}, {"version": 'W/"weak"'}],
    ids=["ranges refused", "no version", "weak version"],
)
def test_where_it_cannot_go_on_it_starts_anew(
    server: FileServer, tmp_path: Path, changes: dict[str, object]
) -> None:
    server.files["/a.7z"] = served = Served(DATA, breaks=[200_000, 100_000], **changes)
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert len(served.seen) == 3
    if served.ranges:  # without a version to name, a part is not even asked for
        assert served.asked == [None, None, None]


def test_another_file_under_the_same_address_is_not_appended(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA, breaks=[200_000] * 3, ranges=False)
    with pytest.raises(BenchError, match="after 3 tries"):
        get(server.url("/a.7z"), tmp_path / "a.7z")
    assert 0 < (tmp_path / "a.7z.part").stat().st_size < len(DATA)
    other = DATA[::-1]
    server.files["/a.7z"] = served = Served(other, version='"second"')
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == other
    assert served.asked[0] is not None


def test_a_part_of_another_address_is_not_gone_on_from(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA, breaks=[200_000] * 9, ranges=False)
    server.files["/b.7z"] = served = Served(DATA[::-1])
    with pytest.raises(BenchError):
        get(server.url("/a.7z"), tmp_path / "a.7z")
    get(server.url("/b.7z"), tmp_path / "a.7z")
    assert served.asked == [None]
    assert (tmp_path / "a.7z").read_bytes() == DATA[::-1]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}'])
def test_a_part_whose_note_was_lost_is_started_anew(server: FileServer, tmp_path: Path, note: str) -> None:
    server.files["/a.7z"] = served = Served(DATA)
    (tmp_path / "a.7z.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.7z.part.json").write_text(note)
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert served.asked == [None]


@pytest.mark.parametrize(("extra", "requests"), [(b"", 0), (b"more", 2)])
def test_a_part_that_is_complete_or_too_long(
    server: FileServer, tmp_path: Path, extra: bytes, requests: int
) -> None:
    """Killed between the last byte and the renaming; or a part that is longer than the file (416)."""
    server.files["/a.7z"] = served = Served(DATA)
    (tmp_path / "a.7z.part").write_bytes(DATA + extra)
    note = {"url": server.url("/a.7z"), "version": '"first"', "total": len(DATA)}
    (tmp_path / "a.7z.part.json").write_text(json.dumps(note))
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert len(served.seen) == requests


def test_a_file_of_unknown_length(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA, length=False)
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    served.breaks = [200_000]
    get(server.url("/a.7z"), tmp_path / "b.7z", size=len(DATA))
    assert (tmp_path / "b.7z").read_bytes() == DATA


def test_passing_answers_are_tried_again(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA, statuses=[503, 429])
    told = get(server.url("/a.7z"), tmp_path / "a.7z")
    assert len(served.seen) == 3
    assert "503 Service Unavailable; again in 0 s" in told
    served.statuses = [500] * 3
    with pytest.raises(BenchError, match=r"a\.7z: the server answers 500 .* after 3 tries; try again later"):
        get(server.url("/a.7z"), tmp_path / "b.7z")


@pytest.mark.parametrize(
    ("served", "wanted", "told"),
    [
        (None, {}, "the server answers 404 Not Found; see whether the file has moved"),
        (Served(DATA, statuses=[403]), {}, "the server answers 403 Forbidden"),
        (Served(DATA), {"size": 299_999}, "has 300000 bytes, sequences.tsv says 299999; see whether"),
        (
            Served(b"<html>Log in</html>", content_type="text/html"),
            {"begins_with": b"7z"},
            "sends no .7z file (text/html, beginning with b'<html>Log in</html>'); open it in a browser",
        ),
        (Served(b"<html>Log in</html>", content_type="text/html"), {}, "sends no .7z file (text/html"),
        (Served(b""), {}, "the connection broke at 0 of all its bytes, after 3 tries"),
        (
            Served(DATA, breaks=[50] * 9, ranges=False),
            {},
            "the connection broke, after 3",
        ),
    ],
    ids=["404", "403", "another size", "page", "page, raw", "empty", "cut short"],
)
def test_what_cannot_be_had_is_told_in_one_line(
    server: FileServer, tmp_path: Path, served: Served | None, wanted: dict[str, object], told: str
) -> None:
    if served:
        server.files["/a.7z"] = served
    with pytest.raises(BenchError) as caught:
        get(server.url("/a.7z"), tmp_path / "a.7z", **wanted)
    assert str(caught.value).startswith(f"{server.url('/a.7z')}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.7z").exists()


def test_a_server_that_stops_sending_is_left_and_gone_on_from(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA, holds=100_000)
    with pytest.raises(BenchError, match="the server has stopped sending, after 1 tries") as caught:
        get(server.url("/a.7z"), tmp_path / "a.7z", Patience(tries=1, wait_s=0.01, read_s=2))
    assert "(it goes on at 0.1 MB)" in str(caught.value)
    served.holds = None
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert served.asked == [None, "bytes=65536-"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:1/a.7z", r"the connection failed \(Connection refused\), after 3 tries"),
        ("http://nowhere.invalid/a.7z", r"the connection failed \(.*\), after 3 tries"),
        ("http://:80/a.7z", "mend the address"),
    ],
)
def test_an_address_without_a_server(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        get(url, tmp_path / "a.7z")
    assert os.listdir(tmp_path) == []


def test_the_mirror_is_tried_next(server: FileServer, tmp_path: Path) -> None:
    server.files["/b.7z"] = Served(DATA)
    told = get([server.url("/a.7z"), server.url("/b.7z")], tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert f"404 Not Found; trying {server.url('/b.7z')}" in told
    with pytest.raises(BenchError, match=r"a\.7z: .* 404 .* \(and .*c\.7z: .* 404 .*\); see whether"):
        get([server.url("/a.7z"), server.url("/c.7z")], tmp_path / "b.7z")


def test_the_proxy_of_the_environment_is_used(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.7z"] = served = Served(DATA)
    monkeypatch.setenv("http_proxy", server.url(""))
    get("http://clips.invalid/a.7z", tmp_path / "a.7z")
    assert served.seen[0]["Host"] == "clips.invalid"
    monkeypatch.setenv("no_proxy", "clips.invalid")
    with pytest.raises(BenchError, match="the connection failed"):
        get("http://clips.invalid/a.7z", tmp_path / "b.7z")


def test_room_is_asked_for_before_the_first_byte(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA)
    with pytest.raises(
        BenchError, match=r"needs 1,000,000,000,000\.3 MB of room, the disk has .* MB; free some"
    ):
        get(server.url("/a.7z"), tmp_path / "a.7z", room=10**18)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.part")) == 0
    check_room(tmp_path, 1)


def test_a_disk_that_fills_up_names_the_file(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            get(server.url("/a.7z"), tmp_path / "a.7z")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "a.7z.part")
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_meter_draws_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    now = [0.0]
    for stream, wanted in (
        (io.StringIO(), ["[x]  50 %, 10.0 MB of 20.0 MB downloaded, 0.9 MB/s", "[x] kept", "[x] 100 %,"]),
        (Terminal(), ["\r", "[x] kept\n", "[x] " + "#" * 14 + "." * 14 + "  50 %"]),
    ):
        meter = Meter("x", stream=stream, clock=lambda: now[0])
        for second, done in ((0, 1), (5, 5), (10, 10), (11, 11)):
            now[0] = float(second)
            meter.progress("downloaded", done * 10**6, 20 * 10**6)
        meter.line("kept")
        meter.progress("downloaded", 20 * 10**6, 20 * 10**6)
        told = stream.getvalue()
        for text in wanted:
            assert text in told
        assert told.endswith("\n")
        assert len(told.splitlines()) <= (3 if not stream.isatty() else 99)
