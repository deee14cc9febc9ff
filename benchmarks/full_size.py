"""A clip of UVG's size through the whole workflow, with the peak memory of each step.

python -m benchmarks.full_size FOLDER [--frames 600] [--fit-frames 60]

UVG cannot be shipped. The clip is Big Buck Bunny, scaled to 1920x1080 and repeated to 600 frames, as a raw
file like those of UVG. A copy of the checkout in FOLDER runs two conditions on it, from the file to tables:

* ``full-size-v1``: all frames, x264;
* ``full-size-fit-v1``: the first frames (`--fit-frames`), FFNeRV's published network c48 for one epoch.

A step's memory is that of its command and all child processes at one time (resident set, sampled). The memory
of a fit of all frames is in ``benchmarks/results/memory.json``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

from bench.base.ffmpeg import ffmpeg_exe
from bench.base.paths import ROOT
from bench.sequences.source_file import open_source
from bench.sequences.table import find_sequence
from benchmarks.report import write_report

_COPIED = ("Snakefile", "workflow", "config", "profiles", "bench", "ffnerv", "baselines", "pyproject.toml")
_NAME, _FIT_NAME = "full-size-v1", "full-size-fit-v1"
_SAMPLE_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="for the copy and 10 GB of clip and results")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--fit-frames", type=int, default=60, help="frames that the network is fitted to")
    args = parser.parse_args()
    _copy(args.folder)
    _write_clip(args.folder / "stand-in.yuv", args.frames)
    _write_row(args.folder, args.frames)
    _write_conditions(args.folder, args.fit_frames)
    values: dict[str, Any] = {"frames": args.frames, "frames that are fitted": args.fit_frames}
    for name, frames in ((_NAME, args.frames), (_FIT_NAME, args.fit_frames)):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--config", f"condition={name}", "--"]
        seconds, memory = _run([*command, f"results/tables/{name}/points.md"], args.folder)
        for step, peak in memory.items():
            values[f"{step}, {frames} frames: peak memory, GB"] = peak / 1e9
        values[f"{name}: minutes"] = seconds / 60
    for folder in ("resources/clips", "results/points", "results/state"):
        files = [path for path in (args.folder / folder).rglob("*") if path.is_file()]
        values[f"{folder}: files, GB"] = sum(path.stat().st_size for path in files) / 1e9
    write_report("full_size", values)


def _copy(folder: Path) -> None:
    """Copy the checkout, so that its table of sequences and its conditions stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def _write_clip(path: Path, frames: int) -> None:
    if path.exists():
        return
    source = open_source(find_sequence("bigbuckbunny")).path
    scale = ["-vf", "scale=1920:1080:flags=bicubic", "-pix_fmt", "yuv420p", "-frames:v", str(frames)]
    words = [ffmpeg_exe(), "-loglevel", "error", "-stream_loop", "-1", "-i", str(source), *scale]
    subprocess.run([*words, "-f", "rawvideo", str(path)], check=True)


def _write_row(folder: Path, frames: int) -> None:
    table = folder / "config" / "sequences.tsv"
    lines = [line for line in table.read_text().splitlines() if not line.startswith("stand-in")]
    cells = [
        "stand-in",
        "file",
        str((folder / "stand-in.yuv").resolve()),
        "-",
        "1920",
        "1080",
        "120",
        str(frames),
    ]
    cells += ["bt709", "limited", "left", "CC BY 3.0", "Blender Foundation", "scaled and repeated"]
    table.write_text("\n".join([*lines, "\t".join(cells)]) + "\n")


def _write_conditions(folder: Path, fit_frames: int) -> None:
    uvg, paper = (
        yaml.safe_load((ROOT / f"config/conditions/{name}.yaml").read_text())
        for name in ("uvg-1080p-v1", "uvg-ffnerv-paper")
    )
    network = {**paper["codecs"]["ffnerv-official"], "points": {"c48": {"channels": 48}}}
    clip, trimmed = {"sequence": "stand-in"}, {"sequence": "stand-in", "trim": [0, fit_frames]}
    common = {"title": "Stand-in for UVG", "colour": "bt709", "device": "cpu", "metrics": uvg["metrics"]}
    for name, values in {
        _NAME: {"clips": {"all": clip}, "codecs": {"x264-medium": {"points": ["crf28"]}}},
        _FIT_NAME: {
            "clips": {"first": trimmed},
            "codecs": {"ffnerv-official": network},
            "budget": {"epochs": 1},
        },
    }.items():
        (folder / f"config/conditions/{name}.yaml").write_text(yaml.safe_dump({**common, **values}))


def _run(command: list[str], folder: Path) -> tuple[float, dict[str, int]]:
    """Seconds of the command, and the peak memory of each `bench` command among its child processes."""
    started, peaks, ended = time.perf_counter(), dict[str, int](), threading.Event()
    with subprocess.Popen(command, cwd=folder) as process:

        def sample() -> None:
            while not ended.wait(_SAMPLE_S):
                for child in _children(psutil.Process(process.pid)):
                    step = _step(child)
                    if step:
                        total = sum(map(_resident, [child, *_children(child)]))
                        peaks[step] = max(peaks.get(step, 0), total)

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        status = process.wait()
        ended.set()
        thread.join()
    if status:
        sys.exit(f"{' '.join(command)} ended with status {status}")
    return time.perf_counter() - started, peaks


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _step(process: psutil.Process) -> str:
    """`encode x264-medium`, `measure ffnerv-official`, `prepare`; empty for other processes."""
    try:
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
    if words[1:3] != ["-m", "bench"] or words[3] not in ("prepare", "encode", "measure"):
        return ""
    codec = words[words.index("--codec") + 1] if "--codec" in words else ""
    return f"{words[3]} {codec}".rstrip()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


if __name__ == "__main__":
    main()
