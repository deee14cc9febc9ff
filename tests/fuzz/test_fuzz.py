"""Some executions of every fuzz target with a fixed seed, and inputs that failed once.

`make test-fuzz` runs each target for as long as it should.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutation import mutate
from run import execute
from targets import TARGETS

#: Executions of a target that reads a file, and of one that runs a network or a process.
CHEAP, COSTLY = 60, 10
#: Inputs that failed, as <target>-<name>.
REGRESSIONS = sorted(Path(__file__).with_name("regressions").iterdir())


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if target.costly else ()) for name, target in TARGETS.items()],
)
def test_changed_inputs_are_read_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVB_WEIGHTS", str(tmp_path / "weights"))
    target, rng = TARGETS[name], random.Random(name)
    seeds = target.seeds(tmp_path)
    for data in seeds:
        execute(target, data)
    for _ in range(COSTLY if target.costly else CHEAP):
        execute(target, mutate(seeds, rng))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_an_input_that_failed_once_is_refused(path: Path) -> None:
    execute(TARGETS[path.name.partition("-")[0]], path.read_bytes())
