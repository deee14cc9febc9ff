"""What a GPU does, in about ten minutes: python -m benchmarks.gpu [--minutes 10]

1. Decodes a tracked reference of each network on the GPU and on the CPU, and compares the frames.
2. Times training steps of the five networks at three frame sizes: eager, as a CUDA graph, compiled.
3. Times rendering of 1920x1080 frames.
4. Fits rows of HNeRV's Table 2 until the time is over. Their states stay; the same command continues them.

The numbers go to ``benchmarks/results/gpu.json``, finished fits to ``results/points/bunny-hnerv-table2``.
With `--device cpu` the same code runs on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decoder_process import decode_process
from bench.codec.device import device_name, resolve_device, synchronizer
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition, settings_of
from bench.inr.network import runtime
from bench.inr.study import network_time
from bench.inr.study.network_time import time_network
from bench.reproduce.inputs import RecordInputs, find_records
from bench.scoring.record import Record
from bench.video.clip import Clip, ClipInfo
from bench.video.psnr import psnr_db
from benchmarks.report import write_report

#: Conditions of the tracked references, of the five networks that are timed, and of the fits.
CONDITION, NETWORKS, TABLE = "demo-v1", "local-v1", "bunny-hnerv-table2"
#: Largest difference of PSNR-RGB between two devices, that of `bench verify`.
_TOLERANCE_DB = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="the fits end after these")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--sizes", nargs="+", default=["320x180", "1280x720", "1920x1080"], metavar="WxH")
    parser.add_argument("--steps", type=int, default=50, help="timed steps of each network")
    parser.add_argument("--no-fits", action="store_true", help="leave out step 4")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    condition = load_condition(NETWORKS)
    families = [name for name in condition.codecs if registry.codec_config(name).kind == "fitted"]
    values: dict[str, Any] = {"device": args.device}
    values |= _decodes(args.device)
    for size in args.sizes:
        for codec in families:
            values |= _times(condition, codec, size, args.device, args.steps)
    values["device name"] = device_name(resolve_device(args.device, registry.load_family("nerv")))
    write_report("gpu" if args.device == "cuda" else "gpu-script-on-a-cpu", values)
    if not args.no_fits:
        _fit(end)


def _decodes(device: str) -> dict[str, Any]:
    """Difference between the frames of the CPU and of the device, for one reference of each family."""
    values: dict[str, Any] = {}
    families: set[str] = set()
    for path in find_records([ROOT / "results" / "reference" / CONDITION]):
        record = Record.read(path)
        if record.kind != "fitted" or record.family in families:
            continue
        families.add(record.family)
        stream = path.with_name("stream.bin")
        with RecordInputs() as inputs:
            clip = Clip.load(inputs.clip(record))
            difference = _compare(stream, clip, device)
        values |= {f"{record.family}, {key}": value for key, value in difference.items()}
        if difference["PSNR difference, dB"] > _TOLERANCE_DB:
            sys.exit(f"{stream}: decodes to other frames on {device}: {difference}")
    return values


def _compare(stream: Path, clip: Clip, device: str) -> dict[str, float]:
    header = read_stream(stream).header
    largest, changed, samples, errors = 0, 0, 0, np.zeros((2, 0))
    with decode_process(stream, header, "cpu") as one, decode_process(stream, header, device) as other:
        for a, b, source in zip(one.frames(), other.frames(), clip.rgb(), strict=True):
            gap = np.abs(a.astype(np.int16) - b)
            largest, samples = max(largest, int(gap.max())), samples + gap.size
            changed += int((gap > 0).sum())
            of_frame = [[np.square(frame.astype(float) - source).mean()] for frame in (a, b)]
            errors = np.hstack([errors, of_frame])
        seconds = [process.cost.wall_s for process in (one, other) if process.cost]
    psnr = [float(np.mean([psnr_db(error) for error in row])) for row in errors]
    return {
        "largest difference of a sample": largest,
        "changed samples": changed / samples,
        "PSNR difference, dB": abs(psnr[0] - psnr[1]),
        "decode seconds, CPU over device": seconds[0] / seconds[1],
    }


def _times(condition: Condition, codec_id: str, size: str, device: str, steps: int) -> dict[str, Any]:
    """Milliseconds of a step in each variant, and of rendering one frame."""
    config, point = registry.codec_config(codec_id), condition.points(codec_id)[-1]
    clip = next(iter(condition.clips))
    width, height = map(int, size.split("x"))
    info = ClipInfo(name=clip, sequence="made", width=width, height=height, frames=132, fps=Fraction(25))
    codec: Any = registry.load_family(config.family)
    settings = settings_of(config, point, clip, {}, condition)
    timed = time_network(
        codec, info, settings, steps=steps, threads=1, device=device, variants=network_time.VARIANTS
    )
    values: dict[str, Any] = {
        f"{codec_id} {size}, {variant} step, ms": timed.problems.get(variant, milliseconds)
        for variant, milliseconds in timed.steps_ms.items()
    }
    values[f"{codec_id} {size}, render, ms a frame"] = 1000 * _render_seconds(codec, info, settings, device)
    return values


def _render_seconds(
    codec: Any, info: ClipInfo, settings: dict[str, Any], device: str, frames: int = 10
) -> float:
    device = resolve_device(device, codec)
    runtime.prepare(threads=1, device=device)
    representation = codec.start(info, settings, device=device)
    wait = synchronizer(device) or (lambda: None)
    for _ in _rendered(representation, 2):
        pass
    wait()
    started = time.perf_counter()
    for _ in _rendered(representation, frames):
        pass
    wait()
    return (time.perf_counter() - started) / frames


def _rendered(representation: Any, frames: int) -> Iterator[Any]:
    import torch

    with torch.inference_mode():
        yield from representation.render(0, frames)


def _fit(end: float) -> None:
    """Run the condition of the table until the time is over; states and finished streams stay."""
    command = ["snakemake", "--cores", "all", "--config", f"condition={TABLE}", "--", "all"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        process.wait(timeout=max(1.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
    subprocess.run([sys.executable, "-m", "bench", "status", "--condition", TABLE], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
