"""Training of the small networks that the repository tracks: one set of weights per evaluated sequence.

``python -m baselines.compressai.training --evaluated bigbuckbunny --quality 2`` trains on the other bundled
sequences and writes ``baselines/weights/without-bigbuckbunny/mbt2018-mean-2-<digest>.safetensors`` and its
training recipe. The network is the mean and scale hyperprior (Minnen et al., 2018) with 48 and 72 channels.
The loss is the paper's, with R in bits per pixel and D the mean squared error of RGB in [0, 1]:

    L = R + lambda * 255^2 * D,        R = -sum_i log2 P(y_i) / pixels.

A step is a function of (seed, step) and the state before, so an interrupted run resumes from its saved state
and ends with the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from baselines.compressai.networks import MODELS
from baselines.compressai.weights import TRACKED
from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import atomic_file, read_json, write_json
from bench.base.locks import locked
from bench.base.log_file import copy_stderr
from bench.base.paths import ROOT
from bench.codec.fingerprint import file_fingerprint
from bench.conditions.sections import ClipPlan
from bench.sequences.prepare import find_sequence, prepare_clip
from bench.video.clip import Clip

from compressai.entropy_models import EntropyBottleneck  # isort: skip - after baselines.compressai.networks

ARCHITECTURE = "mbt2018-mean"
#: The bundled sequences, each at about the size that conditions use.
SIZES = {"bigbuckbunny": (320, 180), "bikes": (320, 136), "carphone_pristine": (176, 144)}
#: Quality -> lambda, from the lowest rate.
LAMBDAS = {1: 0.0012, 2: 0.0035, 3: 0.01, 4: 0.03}

_SAVE_EVERY_S = 60.0
_REPORT_EVERY_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the weights, besides the clips and the code: the training recipe.

    Attributes:
        lambda_: weight of the squared error.
        steps: number of training steps.
        channels, latent_channels: N and M of the paper.
        learning_rate: at the start; it falls to 0 by a cosine.
        batch_size, crop: square crops per step, and their side in pixels.
        clip_gradient: maximum norm of all gradients together.
    """

    lambda_: float
    steps: int = 12000
    channels: int = 48
    latent_channels: int = 72
    learning_rate: float = 1e-3
    batch_size: int = 4
    crop: int = 128
    clip_gradient: float = 1.0
    seed: int = 0


def training_sequences(evaluated: str) -> list[str]:
    """The bundled sequences except the evaluated one, which can also be another sequence."""
    find_sequence(evaluated)
    return [name for name in SIZES if name != evaluated]


class Training:
    """A network in training: weights and optimiser, which are saved and resumed together.

    Args:
        frames: of each sequence, (N, H, W, 3) uint8.
        state: file of the saved state.
        identity: of everything that the training depends on. A state with another identity is not resumed.
    """

    def __init__(self, frames: Sequence[np.ndarray], recipe: Recipe, *, state: Path, identity: str) -> None:
        self.recipe, self.state, self.identity = recipe, state, identity
        self.frames = [torch.from_numpy(array) for array in frames]
        torch.manual_seed(recipe.seed)
        self.network: Any = MODELS[ARCHITECTURE](recipe.channels, recipe.latent_channels)
        self.network.to(memory_format=torch.channels_last)
        # The loss does not depend on the quantiles. `write_weights` computes them.
        trained = [p for name, p in self.network.named_parameters() if not name.endswith(".quantiles")]
        self.optimiser = torch.optim.Adam(trained, lr=recipe.learning_rate, fused=True)
        self.step = 0
        #: Rate and squared error of the last steps.
        self.recent: list[tuple[float, float]] = []
        self._resume()

    def run(self, progress: Callable[[str], None]) -> dict[str, float]:
        """Train the remaining steps; returns mean rate and PSNR of the last hundred steps' crops."""
        started = saved = reported = time.monotonic()
        first = self.step
        while self.step < self.recipe.steps:
            self._train_step()
            now = time.monotonic()
            if now - saved > _SAVE_EVERY_S:
                self.save()
                saved = now
            if now - reported > _REPORT_EVERY_S or self.step == self.recipe.steps:
                reported = now
                left = (now - started) / (self.step - first) * (self.recipe.steps - self.step)
                rate, psnr = _means(self.recent)
                done = f"step {self.step}/{self.recipe.steps}, {rate:.3f} bpp, {psnr:.2f} dB"
                progress(f"{done}, about {left:.0f} s left")
        self.save()
        rate, psnr = _means(self.recent)
        return {"rate_bpp": rate, "psnr_rgb_db": psnr}

    def save(self) -> None:
        """Write the state, atomically."""
        with atomic_file(self.state) as file:
            values = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
            progress = {"identity": self.identity, "step": self.step, "recent": self.recent}
            torch.save(progress | values, file)

    def _resume(self) -> None:
        if not self.state.is_file():
            return
        state = torch.load(self.state, weights_only=True)
        if state["identity"] != self.identity:
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.recent = state["step"], state["recent"]

    def _train_step(self) -> tuple[float, float]:
        """One update; returns the rate in bits per pixel and the mean squared error of RGB in [0, 1]."""
        recipe = self.recipe
        # NumPy mixes the whole pair into its state; torch's generator uses only 32 bits of a seed.
        random = np.random.default_rng([recipe.seed, self.step])
        torch.manual_seed(int(random.integers(1 << 31)))
        x = self._crops(random)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * (1 + math.cos(math.pi * self.step / recipe.steps)) / 2
        out = self.network(x)
        pixels = recipe.batch_size * recipe.crop**2
        rate = sum(p.log2().sum() for p in out["likelihoods"].values()) / -pixels
        error = (out["x_hat"] - x).square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        (rate + recipe.lambda_ * 255**2 * error).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_gradient)
        self.optimiser.step()
        self.step += 1
        self.recent = [*self.recent[-99:], (rate.item(), error.item())]
        return self.recent[-1]

    def _crops(self, random: np.random.Generator) -> Tensor:
        """Random crops (B, 3, crop, crop) in [0, 1] of all frames, with augmented colours, some mirrored.

        Two clips have few colours, and the evaluated one has others. Therefore channels are permuted, and
        their difference from the grey value is scaled.
        """
        counts = np.array([len(frames) for frames in self.frames])
        side, crops = self.recipe.crop, []
        for _ in range(self.recipe.batch_size):
            frames = self.frames[random.choice(len(counts), p=counts / counts.sum())]
            index = random.integers(len(frames))
            y, x = (random.integers(size - side + 1) for size in frames.shape[1:3])
            crop = frames[index, y : y + side, x : x + side, random.permutation(3)].float().div_(255)
            grey = crop.mean(dim=2, keepdim=True)
            crop = torch.lerp(grey, crop, float(random.uniform(0.5, 2))).clamp_(0, 1)
            crops.append(crop.flip(1) if random.integers(2) else crop)
        return torch.stack(crops).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def write_weights(network: Any, folder: Path, *, name: str, recipe: dict[str, Any]) -> Path:
    """Write a network's weights and their training recipe; returns the path of the weights.

    Parameters are rounded to 16 bits before the probability tables are computed, so the file holds exactly
    the network that codes. Tables of the Gaussians do not depend on weights and are left out.
    """
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    for module in network.modules():
        if isinstance(module, EntropyBottleneck):
            module.update(force=True, update_quantiles=True)
            module.quantiles.data = module.quantiles.data.half().float()
            module.update(force=True)
    halves = {key for key, _ in network.named_parameters()}
    state = {
        key: (value.half() if key in halves else value).contiguous()
        for key, value in network.state_dict().items()
    }
    data = safetensors_bytes(state)
    digest = hashlib.sha256(data).hexdigest()
    recipe_path, path = folder / f"{name}.json", folder / f"{name}-{digest[:8]}.safetensors"
    old = folder / read_json(recipe_path)["file"] if recipe_path.is_file() else path
    with atomic_file(path) as file:
        file.write(data)
    write_json(recipe_path, {"file": path.name, "sha256": digest, **recipe})
    if old != path:
        old.unlink(missing_ok=True)
    return path


