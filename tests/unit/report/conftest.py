"""The browser, and a page of made-up records that the tests of a module share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_data import table, write

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium. The only reason to skip a test is that the machine has none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium: install Debian's package `chromium`")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make env")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two clips and of codecs with hostile labels. Tests do not change it."""
    return write(tmp_path_factory.mktemp("report page"), table())
