"""Helpers of the fetch tests: a table row of an archive on a local server, and its fetch into a folder."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest
from archive_data import ARCHIVE, FRAMES, HEIGHT, MEMBER, WIDTH, raw_frames
from file_server import FileServer

from bench.base.errors import BenchError
from bench.base.progress_bar import ProgressBar
from bench.sequences.fetch import fetch
from bench.sequences.retry import RetryPolicy
from bench.sequences.row import SourceSequence

QUICK = RetryPolicy(attempts=2, first_wait_s=0.01, connect_timeout_s=10, read_timeout_s=30)
RAW = raw_frames()


def archive_row(server: FileServer) -> SourceSequence:
    """A table row like those of UVG, for the archive on the server."""
    return SourceSequence(
        name="tiny-readysetgo",
        kind="url",
        location=MEMBER,
        sha256="",
        width=WIDTH,
        height=HEIGHT,
        fps=Fraction(120),
        frames=FRAMES,
        matrix="bt709",
        range="limited",
        siting="left",
        licence="for tests alone",
        citation="nobody: nothing, 2024",
        note="",
        url=server.url(f"/{ARCHIVE}"),
        raw_bytes=len(RAW),
    )


def run_fetch(row: SourceSequence, folder: Path) -> str:
    """Fetch into a folder, with a lock file of its own; return the log."""
    log = io.StringIO()
    fetch(
        row,
        folder=folder / "sequences",
        lock_file=folder / "sequences.lock",
        progress_bar=ProgressBar(f"fetch {row.name}", stream=log),
        retry_policy=QUICK,
    )
    return log.getvalue()


def fetch_error(row: SourceSequence, folder: Path) -> str:
    """Fetch, which must fail; return the error's line."""
    with pytest.raises(BenchError) as caught:
        run_fetch(row, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files(folder: Path) -> set[str]:
    """Relative paths of all files in a folder, without those that processes lock."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in names if not name.endswith(".lock") or name == "sequences.lock"}


def altered(data: bytes) -> bytes:
    """The data with its middle byte inverted."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]
