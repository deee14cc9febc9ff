"""The tracked streams of long fits: complete, of today's recipes, decoded and scored as recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.base.paths import ROOT
from bench.codec import registry
from bench.conditions.reader import load_condition
from bench.scoring.record import Record

REFERENCES = ROOT / "results" / "reference"
RECORDS = {path: Record.read(path) for path in sorted(REFERENCES.rglob("record.json"))}


def label(path: Path) -> str:
    return "-".join(path.parts[-6:-1])


def test_every_stream_has_its_record_and_report() -> None:
    streams = sorted(REFERENCES.rglob("stream.bin"))
    assert len(streams) > 80
    assert [path.parent for path in streams] == [path.parent for path in RECORDS]
    assert all(path.with_name("encode.json").is_file() for path in streams)


@pytest.mark.parametrize("path", RECORDS, ids=label)
def test_stream_is_smaller_than_the_count_of_the_papers(path: Path) -> None:
    """The whole file is compared with pooled Huffman bits without table or header."""
    record = RECORDS[path]
    if record.settings["quantiser"]["name"] == "float32":  # nothing is entropy-coded, and nothing counted
        assert record.rate_bpp_paper is None
    else:
        assert record.rate_bpp_paper is not None
        assert record.rate_bpp < record.rate_bpp_paper


#: Settings of later stages of a fit. Without one of them `restart_adam` has no effect.
STAGES = ("prune", "quantise", "rounding")


@pytest.mark.parametrize("path", RECORDS, ids=label)
def test_record_has_the_settings_of_its_condition(path: Path) -> None:
    """A recipe that changes leaves no stream behind that it would not encode.

    The streams of demo-v1 were fitted by local-v1. A setting newer than a record has its default there.
    """
    record = RECORDS[path]
    condition = load_condition("local-v1" if record.condition == "demo-v1" else record.condition)
    expected = dict(condition.settings(record.codec, record.point, record.clip))
    recorded = registry.settings_model(record.family).default_values() | dict(record.settings)
    if not any(expected[stage] for stage in STAGES):
        expected.pop("restart_adam")
        recorded.pop("restart_adam")
    assert recorded == expected


#: The tracked points of each network in the default condition.
POINTS = ["bpp0.12", "bpp0.18", "bpp0.27", "bpp0.40"]


@pytest.mark.parametrize(
    "network", ["ffnerv-matched", "nerv-matched", "enerv-matched", "hnerv-matched", "hinerv-matched"]
)
def test_references_of_the_default_condition_are_long_fits_near_their_targets(network: str) -> None:
    """At least 150 epochs, and a rate within 5 % of the target that the point's name states."""
    points = {r.point: r for r in RECORDS.values() if (r.condition, r.codec) == ("demo-v1", network)}
    assert sorted(points) == POINTS
    for point, record in points.items():
        assert record.epochs is not None
        assert record.epochs >= 150
        assert record.rate_bpp == pytest.approx(float(point.removeprefix("bpp")), rel=0.05)


def decoded_here() -> list[Path]:
    """Streams that together have every family, quantiser, condition and clip, the smallest first.

    The lowest point of each network in the default condition is always included.
    """
    chosen: list[Path] = []
    covered: set[str] = set()
    later = {path: (r.condition, r.point) != ("demo-v1", "bpp0.12") for path, r in RECORDS.items()}
    for path in sorted(RECORDS, key=lambda path: (later[path], RECORDS[path].stream_bytes, path)):
        record = RECORDS[path]
        parts = {record.family, record.settings["quantiser"]["name"], record.condition, record.clip}
        if parts - covered:
            covered |= parts
            chosen.append(path)
    return chosen


def marked(path: Path) -> object:
    """`make test-isa` decodes the lowest point of each network, with and without held-out frames."""
    numeric = [pytest.mark.numeric] if RECORDS[path].point == "bpp0.12" else []
    return pytest.param(path, id=label(path), marks=[pytest.mark.slow, *numeric])


@pytest.mark.parametrize("path", [marked(path) for path in decoded_here()])
def test_stream_decodes_as_recorded(path: Path) -> None:
    """`make verify-references` does this for every tracked stream."""
    command = [sys.executable, "-m", "bench", "verify", "--device", "cpu", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{path}: as recorded\n" in done.stdout
