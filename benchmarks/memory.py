"""Peak memory of fits of 600 frames at 1920x1080, against the estimate that jobs request.

python -m benchmarks.memory [--frames 600]

A process of its own holds a clip of that many frames and the network's cache, and trains two steps. A whole
fit takes no more: its further steps reuse the memory of these two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import psutil
import torch

from bench.base.process import keep_freed_memory, peak_memory, use_huge_pages
from bench.codec import registry
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.step import train_step
from bench.inr.study.fit_memory import fit_memory
from bench.inr.study.step_time import samples_of_frame
from bench.workflow.plan import make_plan
from benchmarks.report import write_report

#: Condition, codec and rate point: published networks.
_NETWORKS = (("uvg-nerv-paper", "nerv-official", "c64-e8"), ("uvg-ffnerv-paper", "ffnerv-official", "c48"))
_CLIP = "beauty"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--network", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_huge_pages()  # as every command of the suite does
    if args.network:
        sys.stdout.write(json.dumps(_fit(*args.network, frames=args.frames)))
        return
    values: dict[str, Any] = {"frames": args.frames}
    for network in _NETWORKS:
        command = [sys.executable, "-m", "benchmarks.memory", "--frames", str(args.frames), "--network"]
        done = subprocess.run([*command, *network], check=True, text=True, stdout=subprocess.PIPE)
        values |= {
            f"{network[1]} {network[2]}: {key}": value for key, value in json.loads(done.stdout).items()
        }
    write_report("memory", values)


def _fit(condition: str, codec_id: str, point: str, *, frames: int) -> dict[str, float]:
    """Peak memory after two steps, and the estimate, in GB."""
    keep_freed_memory()
    torch.set_num_threads(1)
    plan = make_plan(condition)
    info = replace(plan.clips[_CLIP], frames=frames)
    codec: Any = registry.load_family(plan.configs[codec_id].family)
    settings = plan.settings_of(_CLIP, codec_id, point)
    recipe = codec.resolve(info, settings).recipe
    estimate = fit_memory(codec, info, settings).fit_bytes
    if (free := psutil.virtual_memory().available) < 1.1 * estimate:
        sys.exit(f"{codec_id} {point}: {estimate / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are available")
    representation = codec.start(info, settings)
    clip = torch.full((frames, 3, info.height, info.width), 100, dtype=torch.uint8)
    for tensor in representation.cached_state().values():
        tensor.fill_(0.5)  # allocated memory counts once it is written
    optimiser = make_optimiser(representation, recipe)
    for frame in range(2):
        index = samples_of_frame(representation, frame)
        target = representation.targets(clip, index)
        train_step(representation, optimiser, index, target, learning_rate=1e-4, loss=recipe.loss)
    peak = peak_memory()["peak_memory_bytes"] or 0
    return {"peak, GB": peak / 1e9, "estimate, GB": estimate / 1e9, "estimate over peak": estimate / peak}


if __name__ == "__main__":
    main()
