"""Fixtures: a local server with an archive, and the table row of the sequence in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_data import ARCHIVE, uvg_archive
from fetch_data import archive_row
from file_server import FileServer, Served, running_server

from bench.sequences.row import SourceSequence


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with running_server() as server:
        server.files[f"/{ARCHIVE}"] = Served(uvg_archive(tmp_path))
        yield server


@pytest.fixture
def row(server: FileServer) -> SourceSequence:
    return archive_row(server)
