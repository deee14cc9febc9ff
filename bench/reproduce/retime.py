"""Decode times that compare: streams decoded again, one after the other, on one thread.

The decode time in a record may have been taken while other jobs ran. Here each decode has a process of its
own (`bench.codec.decoder_process`) and no other decode runs beside it. Of a point that was fitted with
several seeds, only the lowest seed is timed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.base import process
from bench.base.csv_files import write_csv
from bench.base.errors import BenchError
from bench.base.files import check_writable, read_json, sha256_file
from bench.base.result_files import file_of_record
from bench.codec.container import read_stream
from bench.codec.decoder_process import DecodeCost, time_decode
from bench.codec.device import device_name
from bench.reproduce.inputs import find_records
from bench.scoring.record import Record

#: Variables from which linear-algebra libraries take their number of threads. Snakemake sets them to the
#: threads of a job, here all cores; decoders run on one thread in every record.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def retime(paths: Iterable[Path | str], *, out: Path | str, repeats: int, device: str) -> None:
    """Time the decoders of records' streams. Write one CSV row a stream when all are timed.

    Columns: condition, clip, codec, point, run, stream_sha256; frames, repeats; wall_s and cpu_s (seconds
    of a decode, from the start of its process to its last frame: median, and `_low` and `_high` for the
    extremes); frames_per_second of the median; one_frame_wall_s and one_frame_cpu_s (random access: the
    same for the middle frame alone, once); peak_memory_bytes and peak_device_memory_bytes (the
    largest); cpu_j_per_frame and gpu_j_per_frame (joules a frame, median) or
    energy_reason (why they have no value, `bench.base.energy`); device, machine, threads;
    decoder_weights_bytes (trained weights that the decoder needs beside the stream, for learned codecs).

    Args:
        paths: records, or folders of records.

    Raises:
        BenchError: no record, `repeats` below 1, or a stream that is missing or not the recorded one.
        StreamError: a stream does not decode.
    """
    if repeats < 1:
        raise BenchError(f"--repeats {repeats}", "must be at least 1", "give a positive number")
    check_writable(out)
    chosen = first_seeds((path, Record.read(path)) for path in find_records(map(Path, paths)))
    # Check all streams before any time is spent on the first.
    streams = [(record, _stream_of(path, record)) for path, record in chosen]
    progress, rows = process.progress("retime"), []
    with _one_thread():
        for count, (record, stream) in enumerate(streams, start=1):
            header = read_stream(stream).header
            costs = [time_decode(stream, header, device)[0] for _ in range(repeats)]
            one_frame, _ = time_decode(stream, header, device, header.frames // 2)
            rows.append(_row(record, costs, one_frame) | {"decoder_weights_bytes": _weights_bytes(stream)})
            name = "/".join((record.clip, record.codec, record.point, record.run))
            progress(f"{count} of {len(streams)}: {name}: {rows[-1]['wall_s']:.2f} s")
    write_csv(out, rows)


def first_seeds(records: Iterable[tuple[Path, Record]]) -> list[tuple[Path, Record]]:
    """For each point the record of its lowest seed, in the order given. A reference is another point."""
    first: dict[tuple[object, ...], tuple[Path, Record]] = {}
    for path, record in records:
        key = (record.condition, record.clip, record.series, record.point)
        if key not in first or record.seed < first[key][1].seed:
            first[key] = (path, record)
    return list(first.values())


def _stream_of(path: Path, record: Record) -> Path:
    """The stream of a record, checked against the recorded digest.

    Raises:
        BenchError: the stream is missing or has another digest.
    """
    stream = file_of_record(path, "stream.bin")
    if not stream.is_file():
        raise BenchError(path, "its stream.bin is missing", "encode the clip again")
    if sha256_file(stream) != record.stream_sha256:
        raise BenchError(stream, f"is another stream than that of {path}", "measure the stream again")
    return stream


def _weights_bytes(stream: Path) -> int | None:
    """Bytes of trained weights in a learned codec's decoder, from the report beside its stream."""
    report = stream.with_name("encode.json")
    details = read_json(report, "an encode report").get("details") if report.is_file() else None
    return details.get("decoder_weights_bytes") if isinstance(details, Mapping) else None


def _row(record: Record, costs: list[DecodeCost], one_frame: DecodeCost) -> dict[str, Any]:
    names = ("condition", "clip", "codec", "point", "run", "stream_sha256", "frames")
    wall, cpu = [cost.wall_s for cost in costs], [cost.cpu_s for cost in costs]
    device = str(costs[0].reported.get("device") or "cpu")
    return {
        **{name: getattr(record, name) for name in names},
        "repeats": len(costs),
        **_spread("wall_s", wall),
        **_spread("cpu_s", cpu),
        "frames_per_second": record.frames / median(wall),
        "one_frame_wall_s": one_frame.wall_s,
        "one_frame_cpu_s": one_frame.cpu_s,
        **{key: _largest(costs, key) for key in ("peak_memory_bytes", "peak_device_memory_bytes")},
        **_energy(costs),
        "device": device,
        "machine": device_name(device),
        "threads": 1,
    }


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {name: median(values), f"{name}_low": min(values), f"{name}_high": max(values)}


def _largest(costs: list[DecodeCost], key: str) -> int | None:
    return max((cost.reported[key] for cost in costs if cost.reported.get(key) is not None), default=None)


def _energy(costs: list[DecodeCost]) -> dict[str, float | str | None]:
    """Medians over the decodes; None, with the first reason, unless all of them have a value."""
    medians: dict[str, float | str | None] = {}
    for key in ("cpu_j_per_frame", "gpu_j_per_frame"):
        values = [joules for cost in costs if (joules := cost.energy.get(key)) is not None]
        medians[key] = median(values) if len(values) == len(costs) else None
    reasons = (cost.energy.get("reason") for cost in costs)
    return medians | {"energy_reason": next(filter(None, reasons), None)}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that the block starts compute on one thread. The environment is restored at its end."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
