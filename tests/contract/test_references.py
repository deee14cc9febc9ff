"""The tracked streams of long fits: complete, and decoded and scored again to what their records say."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.base.paths import ROOT
from bench.conditions.reader import load_condition
from bench.scoring.record import Record

REFERENCES = ROOT / "results" / "reference"
RECORDS = sorted(REFERENCES.rglob("record.json"))


def test_every_stream_has_its_record_and_report() -> None:
    streams = sorted(REFERENCES.rglob("stream.bin"))
    assert [path.parent for path in streams] == [path.parent for path in RECORDS]
    assert all(path.with_name("encode.json").is_file() for path in streams)


def named(path: Path) -> str:
    return "-".join(path.parts[-6:-1])


@pytest.mark.parametrize("path", RECORDS, ids=named)
def test_the_file_is_smaller_than_the_papers_own_count(path: Path) -> None:
    """Header, configuration, ranges and all, against pooled Huffman bits without table or header."""
    record = Record.read(path)
    if record.settings["quantiser"]["name"] == "float32":  # nothing is entropy-coded, and nothing counted
        assert record.rate_bpp_paper is None
    else:
        assert record.rate_bpp_paper is not None
        assert record.rate_bpp < record.rate_bpp_paper


#: Settings of a fit's later stages; without one of these, whether Adam starts anew in them says nothing.
STAGES = ("prune", "quantise", "rounding")


@pytest.mark.parametrize("path", RECORDS, ids=named)
def test_a_record_has_the_settings_that_its_condition_gives(path: Path) -> None:
    """A changed recipe leaves no stream behind that it would not make; demo-v1's are of local-v1."""
    record = Record.read(path)
    condition = load_condition("local-v1" if record.condition == "demo-v1" else record.condition)
    given = condition.settings(record.codec, record.point, record.clip)
    idle = [] if any(given[stage] for stage in STAGES) else ["restart_adam"]
    told = {key: value for key, value in record.settings.items() if key not in idle}
    assert {key: given[key] for key in told} == told


#: What is tracked of each network in the default condition.
POINTS = ["bpp0.12", "bpp0.18", "bpp0.27", "bpp0.40"]


@pytest.mark.parametrize(
    "network", ["ffnerv-matched", "nerv-matched", "enerv-matched", "hnerv-matched", "hinerv-matched"]
)
def test_references_of_the_default_condition_are_long_and_near_their_targets(network: str) -> None:
    """150 epochs or more; the rate within a twentieth of the point's name."""
    found = {r.point: r for r in map(Record.read, RECORDS) if (r.condition, r.codec) == ("demo-v1", network)}
    assert sorted(found) == POINTS
    for point, record in found.items():
        assert record.epochs is not None
        assert record.epochs >= 150
        assert record.rate_bpp == pytest.approx(float(point.removeprefix("bpp")), rel=0.05)


def verified_here() -> list[Path]:
    """All of the default condition; of others one stream of each way of coding.

    `bench verify results/reference/*/*/*/*/*/record.json` does all of them, in a quarter of an hour.
    """
    chosen = {("interpolation-v1", "bpp0.12"), ("ablation-quantisers", "equal-6")}
    chosen |= {("ablation-ffnerv", "full"), ("ablation-ffnerv", "post-training")}
    first = [path for path in RECORDS if path.parts[-2] == "seed0"]
    return [p for p in first if p.parts[-6] == "demo-v1" or (p.parts[-6], p.parts[-3]) in chosen]


def marked(path: Path) -> object:
    """`make test-isa` decodes the smallest stream of each network, with and without held-out frames."""
    numeric = path.parts[-3] == "bpp0.12"
    return pytest.param(path, id=named(path), marks=pytest.mark.numeric if numeric else ())


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> str:
    """What `bench verify` prints of the selected streams: two halves, each in a process of one thread."""

    def verify(paths: list[Path]) -> str:
        command = [sys.executable, "-m", "bench", "verify", "--device", "cpu", *map(str, paths)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        return done.stdout + done.stderr

    items = [item for item in request.session.items if getattr(item, "originalname", "") == "test_verified"]
    chosen = [item.callspec.params["path"] for item in items]
    with ThreadPoolExecutor(2) as pool:
        return "".join(pool.map(verify, filter(None, (chosen[::2], chosen[1::2]))))


@pytest.mark.parametrize("path", map(marked, verified_here()))
def test_verified(verdicts: str, path: Path) -> None:
    """Decoded and scored again; a failure prints what differs."""
    assert f"{path}: as recorded\n" in verdicts, verdicts
