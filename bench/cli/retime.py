"""``bench retime``: decode streams again with nothing beside them, for times that compare.

A record's decode time was taken while other jobs may have run. Here streams are decoded one after the
other, each decode by a process of its own (`bench.codec.decoder_process`) and on one thread. Of a point
that was fitted with several seeds, only the first is timed.
"""

from __future__ import annotations

import argparse
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
from bench.cli.verify import find_records
from bench.codec.container import read_stream
from bench.codec.decoder_process import DecodeCost, time_decode
from bench.codec.device import DEVICES
from bench.codec.provenance import device_name
from bench.scoring.record import Record
from bench.workflow.plan import Point

REPEATS = 3
#: What libraries of linear algebra take their number of threads from. A workflow gives a job with all
#: cores that many; decoders are single-threaded in every record.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("retime", help="time decoders again, one stream after the other")
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json|DIR")
    parser.add_argument("--out", required=True, type=Path, help="decode_times.csv, one row a stream")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"decodes of each (default {REPEATS})")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    process.die_with_parent()
    retime(args.records, out=args.out, repeats=args.repeats, device=args.device)
    return 0


def retime(paths: Iterable[Path | str], *, out: Path | str, repeats: int = REPEATS, device: str) -> None:
    """Time the streams of records, and write one row a stream once all are timed.

    Columns: condition, clip, codec, point, run, stream_sha256; frames, repeats; the median, lowest and
    highest wall and CPU seconds of a decode, from its process's start to its last frame; frames a second
    of the median; the largest peak memory on host and device; device, machine, threads; and the bytes of
    trained weights that the decoder needs beside the stream, where its encoder told any.

    Args:
        paths: records, or folders of records.

    Raises:
        BenchError: no record, no number of repeats, or a stream that is missing or is not the recorded one.
        StreamError: a stream does not decode.
    """
    if repeats < 1:
        raise BenchError(f"--repeats {repeats}", "is no number of decodes", "give 1 or more")
    check_writable(out)
    chosen = first_seeds((path, Record.read(path)) for path in find_records(map(Path, paths)))
    # Before hours are spent on the first of them, all are looked for.
    streams = [(record, _stream_of(path, record)) for path, record in chosen]
    tell, rows = process.progress("retime"), []
    with _one_thread():
        for count, (record, stream) in enumerate(streams, start=1):
            header = read_stream(stream).header
            costs = [time_decode(stream, header, device)[0] for _ in range(repeats)]
            rows.append(_row(record, costs) | {"decoder_weights_bytes": _weights_bytes(stream)})
            place = "/".join((record.clip, record.codec, record.point, record.run))
            tell(f"{count} of {len(streams)}: {place}: {rows[-1]['wall_s']:.2f} s")
    write_csv(out, rows)


def first_seeds(records: Iterable[tuple[Path, Record]]) -> list[tuple[Path, Record]]:
    """Each point's record of the lowest seed, in the order given; a reference is another point."""
    first: dict[tuple[object, ...], tuple[Path, Record]] = {}
    for path, record in records:
        place = (record.condition, record.clip, record.series, record.point)
        if place not in first or record.seed < first[place][1].seed:
            first[place] = (path, record)
    return list(first.values())


def _stream_of(path: Path, record: Record) -> Path:
    """A record's stream: beside it, or among the tracked ones, with the recorded digest.

    Raises:
        BenchError: it is at neither place, or is another.
    """
    names = ("condition", "clip", "codec", "point", "run")
    tracked = Point(**{name: getattr(record, name) for name in names}).file("stream.bin")
    found = next((place for place in (path.with_name("stream.bin"), Path(tracked)) if place.is_file()), None)
    if found is None:
        raise BenchError(path, "its stream.bin is missing", "encode the clip again")
    if sha256_file(found) != record.stream_sha256:
        raise BenchError(found, f"is another stream than that of {path}", "measure the stream again")
    return found


def _weights_bytes(stream: Path) -> int | None:
    """Bytes of trained weights in a learned codec's decoder, from the report beside its stream."""
    report = stream.with_name("encode.json")
    details = read_json(report, "an encode report").get("details") if report.is_file() else None
    return details.get("decoder_weights_bytes") if isinstance(details, Mapping) else None


def _row(record: Record, costs: list[DecodeCost]) -> dict[str, Any]:
    names = ("condition", "clip", "codec", "point", "run", "stream_sha256", "frames")
    wall, cpu = [cost.wall_s for cost in costs], [cost.cpu_s for cost in costs]
    device = str(costs[0].told.get("device") or "cpu")
    return {
        **{name: getattr(record, name) for name in names},
        "repeats": len(costs),
        **_spread("wall_s", wall),
        **_spread("cpu_s", cpu),
        "frames_per_second": record.frames / median(wall),
        **{key: _largest(costs, key) for key in ("peak_memory_bytes", "peak_device_memory_bytes")},
        "device": device,
        "machine": device_name(device),
        "threads": 1,
    }


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {name: median(values), f"{name}_low": min(values), f"{name}_high": max(values)}


def _largest(costs: list[DecodeCost], key: str) -> int | None:
    return max((cost.told[key] for cost in costs if cost.told.get(key) is not None), default=None)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that are started in this block compute on one thread; the environment comes back after it."""
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
