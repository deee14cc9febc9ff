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

    The streams of demo-v1 were fitted by local-v1, those of demo-v2 by local-v2. A setting newer than a
    record has its default there.
    """
    record = RECORDS[path]
    condition = load_condition(record.condition.replace("demo-", "local-"))
    expected = dict(condition.settings(record.codec, record.point, record.clip))
    recorded = registry.settings_model(record.family).default_values() | dict(record.settings)
    if not any(expected[stage] for stage in STAGES):
        expected.pop("restart_adam")
        recorded.pop("restart_adam")
    assert recorded == expected


#: The tracked points of each network in demo-v1.
POINTS = ["bpp0.12", "bpp0.18", "bpp0.27", "bpp0.40"]


@pytest.mark.parametrize("network", ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"])
def test_every_network_has_a_reference_at_every_rate(network: str) -> None:
    of_network = (r.point for r in RECORDS.values() if (r.condition, r.family) == ("demo-v1", network))
    assert sorted(of_network) == POINTS


@pytest.mark.parametrize(
    "path", [p for p, r in RECORDS.items() if r.condition in ("demo-v1", "demo-v2")], ids=label
)
def test_references_are_long_fits_near_their_targets(path: Path) -> None:
    """At least 150 epochs, and a rate within 5 % of the target that the point's name states."""
    record = RECORDS[path]
    assert record.epochs is not None
    assert record.epochs >= 150
    assert record.rate_bpp == pytest.approx(float(record.point.removeprefix("bpp")), rel=0.05)


#: Frames of more pixels are decoded by `make verify-references` only. One stream of 1280x640 takes minutes.
LARGEST = 640 * 360


def decoded_here() -> list[Path]:
    """Streams that together have every family, quantiser, condition and clip of small frames.

    Repeatedly the stream that has the most parts that no chosen one has; the smallest of those.
    """
    parts = {
        path: {record.family, record.settings["quantiser"]["name"], record.condition, record.clip}
        for path, record in RECORDS.items()
        if record.width * record.height <= LARGEST
    }
    missing = set[str]().union(*parts.values())
    chosen: list[Path] = []
    while missing:
        chosen.append(max(parts, key=lambda path: (len(parts[path] & missing), -RECORDS[path].stream_bytes)))
        missing -= parts[chosen[-1]]
    return chosen


@pytest.mark.slow
@pytest.mark.numeric
@pytest.mark.parametrize("path", decoded_here(), ids=label)
def test_stream_decodes_as_recorded(path: Path) -> None:
    """`make verify-references` does this for every tracked stream."""
    command = [sys.executable, "-m", "bench", "verify", "--device", "cpu", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # Records with a digest of their frames: on another machine frames may differ in the last bit.
    frames = ["; all frames are identical", "; not all frames are identical"]
    expected = frames if RECORDS[path].decode.get("frames_md5") else [""]
    assert done.stdout in [f"{path}: as recorded{words}\n" for words in expected]
