"""Damaged and hostile streams end as a StreamError or as frames, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.base.paths import ROOT
from tests.contract.conftest import CODECS, REPRESENTATIVES, Coded, run_environment

CHILD = Path(__file__).with_name("mutate_child.py")
#: Random changes of a stream, by kind of codec, besides the systematic ones. A control decodes in
#: microseconds, a classical codec starts a process, the others run a network.
COUNTS = {"control": 800, "classical": 80, "fitted": 60, "learned": 30}
#: Of an external codec, whose decoder starts several processes.
EXTERNAL_COUNT = 20
#: Limits of address space and of memory beyond those of an intact stream's decode.
ALLOWANCE_MIB = 512
GROWTH_BYTES = 64 << 20
CHILD_BYTES = 512 << 20

#: Quantisers that no codec id of `config/codecs` uses.
OTHER_QUANTISERS: dict[str, dict[str, Any]] = {
    "float32": {"name": "float32"},
    "integer zero point": {"name": "affine", "bits": 6, "axis": 0, "zero_point": "integer"},
    "overrides": {"name": "affine", "bits": 6, "axis": 0, "overrides": {"stem": {"bits": 8}}},
}
#: One codec id of each payload format and quantiser: those that share both share their decoder.
STREAMS = [pytest.param(codec, None, id=codec) for codec in REPRESENTATIVES]
STREAMS += [pytest.param("nerv-official", value, id=name) for name, value in OTHER_QUANTISERS.items()]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quantiser"), STREAMS)
def test_altered_streams_end_as_errors_or_frames(
    name: str,
    quantiser: dict[str, Any] | None,
    coded: Callable[[str], Coded],
    encode_with: Callable[..., Coded],
    tmp_path: Path,
) -> None:
    count = EXTERNAL_COUNT if CODECS[name].family == "external" else COUNTS[CODECS[name].kind]
    stream = (coded(name) if quantiser is None else encode_with(name, quantiser=quantiser)).stream
    command = [sys.executable, str(CHILD), str(stream), str(count), "1", str(ALLOWANCE_MIB)]
    environment = run_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert not report["failures"], "\n".join(report["failures"])
    systematic, resealed, damaged = (
        report["outcomes"].get(group, {}) for group in ("systematic", "resealed", "damaged")
    )
    assert systematic["error"] > 0
    assert sum(resealed.values()) == count // 2
    assert resealed["error"] > 0
    assert count * 0.4 < sum(damaged.values()) <= count - count // 2
    assert set(damaged) == {"error"}, "the checksum detects every change"
    assert report["slowest_s"] < 2 + 20 * report["intact_s"]
    assert report["grown_bytes"] < GROWTH_BYTES
    assert report["largest_child_bytes"] < CHILD_BYTES
    assert not list(tmp_path.iterdir()), "a decoder writes nothing"
