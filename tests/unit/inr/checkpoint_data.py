"""Official checkpoints for the tests of `bench import`: networks of tests/golden, saved as scripts do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from bench.video.clip import Clip

FLOAT32 = "quantiser={name: float32}"
AFFINE = "quantiser={name: affine, bits: 8}"


@dataclass(frozen=True)
class Case:
    """An official network of tests/golden, with the clip that its arguments are for."""

    family: str
    arguments: dict[str, Any]
    weights: dict[str, Tensor]
    arrays: Any
    clip: Clip

    @property
    def codec(self) -> str:
        return f"{self.family}-official"


#: What the official arguments stand for: width, height, frames.
SIZES = {
    "ffnerv": (64, 48, 7),
    "nerv": (64, 48, 9),
    "enerv": (64, 48, 8),
    "hnerv": (80, 40, 6),
    "hinerv": (48, 36, 6),
}


def golden_case(family: str, golden_dir: Path, make_clip: Callable[..., Clip]) -> Case:
    """The network of a method, and a clip of its size (HNeRV's golden frames are not the clip's)."""
    name = {"ffnerv": "ffnerv_conv"}.get(family, family)
    arrays = np.load(golden_dir / f"{name}.npz")
    weights = {key[2:]: torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith("w/")}
    arguments = json.loads((golden_dir / f"{name}.json").read_text())
    width, height, frames = SIZES[family]
    clip = make_clip(width=width, height=height, frames=frames, name=f"clip-{family}")
    return Case(family, arguments, weights, arrays, clip)


def saved(case: Case) -> Any:
    """What the official script of each method saves."""
    step = {"optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.5, 0.9)}]}}
    weights = {f"module.{name}": value for name, value in case.weights.items()}
    if case.family == "enerv":  # without what several GPUs put before the names
        return {"model": case.weights, **step, "epoch": 3, "config": case.arguments}
    if case.family == "hinerv":  # alone, every weight behind masks and noise
        return dict(parametrised(case.weights))
    return {"epoch": 3, "state_dict": weights, "train_best_psnr": torch.tensor(30.0), **step}


def parametrised(weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Kernels and grids as torch's parametrisations keep them; what a mask hides is spoilt."""
    for name, value in weights.items():
        module, _, last = name.rpartition(".")
        if last != "weight":
            yield name, value
            continue
        place = f"{module}.parametrizations.weight"
        if value.ndim > 1 and "grids" not in name:
            mask = torch.ones_like(value, dtype=torch.bool)
            yield f"{place}.0.mask", mask
        yield f"{place}.1.bitwidth", torch.tensor(6.0)
        yield f"{place}.1.noise_ratio", torch.tensor(0.9)
        yield f"{place}.original", value


def command(case: Case, folder: Path, *more: str, checkpoint: Any = None, arguments: Any = None) -> list[str]:
    """The words of an import of `case`, its files written to `folder`."""
    torch.save(saved(case) if checkpoint is None else checkpoint, folder / "model.pth")
    (folder / "official.yaml").write_text(yaml.safe_dump(case.arguments if arguments is None else arguments))
    words = ["import", "--codec", case.codec, "--config", folder / "official.yaml"]
    words += ["--checkpoint", folder / "model.pth", "--clip", case.clip.path.with_name("clip.json")]
    words += ["--device", "cpu", "--out", folder / "out" / "stream.bin"]
    return [str(word) for word in [*words, "--report", folder / "out" / "encode.json", *more]]
