"""Verification of a record: decode its stream again, score the frames again, compare the values.

A decoder's float arithmetic differs in its last digits between processors. Each metric, and each value that
is derived from it, is compared with the tolerance that the metric was registered with: 0.02 dB of PSNR, 0.001
of MS-SSIM, 0.1 of VMAF. Hashes and sizes are exact. `identical_frames` is exact for codecs that decode in
integers and is not compared for networks. A metric that the record does not have is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import sha256_file, temporary_folder
from bench.base.result_files import file_of_record
from bench.conditions.condition import Condition
from bench.reproduce.inputs import RecordInputs
from bench.scoring.measure import measure
from bench.scoring.metrics import NOT_LISTED, Metric, metric_of
from bench.scoring.record import Record
from bench.video.clip import Clip

#: Kinds of codecs whose decoders compute in floating point.
NETWORKS = ("fitted", "learned")


def verify(
    path: Path, inputs: RecordInputs, *, tolerance_db: float | None = None, device: str = "auto"
) -> list[str]:
    """Deviations of one record from its stream, one line each; an empty list if there are none.

    Args:
        tolerance_db: replaces the tolerance of metrics in dB.
    """
    try:
        record = Record.read(path)
        stream = file_of_record(path, "stream.bin")
        if not stream.is_file():
            return [f"{stream}: is missing"]
        if (digest := sha256_file(stream)) != record.stream_sha256:
            return [f"{stream}: has sha256 {digest[:12]}, recorded {record.stream_sha256[:12]}"]
        clip_json = inputs.clip(record)
        clip = Clip.load(clip_json)
        if (digest := sha256_file(clip.truth_path)) != record.clip_sha256:
            return [f"clip {record.clip} has sha256 {digest[:12]}, recorded {record.clip_sha256[:12]}"]
        again = remeasure(record, path, clip_json, inputs.condition(record), device)
    except BenchError as error:
        return [str(error)]
    return list(compare(record, again, tolerance_db))


def remeasure(record: Record, path: Path, clip_json: Path, condition: Condition, device: str) -> Record:
    """Measure the stream of the record at `path` again, into a temporary folder. Return the new record."""
    with temporary_folder("verify") as folder:
        return measure(
            stream=file_of_record(path, "stream.bin"),
            clip=clip_json,
            report=file_of_record(path, "encode.json"),
            condition=condition.name,
            metrics=condition.measured_metrics,
            codec=record.codec,
            point=record.point,
            run=record.run,
            out=folder / "record.json",
            frames_csv=folder / "frames.csv",
            crop=None,
            device=device,
        )


def compare(old: Record, new: Record, tolerance_db: float | None = None) -> Iterator[str]:
    """Yield one line for each value of `old` that differs from that of `new` by more than its tolerance.

    Args:
        tolerance_db: replaces the tolerance of metrics in dB.
    """
    for key in (
        "stream_bytes",
        "frames",
        "width",
        "height",
        "fps",
        "truth",
        "rate_bpp",
        "stream_sha256",
        "clip_sha256",
    ):
        before, now = getattr(old, key), getattr(new, key)
        if before != now:
            yield f"{key} is {now}, recorded {before}"
    for name in {**old.metrics, **new.metrics}:
        before, now = old.metrics.get(name), new.metrics.get(name)
        metric = metric_of(name)
        if metric is None:
            yield f"{name}: unknown metric; register it, or measure the stream again"
        elif not (name in old.metrics and name in new.metrics) or old.reasons.get(name) == NOT_LISTED:
            continue  # one record is older than the metric, or than its place in the condition
        elif (before is None) != (now is None):
            yield f"{name} is {now}, recorded {before}"
        elif before is not None and now is not None:
            tolerance = _tolerance(metric, old, tolerance_db)
            if not abs(now - before) <= tolerance:
                yield f"{name} is {now:.6g}, recorded {before:.6g} (tolerance {tolerance:g})"


def _tolerance(metric: Metric, record: Record, tolerance_db: float | None) -> float:
    """Largest difference that is accepted between two values of a metric; infinity: not compared."""
    if metric.tolerance is None:
        return math.inf if record.kind in NETWORKS else 0.0
    in_db = metric.name.endswith("_db")
    return tolerance_db if in_db and tolerance_db is not None else metric.tolerance
