"""The first run of a new sequence: a condition of its own with the default condition's classical codecs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from bench.base.errors import BenchError
from bench.base.files import atomic_file
from bench.base.paths import CONDITIONS_DIR, ROOT
from bench.codec import registry
from bench.conditions.reader import load_condition
from bench.conditions.run_config import default_condition
from bench.sequences.row import SourceSequence

#: Luma samples of the clip: 14 frames of 1080p. All codecs together take a few minutes on two cores.
_PIXELS = 30_000_000
_KINDS = ("classical", "control")


def write_condition(sequence: SourceSequence, folder: Path = CONDITIONS_DIR) -> Path:
    """Write ``NAME-v1.yaml``: the sequence's first frames, and the default condition's classical codecs.

    Networks are left out: they take minutes to hours, and their sizes are chosen for a clip.

    Raises:
        BenchError: there is a condition of that name.
    """
    path = folder / f"{sequence.name}-v1.yaml"
    if path.exists():
        raise BenchError(path, "exists", f"run snakemake --config condition={path.stem} -- all, or remove it")
    default = load_condition(default_condition())
    codecs = {
        codec: plan.model_dump(include={"points", "settings"}, exclude_defaults=True)
        for codec, plan in default.codecs.items()
        if registry.codec_config(codec).kind in _KINDS
    }
    width, height = sequence.width // 2 * 2, sequence.height // 2 * 2
    frames = min(sequence.frames, max(1, _PIXELS // (width * height)))
    clip: dict[str, Any] = {"sequence": sequence.name, "trim": [0, frames]}
    if (width, height) != (sequence.width, sequence.height):
        clip["crop"] = [0, 0, width, height]
    condition: dict[str, Any] = {
        "title": f"{sequence.name}, {width}x{height}, {frames} frames",
        "clips": {sequence.name: clip},
        "colour": default.colour,
        "codecs": codecs,
        "metrics": list(default.metrics),
        "headline": default.headline,
    }
    if default.anchor in codecs:
        condition["anchor"] = default.anchor
    text = (
        "# Written by `python -m bench add --run`. Change `trim` for more frames. For networks, copy\n"
        f"# `budget` and codecs from config/conditions/{default.name}.yaml; `bench size` finds their sizes.\n"
    )
    with atomic_file(path) as file:
        file.write((text + yaml.safe_dump(condition, sort_keys=False, allow_unicode=True)).encode())
    return path


def run_condition(name: str, *, root: Path = ROOT) -> None:
    """Run a condition with Snakemake on all cores, in the repository.

    Raises:
        BenchError: a job failed. Snakemake has printed which one.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", f"condition={name}"]
    if subprocess.run([*command, "--", "all"], cwd=root, check=False).returncode:
        raise BenchError(f"condition {name}", "a job failed", "see the lines above, then run it again")