def train(evaluated: str, quality: int, *, recipe: Recipe, folder: Path, state_dir: Path) -> Path:
    """Train one quality for a sequence and write it to `folder`; returns the path of the weights."""
    torch.set_num_threads(1)
    clips = [_prepared(name, state_dir / "clips") for name in training_sequences(evaluated)]
    packages = {name: importlib.metadata.version(name) for name in ("compressai", "torch", "numpy")}
    sources = file_fingerprint(__file__)
    identity = json.dumps([asdict(recipe), [clip.info.sha256 for clip in clips], packages, sources])
    name = f"{ARCHITECTURE}-{quality}"
    state = state_dir / f"without-{evaluated}-{name}.pt"
    frames = [clip.rgb_array() for clip in clips]
    training = Training(frames, recipe, state=state, identity=identity)
    reached = training.run(process.progress(f"{name} without {evaluated}"))
    return write_weights(
        training.network,
        folder,
        name=name,
        recipe={
            "sequences": [clip.info.sequence for clip in clips],
            "clips": [
                {"sequence": clip.info.sequence, "width": clip.info.width, "height": clip.info.height}
                | {"frames": clip.info.frames, "sha256": clip.info.sha256, "colour": clip.info.colour}
                for clip in clips
            ],
            "training": asdict(recipe),
            "reached": reached,
            "packages": packages,
            "source_fingerprint": sources,
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Train the requested qualities one after the other; exit status 2 for errors that the user can fix."""
    parser = argparse.ArgumentParser(
        prog="baselines.compressai.training", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--evaluated", required=True, metavar="SEQUENCE", help="sequence to exclude from training"
    )
    parser.add_argument("--quality", type=int, nargs="+", choices=LAMBDAS, default=list(LAMBDAS))
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--out", type=Path, help="default: baselines/weights/without-SEQUENCE")
    parser.add_argument("--state-dir", type=Path, default=ROOT / "results" / "state" / "weights")
    parser.add_argument("--log", type=Path, metavar="FILE", help="copy progress and errors to this file, too")
    args = parser.parse_args(argv)
    process.end_cleanly_on_signals()
    process.die_with_parent()
    with copy_stderr(args.log):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    folder = args.out or TRACKED / f"without-{args.evaluated}"
    try:
        for quality in args.quality:
            recipe = Recipe(lambda_=LAMBDAS[quality], steps=args.steps)
            with locked(args.state_dir / f"{args.evaluated}-{quality}"):
                train(args.evaluated, quality, recipe=recipe, folder=folder, state_dir=args.state_dir)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 0


def _prepared(name: str, folder: Path) -> Clip:
    """A bundled sequence as a clip."""
    plan = ClipPlan(sequence=name, scale=SIZES[name])
    return prepare_clip(find_sequence(name), plan, name=name, colour="bt709", out_dir=folder / name)


def _means(recent: Sequence[tuple[float, float]]) -> tuple[float, float]:
    rate, error = np.mean(recent, axis=0)
    return float(rate), float(-10 * math.log10(error))


if __name__ == "__main__":
    sys.exit(main())
