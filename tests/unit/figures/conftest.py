"""Synthetic conditions for the tests of figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from figure_pages import write_crowd, write_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_crowd(tmp_path_factory.mktemp("crowd"))
