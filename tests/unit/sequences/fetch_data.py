"""What the tests of fetching share: a row of a server's archive, fetched into a folder."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest
from archive_data import ARCHIVE, FRAMES, HEIGHT, MEMBER, WIDTH, raw_frames
from file_server import FileServer

from bench.base.errors import BenchError
from bench.base.progress_bar import Meter
from bench.sequences.download import Patience
from bench.sequences.fetch import fetch
from bench.sequences.table import SourceSequence

QUICK = Patience(tries=2, wait_s=0.01, connect_s=10, read_s=30)
RAW = raw_frames()


def archive_row(server: FileServer) -> SourceSequence:
    """A row as UVG's are, of the server's archive."""
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


def get(row: SourceSequence, folder: Path) -> str:
    """Fetch into a folder, with its table of pins; what was told comes back."""
    told = io.StringIO()
    meter = Meter(f"fetch {row.name}", stream=told)
    fetch(row, folder=folder / "sequences", pins=folder / "sequences.lock", meter=meter, patience=QUICK)
    return told.getvalue()


def refused(row: SourceSequence, folder: Path) -> str:
    with pytest.raises(BenchError) as caught:
        get(row, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files(folder: Path) -> set[str]:
    """All files of a folder but locks, from its top."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if not name.endswith(".lock") or name == "sequences.lock"}


def altered(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]
