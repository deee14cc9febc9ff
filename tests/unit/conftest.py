"""Fixtures shared by unit tests: golden arrays of official code, and figures that are not saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Failed assertions in these modules print values, as those of test files do.
pytest.register_assert_rewrite("cli_process", "fetch_data", "ffmpeg_data")

#: The modules of `bench.figures` that save a page.
_DRAWING = (
    *("rd", "frames", "fit", "strip", "complexity", "page"),
    *("rate_difference", "metrics_agree"),
)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return Path(__file__).parents[1] / "golden"


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures in the order of drawing, laid out; no file is written."""
    caught: list[Figure] = []

    def catch(figure: Figure, outs: object) -> None:
        figure.canvas.draw()
        caught.append(figure)

    for module in _DRAWING:
        monkeypatch.setattr(f"bench.figures.{module}.save", catch)
    return caught
