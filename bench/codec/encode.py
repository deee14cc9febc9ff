"""Encoding: one clip, one codec, one rate point in; one stream file and its report out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.base.energy import EnergyMeter
from bench.base.errors import BenchError
from bench.base.files import check_writable, json_value, sha256_file, temporary_folder, write_json
from bench.base.locks import locked
from bench.base.stage_clock import StageClock, cpu_seconds
from bench.codec import registry
from bench.codec.container import Header, write_stream
from bench.codec.contract import Encoded, EncodeJob
from bench.codec.device import device_name, gpu_uuid, resolve_device, synchronizer
from bench.codec.provenance import provenance
from bench.video.clip import Clip

if TYPE_CHECKING:
    from bench.codec.codec_config import CodecConfig

#: Codes a clip: the method `encode` of a codec, or a function with the same arguments.
Encoder = Callable[[Clip, EncodeJob], Encoded]


@dataclass(frozen=True, kw_only=True)
class EncodePlan:
    """Everything that one encode depends on.

    Attributes:
        settings: complete settings (`bench.codec.registry.resolve_settings`); for an imported network
            the few that its stream depends on.
        out, report: the stream file, and its report (None writes none).
        device: as requested: auto, cpu or cuda.
        state_dir: where a fit saves the state that it resumes from. Without one a fit uses a folder
            beside `out` and deletes it at the end.
        adopt: whether a fit may continue a state of other settings in this folder, where that is sound.
        command: the command line, for the provenance of the report.
        imported: checkpoint file and its SHA-256 where the weights are imported, not fitted.
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
    adopt: bool = False
    command: Sequence[str] = ()
    imported: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The prefix of progress lines."""
        return f"{self.config.id} {self.point} seed{self.seed}"


def encode(plan: EncodePlan, encoder: Encoder | None = None) -> dict[str, Any]:
    """Write the stream, then its report. Return the report.

    Args:
        encoder: replaces the codec's own encoder, for weights that are imported.

    Raises:
        BenchError: the codec cannot code this clip with these settings, or the state folder is in use.
        OSError: an output cannot be written. There is no file with its final name then.
    """
    codec = registry.load_family(plan.config.family)
    if encoder is None and (reason := codec.skip(plan.clip.info, plan.settings)):
        raise BenchError(f"{plan.name} of {plan.clip.info.name}", reason, "choose another point or clip")
    device = resolve_device(plan.device, codec)
    for path in (plan.out, plan.report):
        if path is not None:
            check_writable(path)
    clock, progress = StageClock(synchronizer(device)), process.progress(plan.name)
    started_cpu = cpu_seconds()
    with _state_folder(plan) as state_dir, EnergyMeter(gpus=device != "cpu") as meter:
        job = EncodeJob(
            codec=plan.config.id,
            point=plan.point,
            settings=plan.settings,
            seed=plan.seed,
            threads=plan.threads,
            device=device,
            state_dir=state_dir,
            adopt=plan.adopt,
            progress=progress,
            clock=clock,
        )
        encoded = (encoder or codec.encode)(plan.clip, job)
        header = Header.of_clip(plan.clip.info, family=plan.config.family, pixel_format=encoded.pixel_format)
        if plan.report is not None:  # the report of an older stream must not remain beside the new one
            plan.report.unlink(missing_ok=True)
        size = write_stream(plan.out, header, encoded.payload)
        meter.stop()
    energy = meter.per_frame(plan.clip.info.frames, cpu_s=cpu_seconds() - started_cpu, gpu=gpu_uuid(device))
    earlier_wall, earlier_cpu = encoded.earlier_s
    if "fit" in clock.seconds:
        clock.seconds["fit"]["wall_s"] += earlier_wall
        clock.seconds["fit"]["cpu_s"] += earlier_cpu
    if earlier_wall:
        energy = dict.fromkeys(energy) | {"reason": "the encode was interrupted, and resumed"}
    cost = {
        "wall_s": time.perf_counter() - clock.started + earlier_wall,
        "cpu_s": cpu_seconds() - started_cpu + earlier_cpu,
        "stages": clock.seconds,
        "energy": energy,
        **process.peak_memory(),
        **clock.facts,
    }
    report = _report(plan, encoded, device=device, stream_bytes=size, cost=cost)
    if plan.report is not None:
        write_json(plan.report, report)
    rate_bpp = 8 * size / plan.clip.info.pixels
    budget = f" of {clock.facts['budget']['encode_s']:g} s" if "budget" in clock.facts else ""
    progress(f"{size} bytes, {rate_bpp:.4f} bpp, {cost['wall_s']:.1f} s{budget}")
    return report


@contextmanager
def _state_folder(plan: EncodePlan) -> Iterator[Path]:
    """The locked state folder. Unless the caller chose it, it is deleted when the stream is complete."""
    if plan.state_dir is None and (plan.config.kind != "fitted" or plan.imported is not None):
        with temporary_folder("encode") as folder:
            yield folder
        return
    folder = plan.state_dir or plan.out.with_name(f"{plan.out.name}.state")
    with locked(folder):
        yield folder
        if plan.state_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


def _report(
    plan: EncodePlan, encoded: Encoded, *, device: str, stream_bytes: int, cost: Mapping[str, Any]
) -> dict[str, Any]:
    config = plan.config
    imported = {} if plan.imported is None else {"imported": dict(plan.imported)}
    # A record contains the provenance of its encode, and so shows how a fit deviates from an undisturbed one.
    deviations = {key: encoded.details[key] for key in ("adopted", "restarts") if key in encoded.details}
    origin = provenance(family=config.family, device=device_name(device), command=plan.command)
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
            "device": device,
            "stream_bytes": stream_bytes,
            **cost,
            "details": {**encoded.details, **imported},
            "provenance": {**origin, **imported, **deviations},
        }
    )
