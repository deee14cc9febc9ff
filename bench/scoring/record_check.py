"""Check of a record against the files beside it, to detect records that were edited by hand.

| value | must agree with |
|---|---|
| `rate_bpp` | `stream_bytes`, the size and the number of frames |
| `stream_bytes`, `stream_sha256` | the stream |
| metrics that are means over frames | the columns of frames.csv |

A file that is not beside the record is not compared: git tracks the records of long fits without frames.csv.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from bench.base.errors import BenchError
from bench.base.files import sha256_file
from bench.base.result_files import file_of_record
from bench.scoring.metrics import METRICS

if TYPE_CHECKING:
    from bench.scoring.record import Record

_RELATIVE_TOLERANCE = 1e-6
_REMEDY = "measure the stream again: remove the record and start the run"


def check_files(record: Record, path: Path) -> None:
    """Raise BenchError if the values of the record at `path` contradict each other or the files beside it."""
    rate = 8 * record.stream_bytes / (record.width * record.height * record.frames)
    if not math.isclose(record.rate_bpp, rate, rel_tol=_RELATIVE_TOLERANCE):
        problem = f"rate_bpp is {record.rate_bpp}, but {record.stream_bytes} bytes are {rate:.6g} bpp"
        raise BenchError(path, problem, _REMEDY)
    stream = file_of_record(path, "stream.bin")
    if stream.is_file() and sha256_file(stream) != record.stream_sha256:
        raise BenchError(path, f"stream_sha256 is not that of {stream}", _REMEDY)
    frames_csv = path.with_name("frames.csv")
    if frames_csv.is_file():
        with frames_csv.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for name, metric in METRICS.items():
            if metric.is_mean:
                _check_mean(record, path, name, [row.get(metric.frame_column) or "" for row in rows])


def _check_mean(record: Record, path: Path, name: str, column: list[str]) -> None:
    value = record.metrics.get(name)
    try:
        frames = [float(text) for text in column if text]
    except ValueError:  # not a number
        return
    if value is None or not frames:
        return
    mean = math.fsum(frames) / len(frames)
    if not math.isclose(value, mean, rel_tol=_RELATIVE_TOLERANCE):
        problem = f"metrics: {name} is {value}, but the mean of frames.csv is {mean:.6g}"
        raise BenchError(path, problem, _REMEDY)
