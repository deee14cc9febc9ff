"""Where the arrays computed by the methods' official code lie."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return Path(__file__).parents[1] / "golden"
