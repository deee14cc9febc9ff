"""A local HTTP server with configurable failures: broken connections, error statuses, stalls, no ranges."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Served:
    """One file of the server, and how it answers the next requests.

    Attributes:
        etag: value of the ETag header; None: without one.
        ranges: whether Range requests are honoured.
        length: whether Content-Length is sent.
        statuses: HTTP statuses of the next requests, in order; later ones succeed.
        breaks: number of bytes after which the connections of the next requests are closed, in order.
        holds: number of bytes after which a request waits until `go` is set; None: does not wait.
        requests: the headers of all requests.
    """

    data: bytes
    etag: str | None = '"first"'
    ranges: bool = True
    length: bool = True
    content_type: str = "application/octet-stream"
    statuses: list[int] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    holds: int | None = None
    go: threading.Event = field(default_factory=threading.Event)
    requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def ranges_requested(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("Range") for headers in self.requests]


class FileServer(ThreadingHTTPServer):
    """Serves `files` by path. It also acts as a proxy: only the path of a request matters."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Served] = {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: tests kill clients on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        served = self.server.files.get(urlsplit(self.path).path)
        if served is None:
            self.send_error(404)
            return
        served.requests.append(dict(self.headers.items()))
        if served.statuses:
            self.send_error(served.statuses.pop(0))
            return
        start = self._start(served)
        if start and start >= len(served.data):
            self.send_error(416)
            return
        self._send(served, start)

    def _start(self, served: Served) -> int:
        """Offset of the first byte to send."""
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        same = condition in (None, served.etag)
        return int(requested[1]) if requested and served.ranges and same else 0

    def _send(self, served: Served, start: int) -> None:
        body = served.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", served.content_type)
        if served.length:
            self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(served.data) - 1}/{len(served.data)}")
        if served.etag:
            self.send_header("ETag", served.etag)
        self.end_headers()
        body = body[: served.breaks.pop(0)] if served.breaks else body
        first = len(body) if served.holds is None else served.holds
        self.wfile.write(body[:first])
        if first < len(body):
            served.go.wait(60)
            self.wfile.write(body[first:])

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@contextmanager
def running_server() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            for served in server.files.values():
                served.go.set()
            server.shutdown()
            thread.join()
