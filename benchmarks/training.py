"""Training steps on one CPU core: beside the official FFNeRV, beside their arithmetic, and at 1080p.

python -m benchmarks.training [--official FOLDER] [--steps 20] [--only 1 2]

1. FFNeRV's step at 320x180 (485,213 weights, 8-bit quantisation-aware training), and that of the official
   code. FOLDER is a clone of github.com/maincold2/FFNeRV at commit f02d4c0, not a part of this repository.
   Without it, the ratio is left out. Its training loop runs as it is, with random frames, on the CPU and
   without its PSNR and MS-SSIM of every step. Processes of both run in turns.
2. The steps of the largest matched networks of `local-v1` at 320x180. Share: the time that the network's
   multiplications and additions take at the rate of a large matrix product, over the time of the step. The
   same step without `bench.base.process.use_huge_pages`.
3. FFNeRV's published size c48 at 1080p: the kernel's share of the CPU time, and peak memory, with and without
   `bench.base.process.keep_freed_memory`, and without huge pages.

Each part has a results file: training_official, training_arithmetic, training_1080p. Times are CPU seconds of
one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from baselines._torchvision import prepare_torchvision
from bench.base import process
from bench.base.paths import ROOT
from bench.codec import registry
from bench.conditions.reader import load_condition, settings_of
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.step import train_step
from bench.inr.network import runtime
from bench.inr.study.step_time import samples_of_frame
from bench.video.clip import ClipInfo
from benchmarks.report import write_report

#: Condition of the networks of the second part.
CONDITION = "local-v1"
#: Settings of the first part, and the official flags for the same network.
QAT = {"channels": 32, "bits": 8, "quantiser": {"name": "tanh", "bits": 8}, "rounding": None}
QAT_FLAGS = (
    "--fc-hw-dim 9_16_32 --expansion 1 --lower-width 12 --strides 5 2 2 --t-dim 33 66 --wbit 8 --lr 0.008 "
    "--loss-type Fusion6 --lw 0.1 --agg-ind -2 -1 1 2 --resol 320 180 -e 1 -j 0"
)
#: Environment of a process that does not ask for huge pages.
_SMALL_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
C48 = {
    "channels": 48,
    "expansion": 8.0,
    "strides": [5, 3, 2, 2, 2],
    "lower_width": 24,
    "block": "compact",
    "grid_lengths": [300, 600],
    "bits": 8,
    "quantiser": {"name": "tanh", "bits": 8},
    "rounding": None,
}
#: Pairs of processes of the first part.
_PAIRS = 3
#: Steps of the third part before its clock starts, in which the process gets its memory, and timed ones.
_FULL_HD_WARM_UP, _FULL_HD_STEPS = 6, 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--official", type=Path, metavar="FOLDER", help="clone of the official FFNeRV code")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each network (default: 20)")
    parser.add_argument(
        "--only", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3), help="parts to run"
    )
    parser.add_argument("--part", choices=("qat", "network", "official", "c48"), help=argparse.SUPPRESS)
    parser.add_argument("--codec", help=argparse.SUPPRESS)
    parser.add_argument("--return-memory", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    process.use_huge_pages()  # as every command of the suite does
    torch.set_num_threads(1)
    if args.part is None:
        _run_all(args)
        return
    if args.return_memory:
        process.keep_freed_memory = lambda: None
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "qat": lambda: _steps("ffnerv-matched", QAT, (320, 180), args.steps),
        "network": lambda: _share(args.codec, args.steps),
        "official": lambda: _official(args.official.resolve(), args.steps),
        "c48": lambda: _kernel_share(args.steps),
    }
    json.dump(parts[args.part](), sys.stdout)


def _run_all(args: argparse.Namespace) -> None:
    parts = {
        1: ("official", _official_part),
        2: ("arithmetic", _arithmetic_part),
        3: ("1080p", _full_hd_part),
    }
    for number in args.only:
        name, measure = parts[number]
        write_report(f"training_{name}", measure(args))


def _official_part(args: argparse.Namespace) -> dict[str, float]:
    ours, official = [], []
    for _ in range(_PAIRS):
        ours.append(_child("qat", args)["ms"])
        if args.official:
            official.append(_child("official", args, environment=_SMALL_PAGES)["ms"])  # as it is
    values = {"FFNeRV, 320x180, QAT: step, CPU ms": median(ours)}
    if official:
        ratios = [other / one for one, other in zip(ours, official, strict=True)]
        values["FFNeRV, 320x180, QAT: official step, CPU ms"] = median(official)
        values["FFNeRV, 320x180, QAT: ratio"] = median(ratios)
    return values


def _arithmetic_part(args: argparse.Namespace) -> dict[str, float]:
    values: dict[str, float] = {}
    for codec in ("ffnerv", "nerv", "enerv", "hnerv", "hinerv"):
        options = "network", args, "--codec", f"{codec}-matched"
        measured, small = _child(*options), _child(*options, environment=_SMALL_PAGES)
        values |= {f"{codec}-matched, 320x180: {key}": value for key, value in measured.items()}
        values[f"{codec}-matched, 320x180: step with pages of 4 KiB, CPU ms"] = small["step, CPU ms"]
    return values


def _full_hd_part(args: argparse.Namespace) -> dict[str, float]:
    values: dict[str, float] = {}
    variants: dict[str, tuple[list[str], dict[str, str]]] = {
        "": ([], {}),
        ", pages of 4 KiB": ([], _SMALL_PAGES),
        ", pages of 4 KiB, memory returned": (["--return-memory"], _SMALL_PAGES),
    }
    for name, (options, environment) in variants.items():
        measured = _child("c48", args, *options, environment=environment)
        values |= {f"FFNeRV c48, 1920x1080{name}: {key}": value for key, value in measured.items()}
    return values


def _child(
    part: str, args: argparse.Namespace, *options: str, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Measure one part in a process of its own: memory and caches of one do not change another."""
    steps = str(_FULL_HD_STEPS if part == "c48" else args.steps)
    command = [sys.executable, "-m", "benchmarks.training", "--part", part, "--steps", steps, *options]
    if args.official:
        command += ["--official", str(args.official)]
    variables = {**os.environ, **(environment or {})}
    result = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout)


