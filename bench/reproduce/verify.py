"""Verification of a record: decode its stream again, score the frames again, compare the values.

A decoder's float arithmetic differs in its last digits between processors. Each metric, and each value that
is derived from it, is compared with the tolerance that the metric was registered with. Hashes and sizes are
exact. `identical_frames` is exact for codecs that decode in integers and is not compared for networks. A
metric that the record does not have is not compared.

Records state the MD5 of all frames, frames.csv that of each: they show whether the frames are the same here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.base.csv_files import read_table
from bench.base.errors import BenchError
from bench.base.files import sha256_file, temporary_folder
from bench.base.result_files import file_of_record
from bench.reproduce.inputs import RecordInputs
from bench.scoring.measure import measure
from bench.scoring.metrics import NOT_LISTED, Metric, metric_of
from bench.scoring.record import Record
from bench.video.clip import Clip

#: Kinds of codecs whose decoders compute in floating point.
NETWORKS = ("fitted", "learned")


@dataclass(frozen=True)
class Verification:
    """Result of a verification.

    Attributes:
        problems: deviations of the record from its stream, one line each. frames: whether the decoded frames
            are those of the record; empty where it has no digests.
    """

    problems: list[str]
    frames: str = ""


def verify(
    path: Path, inputs: RecordInputs, *, tolerance_db: float | None = None, device: str = "auto"
) -> Verification:
    """Decode and score the stream of one record again, and compare.

    Args:
        tolerance_db: replaces the tolerance of metrics in dB.
    """
    try:
        record = Record.read(path)
        stream = file_of_record(path, "stream.bin")
        if not stream.is_file():
            return Verification([f"{stream}: is missing"])
        if (digest := sha256_file(stream)) != record.stream_sha256:
            problem = f"{stream}: has sha256 {digest[:12]}, recorded {record.stream_sha256[:12]}"
            return Verification([problem])
        clip_json = inputs.clip(record)
        clip = Clip.load(clip_json)
        if (digest := sha256_file(clip.truth_path)) != record.clip_sha256:
            problem = f"clip {record.clip} has sha256 {digest[:12]}, recorded {record.clip_sha256[:12]}"
            return Verification([problem])
        condition = inputs.condition(record)
        with temporary_folder("verify") as folder:
            again = measure(
                stream=stream,
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
            frames = compare_frames(path.with_name("frames.csv"), folder / "frames.csv")
    except BenchError as error:
        return Verification([str(error)])
    before, now = (one.decode.get("frames_md5") for one in (record, again))
    if not frames and before:
        frames = "all frames are identical" if before == now else "not all frames are identical"
    return Verification(list(compare(record, again, tolerance_db)), frames)


def compare_frames(old: Path, new: Path) -> str:
    """Whether the frames of two frames.csv are identical, or how much they differ; empty without digests."""
    if not old.is_file():
        return ""
    before, now = (read_table(path, text=("md5",), remedy="measure it again") for path in (old, new))
    if "md5" not in before or len(before) != len(now):
        return ""
    changed = before["md5"] != now["md5"]
    if not changed.any():
        return f"all {len(now)} frames are identical"
    step = (before["psnr_rgb_db"] - now["psnr_rgb_db"]).abs().max()
    return f"{changed.sum()} of {len(now)} frames differ, by at most {step:.2g} dB of PSNR-RGB"


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
