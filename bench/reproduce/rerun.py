"""Repetition of a run from its record: encode with the recorded settings, seed and threads, then measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.base import process
from bench.base.errors import BenchError
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.reproduce.inputs import RecordInputs
from bench.scoring.measure import measure
from bench.scoring.record import Record
from bench.video.clip import Clip

#: An encode that took this long, in seconds, is repeated only on request.
LONG_S = 600.0


def check_cost(path: Path, *, confirmed: bool) -> None:
    """Print how long the recorded encode took.

    Raises:
        BenchError: the record is missing, or it took `LONG_S` or longer, or an unknown time for a fit, and
            the user has not `confirmed` to repeat it.
    """
    record = Record.read(path)
    seconds, epochs = record.encode.get("wall_s"), record.epochs
    time = f"{seconds / 3600:.1f} h" if seconds and seconds >= 3600 else f"{(seconds or 0) / 60:.1f} min"
    fit = f" for {epochs} epochs" if epochs else ""
    on = record.encode.get("device") or "cpu"
    cost = f"the encode took {time if seconds else 'an unknown time'}{fit} on {on}, the record's machine"
    if not confirmed and (seconds or (LONG_S if record.kind == "fitted" else 0)) >= LONG_S:
        raise BenchError(path, cost, "add --yes to repeat it")
    process.progress(f"rerun {record.codec} {record.point} {record.run}")(cost)


def rerun(
    path: Path, out: Path, inputs: RecordInputs, *, device: str = "auto", command: Sequence[str] = ()
) -> Record:
    """Encode and measure the run of a record again, into the folder `out`. Return the new record.

    The settings are the recorded ones, whatever the codec's file states today. A fit with a budget in seconds
    has the recorded number of epochs.

    Raises:
        BenchError: the record, its codec, condition or clip is missing, or its network was imported.
    """
    record = Record.read(path)
    if (record.provenance.get("encode") or {}).get("imported"):
        raise BenchError(path, "its network was imported, not fitted", "run the command in its provenance")
    condition, clip_json = inputs.condition(record), inputs.clip(record)
    clip = Clip.load(clip_json)
    progress = process.progress(f"rerun {record.codec} {record.point} {record.run}")
    if clip.info.sha256 != record.clip_sha256:
        progress("the clip differs from the recorded one: the numbers will differ")
    config = registry.codec_config(record.codec).model_copy(update={"settings": {}})
    # A repetition has the recorded number of epochs: a new probe would derive another one.
    budget = record.encode.get("budget")
    length = {"epochs": budget["epochs"], "encode_s": None} if budget else {}
    encode(
        EncodePlan(
            config=config,
            point=record.point,
            settings=registry.resolve_settings(config, {}, {**record.settings, **length}),
            clip=clip,
            out=out / "stream.bin",
            seed=record.seed,
            threads=record.encode.get("threads") or config.threads,
            device=device,
            report=out / "encode.json",
            command=command,
        )
    )
    again = measure(
        stream=out / "stream.bin",
        clip=clip_json,
        report=out / "encode.json",
        condition=condition.name,
        metrics=condition.measured_metrics,
        codec=record.codec,
        point=record.point,
        run=record.run,
        out=out / "record.json",
        frames_csv=out / "frames.csv",
        crop=out / "crop.png",
        crop_frame=condition.strip.frame if condition.strip else None,
        crop_region=condition.strip.crop if condition.strip else None,
        device=device,
    )
    same = again.stream_sha256 == record.stream_sha256
    sizes = f"the stream has {again.stream_bytes} bytes, {record.stream_bytes} before"
    progress("the stream is the same, byte for byte" if same else sizes)
    return again
