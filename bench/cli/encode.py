"""``bench encode``: one clip, one codec, one rate point, one stream file and its report."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import check_writable, json_value, sha256_file, write_json
from bench.base.stage_clock import StageClock, cpu_seconds
from bench.base.strict_yaml import parse_yaml
from bench.codec import registry
from bench.codec.container import Header, write_stream
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.codec.device import DEVICES, resolve_device, synchronizer
from bench.codec.provenance import device_name, provenance
from bench.codec.registry import CodecConfig
from bench.conditions.reader import load_condition, settings_of
from bench.video.clip import Clip


@dataclass(frozen=True, kw_only=True)
class EncodePlan:
    """One encode. `device` is as asked for; without a `state_dir` a temporary place is used.

    `settings` are complete (`registry.resolve_settings` made them), but for an import, which needs few:
    `imported` says then which file the weights come from.
    """

    config: CodecConfig
    point: str
    settings: Mapping[str, Any]
    clip: Clip
    out: Path
    seed: int = 0
    threads: int = 1
    device: str = "auto"
    report: Path | None = None
    state_dir: Path | None = None
    command: Sequence[str] = ()
    imported: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.config.id} {self.point} seed{self.seed}"


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("encode", help="code one clip into one stream file")
    parser.add_argument("--codec", required=True, metavar="ID", help="a codec id; `bench codecs` lists them")
    parser.add_argument("--point", required=True, help="a rate point of the condition or the codec")
    parser.add_argument("--condition", help="a name in config/conditions, or a YAML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--clip", required=True, type=Path, help="a prepared clip's clip.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=DEVICES, help="default: the condition's, else auto")
    parser.add_argument("--out", required=True, type=Path, help="the stream file")
    parser.add_argument("--report", type=Path, help="what the encode took and told, as JSON")
    parser.add_argument("--state-dir", type=Path, help="where a fit keeps its state to go on from")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = registry.codec_config(args.codec)
    condition = load_condition(args.condition) if args.condition else None
    clip = Clip.load(args.clip)
    plan = EncodePlan(
        config=config,
        point=args.point,
        settings=settings_of(config, args.point, clip.info.name, parse_overrides(args.set), condition),
        clip=clip,
        out=args.out,
        seed=args.seed,
        threads=config.threads,
        device=args.device or (condition.device if condition else "auto"),
        report=args.report,
        state_dir=args.state_dir,
        command=args.command,
    )
    process.die_with_parent()
    encode(plan)
    return 0


def encode(plan: EncodePlan) -> dict[str, Any]:
    """Write the stream, then its report; the report comes back.

    Raises:
        BenchError: the codec cannot code this clip, or the state folder is in use.
        OSError: an output cannot be written. Nothing stands under a final name then.
    """
    codec = registry.load_family(plan.config.family)
    if reason := codec.skip(plan.clip.info, plan.settings):
        raise BenchError(f"{plan.name} of {plan.clip.info.name}", reason, "choose another point or clip")
    return write_coded(plan, codec, codec.encode, _state(plan))


def write_coded(
    plan: EncodePlan,
    codec: Codec,
    code: Callable[[Clip, EncodeJob], Encoded],
    state: AbstractContextManager[Path],
) -> dict[str, Any]:
    """Code the clip, write the stream, then its report; the report comes back.

    Args:
        code: what codes it: `codec.encode`, or something that stands in for a fit.
        state: gives the state folder, and is left when the stream is written.

    Raises:
        BenchError: see `encode`; OSError likewise.
    """
    device = resolve_device(plan.device, codec)
    for path in (plan.out, plan.report):
        if path is not None:
            check_writable(path)
    clock = StageClock(synchronizer(device))
    tell = process.progress(plan.name)
    wall, cpu = time.perf_counter(), cpu_seconds()
    with state as state_dir:
        job = EncodeJob(
            settings=plan.settings,
            seed=plan.seed,
            threads=plan.threads,
            device=device,
            state_dir=state_dir,
            progress=tell,
            clock=clock,
        )
        encoded = code(plan.clip, job)
        header = Header.of_clip(plan.clip.info, family=plan.config.family, pixel_format=encoded.pixel_format)
        if plan.report is not None:  # an old one must never stand beside a new stream
            plan.report.unlink(missing_ok=True)
        size = write_stream(plan.out, header, encoded.payload)
    earlier_wall, earlier_cpu = encoded.earlier_s
    if "fit" in clock.seconds:
        clock.seconds["fit"]["wall_s"] += earlier_wall
        clock.seconds["fit"]["cpu_s"] += earlier_cpu
    took = {
        "wall_s": time.perf_counter() - wall + earlier_wall,
        "cpu_s": cpu_seconds() - cpu + earlier_cpu,
        "stages": clock.seconds,
    }
    report = _report(plan, encoded, {"device": device, "stream_bytes": size, **took})
    if plan.report is not None:
        write_json(plan.report, report)
    rate_bpp = 8 * size / plan.clip.info.pixels
    tell(f"{size} bytes, {rate_bpp:.4f} bpp, {took['wall_s']:.1f} s")
    return report


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as settings; values are YAML.

    Raises:
        BenchError: a word is not of that form.
    """
    settings = {}
    for word in words:
        key, equals, value = word.partition("=")
        try:
            settings[key.strip()] = parse_yaml(value)
        except yaml.YAMLError:
            equals = ""
        if not equals or not key.strip():
            raise BenchError(f"--set {word}", "is no setting", "write --set key=value")
    return settings


@contextmanager
def _state(plan: EncodePlan) -> Iterator[Path]:
    """The state folder, locked. One that nobody asked for goes when the stream is complete."""
    if plan.config.kind != "fitted" and plan.state_dir is None:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            yield Path(name)
        return
    folder = plan.state_dir or plan.out.with_name(f"{plan.out.name}.state")
    with process.locked(folder):
        yield folder
        if plan.state_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


def _report(plan: EncodePlan, encoded: Encoded, took: Mapping[str, Any]) -> dict[str, Any]:
    config = plan.config
    origin = {} if plan.imported is None else {"imported": dict(plan.imported)}
    made = provenance(family=config.family, device=device_name(took["device"]), command=plan.command)
    return json_value(
        {
            "codec": config.id,
            "family": config.family,
            "kind": config.kind,
            "label": config.label,
            "point": plan.point,
            "settings": plan.settings,
            "seed": plan.seed,
            "threads": plan.threads,
            "stream_sha256": sha256_file(plan.out),
            **took,
            **process.peak_memory(),
            "details": {**encoded.details, **origin},
            "provenance": {**made, **origin},
        }
    )
