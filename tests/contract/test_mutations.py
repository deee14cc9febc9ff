"""Altered streams: every decoder ends with an error or with frames, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.base.paths import ROOT
from bench.codec import registry
from tests.contract.conftest import Coded, run_environment

CHILD = Path(__file__).with_name("mutate_child.py")
#: Random changes a codec id, by kind (decoding costs microseconds, a process, or a network), on top of
#: the systematic ones.
COUNTS = {"control": 1500, "classical": 150, "fitted": 120, "learned": 60}
#: Address space that decoding may take beyond what an honest decode took, and real memory.
ALLOWANCE_MIB = 512
GROWTH_BYTES = 64 << 20
CHILD_BYTES = 512 << 20


def test_altered_streams_end_as_errors_or_frames(
    codec: str, coded: Callable[[str], Coded], tmp_path: Path
) -> None:
    count = COUNTS[registry.codec_config(codec).kind]
    arguments = [str(coded(codec).stream), str(count), "1", str(ALLOWANCE_MIB)]
    command = [sys.executable, str(CHILD), *arguments]
    environment = run_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert not told["failures"], "\n".join(told["failures"])
    assert told["outcomes"]["error"] + told["outcomes"]["frames"] >= count
    assert told["outcomes"]["error"] > count / 2
    assert told["slowest_s"] < 2 + 20 * told["honest_s"]
    assert told["grown_bytes"] < GROWTH_BYTES
    assert told["largest_child_bytes"] < CHILD_BYTES
    assert not list(tmp_path.iterdir()), "a decoder writes nothing"
