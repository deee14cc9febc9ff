"""One file over HTTP, for connections that break: resumed, retried, and whole under its name or not there.

The bytes go to ``<name>.part``; ``<name>.part.json`` says of which version of which address they are.
Where the server says that the file is still that version (`If-Range` with its ETag or date), the
download goes on from the last byte, also after this process was killed; otherwise it starts anew.
Proxies come from the environment (`https_proxy`, `no_proxy` and so on), as everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests
from requests import exceptions

from bench.base.errors import BenchError
from bench.base.files import read_json, write_json
from bench.base.progress_bar import Meter, megabytes

_BLOCK = 1 << 16
_LONGEST_WAIT_S = 60.0
#: Answers that another try may change.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
#: Failures that another try does not change.
_FINAL = (
    exceptions.InvalidURL,
    exceptions.InvalidSchema,
    exceptions.MissingSchema,
    exceptions.SSLError,
    exceptions.TooManyRedirects,
)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a server is put up with. Tries are counted anew whenever one has brought bytes."""

    tries: int = 6
    wait_s: float = 2.0
    connect_s: float = 20.0
    read_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is known of a file before it comes.

    Attributes:
        urls: where it is, in the order of trying.
        size: its bytes, if known; begins_with: its first bytes, by which an error page is told from it.
        room: bytes that the disk must have besides, for what is made of it.
    """

    urls: Sequence[str]
    size: int | None = None
    begins_with: bytes = b""
    room: int = 0


class _BrokenError(Exception):
    """The transfer failed in a way that another try may mend."""


class _SourceError(BenchError):
    """One address does not have the file; another may."""


def download(wanted: Wanted, path: Path, *, meter: Meter, patience: Patience | None = None) -> None:
    """Get a file; it appears as `path` when it is complete.

    Raises:
        BenchError: no address has it (the first one's reason is told), or the disk has no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in wanted.urls:
        try:
            _Transfer(url, wanted, path, meter).run(patience or Patience())
        except _SourceError as error:
            failures.append(error)
            if url != wanted.urls[-1]:
                meter.line(f"{url}: {error.problem}; trying {wanted.urls[-1]}")
        else:
            return
    first, last = failures[0], failures[-1]
    also = f" (and {last.where}: {last.problem})" if last is not first else ""
    raise BenchError(first.where, f"{first.problem}{also}", first.remedy)


class _Transfer:
    """One file from one address."""

    def __init__(self, url: str, wanted: Wanted, path: Path, meter: Meter) -> None:
        self.url, self.wanted, self.path, self.meter = url, wanted, path, meter
        self.part = path.with_name(f"{path.name}.part")
        self.note = path.with_name(f"{path.name}.part.json")

    def run(self, patience: Patience) -> None:
        left, wait_s = patience.tries, patience.wait_s
        while True:
            before = self._received()
            try:
                self._try_once((patience.connect_s, patience.read_s))
                break
            except _BrokenError as error:
                if self._received() > before:
                    left, wait_s = patience.tries, patience.wait_s
                left -= 1
                if not left:
                    problem = f"{error}, after {patience.tries} tries"
                    kept = f" (it goes on at {megabytes(self._received())})" if self._received() else ""
                    raise _SourceError(self.url, problem, f"try again later{kept}") from error
                self.meter.line(f"{error}; again in {wait_s:.0f} s")
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.part, self.path)
        self.note.unlink()

    def _try_once(self, timeout: tuple[float, float]) -> None:
        have, version, total = self._found()
        if have and have == total:
            return
        headers = {"Accept-Encoding": "identity", "User-Agent": "neural-video-bench"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": version}
        try:
            with requests.get(self.url, headers=headers, stream=True, timeout=timeout) as answer:
                self._receive(answer, have, total)
        except _FINAL as error:
            raise _SourceError(self.url, _reason(error), "mend the address in sequences.tsv") from error
        except exceptions.RequestException as error:
            raise _BrokenError(_reason(error)) from error

    def _receive(self, answer: requests.Response, have: int, known_total: int | None) -> None:
        if answer.status_code == 416 or (
            answer.status_code == 206 and not _goes_on(answer, have, known_total)
        ):
            self._forget()
            raise _BrokenError("the server has another file than before")
        self._check_status(answer)
        start = have if answer.status_code == 206 else 0
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else self.wanted.size
        if self.wanted.size and total != self.wanted.size:
            problem = f"has {total} bytes, sequences.tsv says {self.wanted.size}"
            raise _SourceError(self.url, problem, "see whether the file was replaced, and mend sequences.tsv")
        self._begin(answer, start, total)
        with self.part.open("ab") as file:
            done = start
            self.meter.progress("downloaded", done, total)
            for block in answer.iter_content(_BLOCK):
                if not done:
                    self._check_beginning(answer, block)
                self._write(file, block)
                done += len(block)
                self.meter.progress("downloaded", done, total)
        if not done or (total and done < total):
            raise _BrokenError(f"the connection broke at {done} of {total or 'all its'} bytes")
        if total and done > total:
            self._forget()
            raise _SourceError(self.url, f"sends more than its {total} bytes", "try again later")

    def _check_status(self, answer: requests.Response) -> None:
        told = f"the server answers {answer.status_code} {answer.reason}".rstrip()
        if answer.status_code in _PASSING:
            raise _BrokenError(told)
        if answer.status_code not in (200, 206):
            raise _SourceError(self.url, told, "see whether the file has moved, and mend sequences.tsv")

    def _begin(self, answer: requests.Response, start: int, total: int | None) -> None:
        """Make the part file ready and see that the disk can hold the rest."""
        if not start:
            self._forget()
            version = answer.headers.get("ETag", "")
            if not version or version.startswith("W/"):  # a weak one does not promise the same bytes
                version = answer.headers.get("Last-Modified", "")
            write_json(self.note, {"url": self.url, "version": version, "total": total})
            self.part.touch()
        check_room(self.part.parent, (total or 0) - start + self.wanted.room)

    def _check_beginning(self, answer: requests.Response, block: bytes) -> None:
        begins_with = self.wanted.begins_with
        page = answer.headers.get("Content-Type", "").startswith("text/html")
        if block[: len(begins_with)] != begins_with or (page and not begins_with):
            self._forget()
            kind = answer.headers.get("Content-Type", "nothing named")
            problem = f"sends no {self.path.suffix} file ({kind}, beginning with {block[:20]!r})"
            raise _SourceError(
                self.url, problem, "open it in a browser: it may ask for a login, or have moved"
            )

    def _write(self, file: BinaryIO, block: bytes) -> None:
        try:
            file.write(block)
            file.flush()  # what a killed process leaves is gone on from
        except OSError as error:
            error.filename = str(self.part)
            raise

    def _found(self) -> tuple[int, str, int | None]:
        """Bytes that can be gone on from, the version that they are of, and its size if known."""
        try:
            note = read_json(self.note)
        except BenchError:  # none, or cut short by a crash: there is nothing to go on from
            return 0, "", None
        if note.get("url") != self.url or not note.get("version"):
            return 0, "", None
        return self._received(), note["version"], note.get("total")

    def _received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget(self) -> None:
        self.note.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)


def check_room(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        BenchError: fewer than `needed` bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        problem = f"needs {megabytes(needed)} of room, the disk has {megabytes(free)}"
        raise BenchError(folder, problem, "free some space, or make this folder a link to a larger disk")


def _goes_on(answer: requests.Response, have: int, total: int | None) -> bool:
    """Whether a part of a file continues what is there."""
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    return told is not None and int(told[1]) == have and (not total or told[2] in ("*", str(total)))


def _reason(error: BaseException) -> str:
    """Why a request failed, in a few words: what is at the bottom of its chain of causes."""
    if isinstance(error, exceptions.ConnectTimeout):
        return "the server does not answer"
    chain: list[BaseException] = [error]
    for link in chain:
        inner = [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]
        chain += [item for item in inner if isinstance(item, BaseException) and item not in chain]
    texts = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    if any(isinstance(link, exceptions.Timeout) or "timed out" in str(link) for link in chain):
        return "the server has stopped sending"
    if texts:
        return f"the connection failed ({texts[-1]})"
    return "the connection broke"
