"""Copies of the repository to run the workflow in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_repo import Finished, Repo, add_reference, copy_repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A fresh copy in which nothing has run."""
    return copy_repo(tmp_path / "repo")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The tiny condition, run once for all tests of a session. Tests restore what they change."""
    repo = copy_repo(tmp_path_factory.mktemp("finished") / "repo")
    add_reference(repo, "mean-frame", "raw")
    return Finished(repo, repo.snakemake("--cores", "2"))
