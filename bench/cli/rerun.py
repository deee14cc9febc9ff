"""``bench rerun``: make one point again from its record, which has its settings, seed and threads."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError
from bench.cli import encode
from bench.cli.verify import Sources, add_sources
from bench.codec import registry
from bench.codec.device import DEVICES
from bench.scoring.record import Record
from bench.video.clip import Clip


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("rerun", help="make one point again from its record")
    parser.add_argument("record", type=Path, metavar="RECORD.json")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="gets stream, report, record")
    add_sources(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    process.die_with_parent()
    with Sources(args.clip, args.condition) as sources:
        rerun(args.record, args.out, sources, device=args.device, command=args.command)
    return 0


def rerun(
    path: Path, out: Path, sources: Sources, *, device: str = "auto", command: Sequence[str] = ()
) -> Record:
    """Encode, decode and measure again into `out`; the new record comes back.

    Raises:
        BenchError: the record, its codec, condition or clip is not at hand.
    """
    from bench.scoring.measure import measure

    record = Record.read(path)
    if (record.provenance.get("encode") or {}).get("imported"):
        raise BenchError(path, "its network was imported, not fitted", "run the command in its provenance")
    condition, clip_json = sources.condition(record), sources.clip(record)
    strip = condition.strip
    clip = Clip.load(clip_json)
    tell = process.progress(f"rerun {record.codec} {record.point} {record.run}")
    if clip.info.sha256 != record.clip_sha256:
        tell("the clip is not the recorded one: the numbers will differ")
    encode.encode(_plan(record, clip, out, device, command))
    again = measure(
        stream=out / "stream.bin",
        clip=clip_json,
        report=out / "encode.json",
        condition=condition.name,
        metrics=condition.metrics,
        codec=record.codec,
        point=record.point,
        run=record.run,
        out=out / "record.json",
        frames_csv=out / "frames.csv",
        crop=out / "crop.png",
        crop_frame=strip.frame if strip else None,
        crop_region=strip.crop if strip else None,
        device=device,
    )
    same = again.stream_sha256 == record.stream_sha256
    sizes = f"the stream has {again.stream_bytes} bytes, {record.stream_bytes} before"
    tell("the stream is the same, byte for byte" if same else sizes)
    return again


def _plan(record: Record, clip: Clip, out: Path, device: str, command: Sequence[str]) -> encode.EncodePlan:
    """The encode that a record tells of: as recorded, whatever the codec's file says today."""
    config = dataclasses.replace(registry.codec_config(record.codec), settings={})
    return encode.EncodePlan(
        config=config,
        point=record.point,
        settings=registry.resolve_settings(config, {}, record.settings),
        clip=clip,
        out=out / "stream.bin",
        seed=record.seed,
        threads=record.encode.get("threads") or config.threads,
        device=device,
        report=out / "encode.json",
        command=command,
    )
