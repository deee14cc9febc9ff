"""Costs of `bench rerun`: a long encode is repeated only on request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.reproduce.rerun import check_cost

RECORDS = ROOT / "results/reference/demo-v1"


def record(folder: Path, *, wall_s: float | None, kind: str = "fitted") -> Path:
    """A tracked record of a fit with another time and kind."""
    values = json.loads(min(RECORDS.rglob("ffnerv-matched/*/*/record.json")).read_text())
    values |= {"encode": values["encode"] | {"wall_s": wall_s}, "kind": kind, "epochs": 150}
    path = folder / "record.json"
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("wall_s", "cost"),
    [
        (9000.0, "the encode took 2.5 h for 150 epochs on cpu"),
        (600.0, "the encode took 10.0 min for 150 epochs on cpu"),
        (None, "the encode took an unknown time for 150 epochs on cpu"),
    ],
)
def test_a_long_fit_needs_a_confirmation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wall_s: float | None, cost: str
) -> None:
    path = record(tmp_path, wall_s=wall_s)
    with pytest.raises(BenchError, match="; add --yes to repeat it") as raised:
        check_cost(path, confirmed=False)
    assert str(raised.value).startswith(f"{path}: {cost}")
    check_cost(path, confirmed=True)
    assert cost in capsys.readouterr().err


@pytest.mark.parametrize(("wall_s", "kind"), [(599.0, "fitted"), (None, "classical"), (1.5, "classical")])
def test_a_short_encode_needs_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wall_s: float | None, kind: str
) -> None:
    check_cost(record(tmp_path, wall_s=wall_s, kind=kind), confirmed=False)
    assert "the encode took" in capsys.readouterr().err
