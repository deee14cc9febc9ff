"""Download from a server that fails in every way that the client must handle."""

from __future__ import annotations

import io
import json
import os
import resource
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_server import FileServer, Served, running_server

from bench.base.errors import BenchError
from bench.base.progress_bar import ProgressBar
from bench.base.sizes import check_disk_space
from bench.sequences.download import RemoteFile, download
from bench.sequences.retry import RetryPolicy

DATA = np.random.default_rng(0).bytes(300_000)
QUICK = RetryPolicy(attempts=3, first_wait_s=0.01, connect_timeout_s=10, read_timeout_s=30)
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


def test_a_self_signed_certificate_names_the_variable_for_it(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Path(__file__).with_name("self_signed.pem")  # for 127.0.0.1, until 2126
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.files["/a.y4m"] = Served(DATA)
    url = server.url("/a.y4m").replace("http:", "https:")
    with pytest.raises(BenchError, match=r"certificate.*; if you trust .* set REQUESTS_CA_BUNDLE") as raised:
        get(url, tmp_path / "a.y4m")
    assert len(str(raised.value).splitlines()) == 1
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    get(url, tmp_path / "a.y4m")
    assert (tmp_path / "a.y4m").read_bytes() == DATA


def get(url: str | list[str], path: Path, policy: RetryPolicy = QUICK, **fields: object) -> str:
    """Download and return the log."""
    log = io.StringIO()
    remote = RemoteFile(urls=[url] if isinstance(url, str) else url, **fields)
    download(remote, path, progress_bar=ProgressBar("test", stream=log), retry_policy=policy)
    return log.getvalue()


def test_a_download_leaves_the_file_and_nothing_else(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA)
    log = get(server.url("/a.7z"), tmp_path / "new" / "a.7z", size=len(DATA), magic=DATA[:6])
    assert (tmp_path / "new" / "a.7z").read_bytes() == DATA
    assert os.listdir(tmp_path / "new") == ["a.7z"]
    assert served.ranges_requested == [None]
    assert served.requests[0]["Accept-Encoding"] == "identity"
    assert log.startswith("[test] 100 %, 0.3 MB of 0.3 MB downloaded")


def test_broken_connections_are_resumed(server: FileServer, tmp_path: Path) -> None:
    """More breaks than attempts: each one makes progress, so the count starts over."""
    server.files["/a.7z"] = served = Served(DATA, breaks=[70_000, 70_000, 70_000, 70_000])
    log = get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert served.ranges_requested[0] is None
    starts = [int(value.removeprefix("bytes=").removesuffix("-")) for value in served.ranges_requested[1:]]
    assert starts == sorted(set(starts))
    assert starts[0] > 0
    assert {headers["If-Range"] for headers in served.requests[1:]} == {'"first"'}
    assert "the connection broke" in log


@pytest.mark.parametrize(
    "changes",
    [{"ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}],
    ids=["ranges refused", "no validator", "weak validator"],
)
def test_a_download_that_cannot_be_resumed_starts_over(
    server: FileServer, tmp_path: Path, changes: dict[str, object]
) -> None:
    server.files["/a.7z"] = served = Served(DATA, breaks=[200_000, 100_000], **changes)
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert len(served.requests) == 3
    if served.ranges:  # without a validator, no range is requested
        assert served.ranges_requested == [None, None, None]


def test_a_changed_file_is_not_appended_to_the_old_part(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA, breaks=[200_000] * 3, ranges=False)
    with pytest.raises(BenchError, match="after 3 attempts"):
        get(server.url("/a.7z"), tmp_path / "a.7z")
    assert 0 < (tmp_path / "a.7z.part").stat().st_size < len(DATA)
    changed = DATA[::-1]
    server.files["/a.7z"] = served = Served(changed, etag='"second"')
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == changed
    assert served.ranges_requested[0] is not None


def test_the_part_of_another_address_is_not_resumed(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA, breaks=[200_000] * 9, ranges=False)
    server.files["/b.7z"] = served = Served(DATA[::-1])
    with pytest.raises(BenchError):
        get(server.url("/a.7z"), tmp_path / "a.7z")
    get(server.url("/b.7z"), tmp_path / "a.7z")
    assert served.ranges_requested == [None]
    assert (tmp_path / "a.7z").read_bytes() == DATA[::-1]


@pytest.mark.parametrize("part_info", ["", "{", "[]", '{"url": 1}'])
def test_a_part_without_valid_information_starts_over(
    server: FileServer, tmp_path: Path, part_info: str
) -> None:
    server.files["/a.7z"] = served = Served(DATA)
    (tmp_path / "a.7z.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.7z.part.json").write_text(part_info)
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert served.ranges_requested == [None]


@pytest.mark.parametrize(("extra", "requests"), [(b"", 0), (b"more", 2)])
def test_a_part_that_is_complete_or_too_long(
    server: FileServer, tmp_path: Path, extra: bytes, requests: int
) -> None:
    """The process was killed before it renamed a complete part; or the part is longer than the file (416)."""
    server.files["/a.7z"] = served = Served(DATA)
    (tmp_path / "a.7z.part").write_bytes(DATA + extra)
    info = {"url": server.url("/a.7z"), "validator": '"first"', "total": len(DATA)}
    (tmp_path / "a.7z.part.json").write_text(json.dumps(info))
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert len(served.requests) == requests


def test_a_file_of_unknown_length(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA, length=False)
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    served.breaks = [200_000]
    get(server.url("/a.7z"), tmp_path / "b.7z", size=len(DATA))
    assert (tmp_path / "b.7z").read_bytes() == DATA


def test_transient_statuses_are_retried(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA, statuses=[503, 429])
    log = get(server.url("/a.7z"), tmp_path / "a.7z")
    assert len(served.requests) == 3
    assert "HTTP 503 Service Unavailable; retrying in 0 s" in log
    served.statuses = [500] * 3
    with pytest.raises(BenchError, match=r"a\.7z: HTTP 500 .* after 3 attempts; try again later"):
        get(server.url("/a.7z"), tmp_path / "b.7z")


@pytest.mark.parametrize(
    ("served", "fields", "message"),
    [
        (None, {}, "HTTP 404 Not Found; check whether the file has moved and correct the address"),
        (Served(DATA, statuses=[403]), {}, "HTTP 403 Forbidden"),
        (Served(DATA), {"size": 299_999}, "has 300000 bytes, but 299999 in sequences.tsv; check whether"),
        (
            Served(b"<html>Log in</html>", content_type="text/html"),
            {"magic": b"7z"},
            "did not send a .7z file (Content-Type text/html, first bytes b'<html>Log in</html>'); open it",
        ),
        (
            Served(b"<html>Log in</html>", content_type="text/html"),
            {},
            "did not send a .7z file (Content-Type text/html",
        ),
        (Served(b""), {}, "the connection broke after 0 bytes, after 3 attempts"),
        (
            Served(DATA, breaks=[50] * 9, ranges=False),
            {},
            "the connection broke, after 3",
        ),
    ],
    ids=["404", "403", "another size", "page", "page, raw", "empty", "cut short"],
)
def test_a_failed_download_is_an_error_of_one_line(
    server: FileServer, tmp_path: Path, served: Served | None, fields: dict[str, object], message: str
) -> None:
    if served:
        server.files["/a.7z"] = served
    with pytest.raises(BenchError) as caught:
        get(server.url("/a.7z"), tmp_path / "a.7z", **fields)
    assert str(caught.value).startswith(f"{server.url('/a.7z')}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.7z").exists()


@pytest.mark.slow
def test_a_stalled_download_times_out_and_is_resumed(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = served = Served(DATA, holds=100_000)
    with pytest.raises(BenchError, match="the server stopped sending data, after 1 attempts") as caught:
        get(server.url("/a.7z"), tmp_path / "a.7z", RetryPolicy(attempts=1, read_timeout_s=2))
    assert "(the download resumes at 0.1 MB)" in str(caught.value)
    served.holds = None
    get(server.url("/a.7z"), tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert served.ranges_requested == [None, "bytes=65536-"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1/a.7z", r"the connection failed \(Connection refused\), after 3 attempts"),
        ("http://nowhere.invalid/a.7z", r"the connection failed \(.*\), after 3 attempts"),
        ("http://:80/a.7z", "correct the address"),
    ],
)
def test_an_address_without_a_server(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        get(url, tmp_path / "a.7z")
    assert os.listdir(tmp_path) == []


def test_the_mirror_is_tried_after_the_first_address(server: FileServer, tmp_path: Path) -> None:
    server.files["/b.7z"] = Served(DATA)
    log = get([server.url("/a.7z"), server.url("/b.7z")], tmp_path / "a.7z")
    assert (tmp_path / "a.7z").read_bytes() == DATA
    assert f"404 Not Found; trying {server.url('/b.7z')}" in log
    with pytest.raises(BenchError, match=r"a\.7z: .* 404 .* \(and .*c\.7z: .* 404 .*\); check whether"):
        get([server.url("/a.7z"), server.url("/c.7z")], tmp_path / "b.7z")


def test_the_proxy_of_the_environment_is_used(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.7z"] = served = Served(DATA)
    monkeypatch.setenv("http_proxy", server.url(""))
    get("http://clips.invalid/a.7z", tmp_path / "a.7z")
    assert served.requests[0]["Host"] == "clips.invalid"
    monkeypatch.setenv("no_proxy", "clips.invalid")
    with pytest.raises(BenchError, match="the connection failed"):
        get("http://clips.invalid/a.7z", tmp_path / "b.7z")


def test_disk_space_is_checked_before_the_first_byte(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.7z"] = Served(DATA)
    with pytest.raises(
        BenchError, match=r"needs 1,000,000,000,000\.3 MB of disk space, .* MB are free; free disk"
    ):
        get(server.url("/a.7z"), tmp_path / "a.7z", extra_space=10**18)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.part")) == 0
    check_disk_space(tmp_path, 1)


def test_an_error_of_a_full_disk_names_the_file(server: FileServer, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("states_its_size", [True, False])
def test_a_server_cannot_send_more_than_the_file_can_have(
    states_its_size: bool, server: FileServer, tmp_path: Path
) -> None:
    """Also without Content-Length, where the disk would be filled."""
    server.files["/a.y4m"] = Served(DATA, length=states_its_size)
    message = "at most 0.0 MB are expected" if states_its_size else "sends more than its 1000 bytes"
    with pytest.raises(BenchError, match=message):
        get(server.url("/a.y4m"), tmp_path / "a.y4m", most_bytes=1000)
    assert os.listdir(tmp_path) == []
    get(server.url("/a.y4m"), tmp_path / "a.y4m", most_bytes=len(DATA))
    assert (tmp_path / "a.y4m").read_bytes() == DATA
