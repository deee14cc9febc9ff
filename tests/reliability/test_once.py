"""Some faults of the matrix, once each. `make test-reliability` tries all of them many times.

Kills of a fit are in tests/unit/inr/test_trainer.py, those of a run in tests/workflow/test_failures.py.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "workflow"), str(_TESTS / "reliability")]

from faults import FAULTS, kill_of_decoder, kill_of_measure, kill_of_prepare  # noqa: E402
from scene import Scene  # noqa: E402


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.mark.slow
@pytest.mark.parametrize("attempt", [kill_of_prepare, kill_of_measure, kill_of_decoder])
def test_a_kill(scene: Scene, attempt) -> None:
    attempt(scene, random.Random(1), 1)


def test_the_page_has_a_row_for_each_fault() -> None:
    page = (_TESTS.parent / "docs" / "reliability.md").read_text()
    table = page.split("<!-- begin faults -->")[1].split("<!-- end faults -->")[0]
    rows = [line.split(" | ") for line in table.strip().splitlines()[2:]]
    assert [row[0].removeprefix("| ") for row in rows] == [fault.name for fault in FAULTS]
    assert [int(row[1]) for row in rows] == [fault.tries for fault in FAULTS]
    assert not any(row[2].startswith("failed") for row in rows)
