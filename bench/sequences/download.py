"""Resumable HTTP download of one file: resumed, retried, and visible under its name only when complete.

The bytes are written to ``<name>.part``. ``<name>.part.json`` records the address, the size and the validator
(the server's ETag or Last-Modified date) of the version that they belong to. A resumed request is for the
missing bytes (``Range: bytes=N-``), on condition that the server still has this version
(``If-Range: validator``):

| answer | meaning | action |
|---|---|---|
| 206, same start and size | the rest of the same version | append |
| 200 | another version, or a server without ranges | start over |
| 206 with another start or size, or 416 | the part does not fit the server's file | remove the part, retry |
| 408, 425, 429, 5xx; broken connection; timeout | temporary | retry (`bench.sequences.retry`) |
| any other status; invalid address or certificate | permanent | next address, then fail |

A download is therefore also resumed after the process was killed. A weak ETag (``W/``) does not promise
identical bytes and is not used; without a validator every attempt starts over. Proxies are read from the
environment (`https_proxy`, `no_proxy`, ...).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests
from requests import exceptions

from bench.base.errors import BenchError
from bench.base.files import read_json, write_json
from bench.base.progress_bar import ProgressBar, format_megabytes
from bench.base.sizes import check_disk_space
from bench.sequences.retry import RetryPolicy, TransientError, retry

_BLOCK_BYTES = 1 << 16
_TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_CERTIFICATE_REMEDY = "if you trust the server or proxy, set REQUESTS_CA_BUNDLE to its certificate file"
_PERMANENT_ERRORS = (
    exceptions.InvalidURL,
    exceptions.InvalidSchema,
    exceptions.MissingSchema,
    exceptions.SSLError,
    exceptions.TooManyRedirects,
)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file on one or more servers.

    Attributes:
        urls: its addresses, in the order in which they are tried.
        size: its bytes; None: unknown.
        magic: its first bytes, which distinguish it from an error page.
        most_bytes: largest size that it can have, whatever the server states.
        extra_space: free disk space in bytes that is needed besides the file, for what is extracted from it.
    """

    urls: Sequence[str]
    size: int | None = None
    magic: bytes = b""
    extra_space: int = 0
    most_bytes: int = 1 << 40


class _SourceError(BenchError):
    """An address does not have the file; another address may have it."""


