"""``bench verify``: decode the streams beside records again and see whether the records are true.

A decoder's float arithmetic differs in its last digits between processors, so metrics are compared
with a tolerance (0.02 dB, 0.001 of MS-SSIM, 0.1 of VMAF); hashes, sizes and counts are exact.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import sha256_file
from bench.base.paths import ROOT
from bench.codec.device import DEVICES
from bench.conditions.model import Condition
from bench.conditions.reader import load_condition
from bench.scoring.record import Record
from bench.video.clip import Clip

_CLIPS = ROOT / "resources" / "clips"
_OTHER_TOLERANCES = {"ms_ssim_rgb": 1e-3, "ms_ssim_y": 1e-3, "vmaf": 0.1}


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("verify", help="decode streams again and check their records")
    parser.add_argument("paths", nargs="+", type=Path, metavar="RECORD.json|DIR")
    add_sources(parser)
    parser.add_argument("--tolerance-db", type=float, default=0.02, help="of metrics in dB (default 0.02)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Where a record's clip and condition are, if not at their places."""
    parser.add_argument("--clip", type=Path, help="clip.json; default: the prepared clip, or prepare it")
    parser.add_argument("--condition", help="name or YAML file; default: the record's")


def run(args: argparse.Namespace) -> int:
    wrong = 0
    with Sources(args.clip, args.condition) as sources:
        for path in find_records(args.paths):
            problems = verify(path, sources, tolerance_db=args.tolerance_db, device=args.device)
            wrong += bool(problems)
            for line in problems or ["as recorded"]:
                sys.stdout.write(f"{path}: {line}\n")
                sys.stdout.flush()
    return 1 if wrong else 0


def find_records(paths: Iterable[Path]) -> list[Path]:
    """The records that are named, or lie in the named folders.

    Raises:
        BenchError: there is none.
    """
    records: list[Path] = []
    for path in paths:
        found = sorted(path.rglob("record.json")) if path.is_dir() else [path]
        if not found:
            raise BenchError(path, "holds no record.json", "give a record or a folder of results")
        records += found
    return records


def verify(path: Path, sources: Sources, *, tolerance_db: float = 0.02, device: str = "auto") -> list[str]:
    """What of one record is not true: one line each; empty where all is."""
    try:
        record = Record.read(path)
        stream = path.with_name("stream.bin")
        if not stream.is_file():
            return ["its stream.bin is missing"]
        if (found := sha256_file(stream)) != record.stream_sha256:
            return [f"stream.bin has sha256 {found[:12]}, recorded {record.stream_sha256[:12]}"]
        clip_json = sources.clip(record)
        clip = Clip.load(clip_json)
        if (found := sha256_file(clip.path)) != record.clip_sha256:
            return [f"clip {record.clip} has sha256 {found[:12]}, recorded {record.clip_sha256[:12]}"]
        again = remeasure(record, path, clip_json, sources.condition(record), device)
    except BenchError as error:
        return [str(error)]
    return list(compare(record, again, tolerance_db))


def remeasure(record: Record, path: Path, clip_json: Path, condition: Condition, device: str) -> Record:
    """A new record of the stream beside `path`, made the way all records are."""
    from bench.scoring.measure import measure

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        measure(
            stream=path.with_name("stream.bin"),
            clip=clip_json,
            report=path.with_name("encode.json"),
            condition=condition.name,
            metrics=condition.metrics,
            codec=record.codec,
            point=record.point,
            run=record.run,
            out=folder / "record.json",
            frames_csv=folder / "frames.csv",
            crop=None,
            device=device,
        )
        return Record.read(folder / "record.json")


def compare(old: Record, new: Record, tolerance_db: float) -> Iterator[str]:
    """One line for each value of `old` that `new` does not confirm."""
    for key in (
        "stream_bytes",
        "frames",
        "width",
        "height",
        "fps",
        "rate_bpp",
        "stream_sha256",
        "clip_sha256",
    ):
        before, now = getattr(old, key), getattr(new, key)
        if before != now:
            yield f"{key} is {now}, recorded {before}"
    for name in {**old.metrics, **new.metrics}:
        before, now = old.metrics.get(name), new.metrics.get(name)
        tolerance = tolerance_db if name.endswith("_db") else _OTHER_TOLERANCES.get(name, 0.0)
        if (before is None) != (now is None):
            yield f"{name} is {now}, recorded {before}"
        elif before is not None and now is not None and not abs(now - before) <= tolerance:
            yield f"{name} is {now:.6g}, recorded {before:.6g} (tolerance {tolerance:g})"


class Sources:
    """Finds a record's condition and clip: those given, those at their places, or a clip prepared now.

    What was prepared lives as long as this does.
    """

    def __init__(self, clip: Path | None = None, condition: str | None = None) -> None:
        self.given_clip, self.given_condition = clip, condition
        self.prepared: dict[tuple[str, str], Path] = {}
        self.stack = ExitStack()

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def condition(self, record: Record) -> Condition:
        """The condition of a record; BenchError where there is none of that name."""
        return load_condition(self.given_condition or record.condition)

    def clip(self, record: Record) -> Path:
        """Path of a record's clip.json.

        Raises:
            BenchError: neither a prepared clip nor its condition and source are at hand.
        """
        if self.given_clip is not None:
            return self.given_clip
        path = _CLIPS / record.condition / record.clip / "clip.json"
        if path.is_file():
            return path
        key = (record.condition, record.clip)
        if key not in self.prepared:
            from bench.sequences.prepare import prepare

            folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            process.progress("verify")(f"preparing {record.clip} of {record.condition}")
            prepare(self.condition(record), record.clip, folder)
            self.prepared[key] = folder / "clip.json"
        return self.prepared[key]
