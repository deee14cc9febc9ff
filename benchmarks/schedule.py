"""The default run against its ideal, fit seconds over cores, from job times that are measured on one core.

python -m benchmarks.schedule [--condition demo-v2] [--cores 2]

Fits are timed by a few steps, encodes and one measurement of each codec by running them. A schedule of all
jobs on the cores follows: a core that is free takes the ready job with the highest priority, as the greedy
scheduler of Snakemake does. It is computed with the priorities of the plan and with fits in listed order.
"""

from __future__ import annotations

import argparse
import heapq
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.base.result_files import RunKey
from bench.codec import registry
from bench.inr.study.fit_hours import fit_seconds
from bench.sequences.prepare import prepare
from bench.workflow.plan import Plan, make_plan
from benchmarks.report import write_report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--condition", default="demo-v2")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    plan = make_plan(args.condition)
    encode_s, measure_s = _job_seconds(plan)
    fits = {point for point in encode_s if plan.configs[point.codec].kind == "fitted"}
    listed = {point: index for index, point in enumerate(plan.points)}
    orders: dict[str, Callable[[Any], float]] = {
        "longest fits first": plan.priority,
        "fits in the order of the condition": lambda point: 1000 * (point in fits) - listed[point] / 1000,
    }
    ideal = sum(encode_s[point] for point in fits) / args.cores
    jobs = sum(encode_s.values()) + sum(measure_s.values())
    values: dict[str, Any] = {
        "condition": args.condition,
        "cores": args.cores,
        "fit seconds over cores": ideal,
        "share of measuring": sum(measure_s.values()) / jobs,
        "all job seconds over cores, over ideal": jobs / args.cores / ideal,
    }
    for name, priority in orders.items():
        seconds = _makespan(encode_s, measure_s, priority, args.cores)
        values[f"{name}: run over ideal"] = seconds / ideal
    write_report("schedule", values)


def _job_seconds(plan: Plan) -> tuple[dict[RunKey, float], dict[RunKey, float]]:
    """CPU seconds of the encode and of the measurement of each run; tracked streams have no encode."""
    encode_s: dict[RunKey, float] = {}
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for clip in plan.clips:
            prepare(plan.condition, clip, folder / clip)
        for codec, config in plan.configs.items():
            points = [point for point in plan.points if point.codec == codec]
            encoded = [point for point in points if not point.reference]
            if config.kind == "fitted":
                fits = [(plan.clips[p.clip], plan.settings_of(p.clip, codec, p.point)) for p in encoded]
                family: Any = registry.load_family(config.family)
                quiet: Callable[[str], None] = lambda line: None  # noqa: E731
                seconds = fit_seconds(family, fits, threads=1, device="cpu", progress=quiet) if fits else []
                encode_s |= dict(zip(encoded, seconds, strict=True))
            for point in encoded if config.kind != "fitted" else []:
                words = ["encode", "--codec", codec, "--point", point.point]
                encode_s[point] = _run(plan, folder, point, [*words, "--out", str(_stream(folder, point))])
            sample = next((p for p in points if p.reference or config.kind != "fitted"), None)
            if sample is not None:
                measured[codec] = _measure(plan, folder, sample)
        usual = max(measured.values())
        measure_s = {point: measured.get(point.codec, usual) for point in plan.points}
    return encode_s, measure_s


def _measure(plan: Plan, folder: Path, point: RunKey) -> float:
    stream = Path(point.file("stream.bin")) if point.reference else _stream(folder, point)
    words = ["measure", "--codec", point.codec, "--point", point.point, "--run", point.run]
    files = ["--out", str(folder / "record.json"), "--frames-csv", str(folder / "frames.csv")]
    report = ["--report", point.file("encode.json")] if point.reference else []
    return _run(plan, folder, point, [*words, "--stream", str(stream), *files, *report])


def _stream(folder: Path, point: RunKey) -> Path:
    return folder / f"{point.clip}-{point.codec}-{point.point}.bin"


def _run(plan: Plan, folder: Path, point: RunKey, words: list[str]) -> float:
    """CPU seconds of a command of the suite."""
    common = ["--condition", plan.condition.name, "--device", "cpu"]
    common += ["--clip", str(folder / point.clip / "clip.json")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bench", *words, *common], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _makespan(
    encode_s: Mapping[RunKey, float],
    measure_s: Mapping[RunKey, float],
    priority: Callable[[RunKey], float],
    cores: int,
) -> float:
    """Seconds until the last job ends. A measurement has priority 0 and waits for its encode."""
    ready = [(-priority(point), index, point) for index, point in enumerate(encode_s)]
    ready += [(0.0, len(ready) + index, p) for index, p in enumerate(measure_s) if p not in encode_s]
    heapq.heapify(ready)
    running: list[tuple[float, int, RunKey, bool]] = []
    now, serial = 0.0, len(measure_s) + len(encode_s)
    while ready or running:
        while ready and len(running) < cores:
            _, number, point = heapq.heappop(ready)
            encodes = point in encode_s and number < len(encode_s)
            seconds = encode_s[point] if encodes else measure_s[point]
            heapq.heappush(running, (now + seconds, number, point, encodes))
        now, _, point, encoded = heapq.heappop(running)
        if encoded:
            serial += 1
            heapq.heappush(ready, (0.0, serial, point))
    return now


if __name__ == "__main__":
    main()
