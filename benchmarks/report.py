"""What every benchmark does with its numbers: print them, and write them with machine and date."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.codec.provenance import cpu_model

RESULTS = Path(__file__).parent / "results"


def cpu_seconds(function: Callable[[], Any], *, repeats: int = 5) -> float:
    """Median CPU seconds of this process for one call, after a call that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        seconds.append(time.process_time() - started)
    return median(seconds)


def write_report(name: str, values: Mapping[str, Any]) -> None:
    """Print the values, one a line, and write them to ``benchmarks/results/<name>.json``."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    for key, value in values.items():
        text = f"{value:.4g}" if isinstance(value, float) else value
        sys.stdout.write(f"{key}: {text}\n")
    RESULTS.mkdir(exist_ok=True)
    report = {"machine": cpu_model(), "date_utc": date, **values}
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