def download(
    remote: RemoteFile, path: Path, *, progress_bar: ProgressBar, retry_policy: RetryPolicy | None = None
) -> None:
    """Download a file to `path`. A partial download of an earlier call is resumed.

    Raises:
        BenchError: no address has the file (the error gives the first one's reason), or the disk is too full.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = []
    for url in remote.urls:
        try:
            _Transfer(url, remote, path, progress_bar).run(retry_policy or RetryPolicy())
            return
        except _SourceError as error:
            errors.append(error)
            if url != remote.urls[-1]:
                progress_bar.log(f"{url}: {error.problem}; trying {remote.urls[-1]}")
    first, last = errors[0], errors[-1]
    mirror = f" (and {last.where}: {last.problem})" if last is not first else ""
    raise BenchError(first.where, f"{first.problem}{mirror}", first.remedy)


class _Transfer:
    """The transfer of one file from one address."""

    def __init__(self, url: str, remote: RemoteFile, path: Path, progress_bar: ProgressBar) -> None:
        self.url, self.remote, self.path, self.progress_bar = url, remote, path, progress_bar
        self.part = path.with_name(f"{path.name}.part")
        self.part_info = path.with_name(f"{path.name}.part.json")

    def run(self, policy: RetryPolicy) -> None:
        """Transfer the file with retries, then give it its name."""
        timeout = (policy.connect_timeout_s, policy.read_timeout_s)
        try:
            retry(
                lambda: self._attempt(timeout),
                policy,
                progress=self._received,
                log=self.progress_bar.log,
            )
        except TransientError as error:
            received = self._received()
            resumes = f" (the download resumes at {format_megabytes(received)})" if received else ""
            raise _SourceError(self.url, str(error), f"try again later{resumes}") from error
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.part, self.path)
        self.part_info.unlink()

    def _attempt(self, timeout: tuple[float, float]) -> None:
        """One request for the missing bytes."""
        start, validator, total = self._resume_point()
        if start and start == total:
            return
        headers = {"Accept-Encoding": "identity", "User-Agent": "neural-video-bench"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        try:
            with requests.get(self.url, headers=headers, stream=True, timeout=timeout) as response:
                self._receive(response, start, total)
        except _PERMANENT_ERRORS as error:
            is_certificate = isinstance(error, exceptions.SSLError)
            remedy = _CERTIFICATE_REMEDY if is_certificate else "correct the address"
            raise _SourceError(self.url, _reason(error), remedy) from error
        except exceptions.RequestException as error:
            raise TransientError(_reason(error)) from error

    def _receive(self, response: requests.Response, resumed_at: int, known_total: int | None) -> None:
        """Check the response and append its body to the part file."""
        start = self._check_response(response, resumed_at, known_total)
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if re.fullmatch("[0-9]{1,18}", length) else self.remote.size
        if self.remote.size and total != self.remote.size:
            problem = f"has {total} bytes, but {self.remote.size} in sequences.tsv"
            remedy = "check whether the file was replaced, then correct its size in sequences.tsv"
            raise _SourceError(self.url, problem, remedy)
        most = total or self.remote.most_bytes
        if most > self.remote.most_bytes:
            expected = format_megabytes(self.remote.most_bytes)
            problem = f"has {format_megabytes(most)}, but at most {expected} are expected"
            raise _SourceError(self.url, problem, "check whether it is the address of the right file")
        if not start:
            self._start_part(response, total)
        check_disk_space(self.part.parent, (total or 0) - start + self.remote.extra_space)
        done = start
        with self.part.open("ab") as file:
            self.progress_bar.update("downloaded", done, total)
            for block in response.iter_content(_BLOCK_BYTES):
                if not done:
                    self._check_magic(response, block)
                self._append(file, block)
                done += len(block)
                if done > most:  # also a server that states no size and sends for ever
                    break
                self.progress_bar.update("downloaded", done, total)
        if not done or (total and done < total):
            of_total = f" of {total}" if total else ""
            raise TransientError(f"the connection broke after {done}{of_total} bytes")
        if done > most:
            self._remove_part()
            raise _SourceError(self.url, f"sends more than its {most} bytes", "try again later")

    def _check_response(self, response: requests.Response, resumed_at: int, known_total: int | None) -> int:
        """The offset at which the body of a successful response starts: `resumed_at`, or 0."""
        status = response.status_code
        partial = status == 206
        if status == 416 or (partial and not _continues(response, resumed_at, known_total)):
            self._remove_part()
            raise TransientError("the file on the server has changed")
        problem = f"HTTP {status} {response.reason}".rstrip()
        if status in _TRANSIENT_STATUSES:
            raise TransientError(problem)
        if status not in (200, 206):
            raise _SourceError(self.url, problem, "check whether the file has moved and correct the address")
        return resumed_at if partial else 0

    def _start_part(self, response: requests.Response, total: int | None) -> None:
        """Create an empty part file and record its version."""
        self._remove_part()
        validator = response.headers.get("ETag", "")
        if not validator or validator.startswith("W/"):
            validator = response.headers.get("Last-Modified", "")
        write_json(self.part_info, {"url": self.url, "validator": validator, "total": total})
        self.part.touch()

    def _check_magic(self, response: requests.Response, block: bytes) -> None:
        """Check the first block: servers send login and error pages with status 200."""
        magic, content_type = self.remote.magic, response.headers.get("Content-Type", "")
        is_page = content_type.startswith("text/html") and not magic
        if is_page or not block.startswith(magic):
            self._remove_part()
            problem = (
                f"did not send a {self.path.suffix} file"
                f" (Content-Type {content_type or 'missing'}, first bytes {block[:20]!r})"
            )
            remedy = "open it in a browser: it may need a login, or the file may have moved"
            raise _SourceError(self.url, problem, remedy)

    def _append(self, file: BinaryIO, block: bytes) -> None:
        try:
            file.write(block)
            file.flush()  # so that a killed process loses no block
        except OSError as error:
            error.filename = str(self.part)
            raise

    def _resume_point(self) -> tuple[int, str, int | None]:
        """Bytes of the part that can be kept, their validator, and the size of the whole file if known."""
        try:
            info = read_json(self.part_info)
        except BenchError:  # missing, or cut short by a crash
            return 0, "", None
        if info.get("url") != self.url or not info.get("validator"):
            return 0, "", None
        return self._received(), info["validator"], info.get("total")

    def _received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _remove_part(self) -> None:
        self.part_info.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)


def _continues(response: requests.Response, start: int, total: int | None) -> bool:
    """Whether a partial response begins at `start` and belongs to a file of `total` bytes."""
    content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if content_range is None or int(content_range[1]) != start:
        return False
    return not total or content_range[2] in ("*", str(total))


def _reason(error: BaseException) -> str:
    """Why a request failed, in a few words, from the innermost cause of the exception.

    `requests` wraps the exceptions of urllib3, which wrap those of the operating system, each in its own way:
    as an argument, a `reason`, a cause or a context.
    """
    if isinstance(error, exceptions.ConnectTimeout):
        return "the server does not answer"
    chain: list[BaseException] = [error]
    for link in chain:
        inner = [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]
        chain += [item for item in inner if isinstance(item, BaseException) and item not in chain]
    if any(isinstance(link, exceptions.Timeout) or "timed out" in str(link) for link in chain):
        return "the server stopped sending data"
    texts = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    return f"the connection failed ({texts[-1]})" if texts else "the connection broke"