def _training(
    codec_id: str, changes: dict[str, Any], size: tuple[int, int]
) -> tuple[Any, Callable[[], None]]:
    """The representation of the largest point, or with other settings, and a function for one step."""
    condition = load_condition(CONDITION)
    config, point = registry.codec_config(codec_id), condition.points(codec_id)[-1]
    clip = next(iter(condition.clips))
    codec: Any = registry.load_family(config.family)
    settings = settings_of(config, point, clip, {}, condition)
    if changes:
        settings = registry.resolve_settings(config, {}, changes)
    info = ClipInfo(name=clip, sequence="random", width=size[0], height=size[1], frames=132, fps=Fraction(25))
    runtime.prepare(threads=1, device="cpu")
    representation, recipe = codec.start(info, settings, device="cpu"), codec.resolve(info, settings).recipe
    optimiser = make_optimiser(representation, recipe)
    frames = torch.randint(0, 256, (8, 3, size[1], size[0]), dtype=torch.uint8)
    counter = iter(range(1 << 30))

    def step() -> None:
        index = samples_of_frame(representation, next(counter) % len(frames))
        target = representation.targets(frames, index)
        train_step(
            representation, optimiser, index, target, learning_rate=recipe.learning_rate, loss=recipe.loss
        )

    return representation, step


def _steps(codec_id: str, changes: dict[str, Any], size: tuple[int, int], steps: int) -> dict[str, float]:
    representation, step = _training(codec_id, changes, size)
    for _ in range(5):
        step()
    milliseconds = median(_timed(step) for _ in range(steps))
    return {"ms": milliseconds, "weights": sum(p.numel() for p in representation.network.parameters())}


