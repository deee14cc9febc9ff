"""The layering contracts of pyproject.toml: rooms, methods, and what never imports torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.base.paths import ROOT


def test_layering_contracts_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