def _share(codec_id: str, steps: int) -> dict[str, float]:
    """The step in CPU ms, and its arithmetic's share of it. Matrix products run between the steps."""
    representation, step = _training(codec_id, {}, (320, 180))
    index = samples_of_frame(representation, 0)
    target = torch.zeros(len(index), 3, *(representation.targets(_one(representation), index).shape[2:]))
    with FlopCounterMode(display=False) as counter:  # L1 has no products
        representation.step(index, target, "L1")
    forward = counter.get_total_flops()
    a, b = torch.rand(2, 1024, 1024).unbind(0)
    for _ in range(5):
        step()
    taken, products = [], []
    for _ in range(steps):
        taken.append(_timed(step))
        products.append(_timed(lambda: torch.mm(a, b)))
    gflops = 2 * 1024**3 / median(products) / 1e6
    # The backward pass has a product for the input and one for the weights for each of the forward pass.
    return {
        "step, CPU ms": median(taken),
        "GFLOP": 3 * forward / 1e9,
        "GFLOP/s of a matrix product": gflops,
        "share of arithmetic": 3 * forward / gflops / 1e6 / median(taken),
    }


def _one(representation: Any) -> torch.Tensor:
    return torch.zeros(1, 3, representation.height, representation.width, dtype=torch.uint8)


def _kernel_share(steps: int) -> dict[str, float]:
    _, step = _training("ffnerv-matched", C48, (1920, 1080))
    for _ in range(_FULL_HD_WARM_UP):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        "step, CPU s": (user + system) / steps,
        "share of the kernel": system / (user + system),
        "peak memory, GB": (process.peak_memory()["peak_memory_bytes"] or 0) / 1e9,
    }


def _timed(function: Callable[[], Any]) -> float:
    started = time.process_time()
    function()
    return 1000 * (time.process_time() - started)


class _Finished(Exception):
    """Ends the official training loop after its epoch."""


def _official(folder: Path, steps: int) -> dict[str, float]:
    """CPU ms from one update of the weights to the next in the official training loop."""
    prepare_torchvision()
    with _stand_ins(folder) as marks:
        import main as official

        official.optim = types.SimpleNamespace(Adam=_marking_adam(marks))
        official.CustomDataSet = lambda *args, **options: [
            (torch.rand(3, 180, 320), torch.tensor(k / (steps + 5))) for k in range(steps + 5)
        ]
        official.psnr_fn = official.msssim_fn = lambda outputs, targets: torch.zeros(1, 3)
        official.evaluate = _finish
        sys.argv = ["main.py", *QAT_FLAGS.split()]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(_Finished):
            official.main()
    pairs = itertools.pairwise(marks[4:])
    return {"ms": median(1000 * (after - before) for before, after in pairs)}


def _finish(*args: Any) -> None:
    raise _Finished


def _marking_adam(marks: list[float]) -> type:
    class Adam(torch.optim.Adam):
        def step(self, closure: Any = None) -> Any:
            result = super().step(closure)
            marks.append(time.process_time())
            return result

    return Adam


@contextlib.contextmanager
def _stand_ins(folder: Path) -> Iterator[list[float]]:
    """Let code that expects a GPU and writes logs run on a CPU in an empty folder."""
    tensorboard: Any = types.ModuleType("torch.utils.tensorboard")
    tensorboard.SummaryWriter = _SilentWriter
    sys.modules["torch.utils.tensorboard"] = tensorboard
    sys.path.insert(0, str(folder))
    torch.Tensor.cuda = lambda tensor, *args, **options: tensor  # type: ignore[method-assign]
    torch.nn.Module.cuda = lambda module, *args, **options: module  # type: ignore[method-assign]
    torch.cuda.FloatTensor = torch.FloatTensor  # type: ignore[attr-defined]
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            yield []
        finally:
            os.chdir(home)


class _SilentWriter:
    def __init__(self, *args: Any) -> None:
        pass

    def add_scalar(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    main()
