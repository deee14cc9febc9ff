"""Run the numeric tests with every instruction set of this CPU, with one and with two threads.

PyTorch and oneDNN choose their kernels by the CPU, so that sums are rounded in another order on another one.
Both can be limited to an older instruction set, which shows on one machine what the tests do on others.

    python tests/instruction_sets.py [--short] [PYTEST ARGUMENTS]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Flags of /proc/cpuinfo that an instruction set needs, its name in PyTorch, and in oneDNN.
SETS = (
    ({"sse4_1"}, "default", "SSE41"),
    ({"avx2", "fma"}, "avx2", "AVX2"),
    ({"avx512f", "avx512bw", "avx512dq", "avx512vl"}, "avx512", "AVX512_CORE"),
)
#: The quickest modules that compare networks with golden arrays.
SHORT = ("enerv", "nerv", "hnerv", "official_options", "losses")


@dataclass(frozen=True)
class Combination:
    """One way to run the tests: instruction sets of PyTorch and oneDNN, and a number of threads."""

    torch: str
    onednn: str
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ATEN_CPU_CAPABILITY": self.torch,
            "DNNL_MAX_CPU_ISA": self.onednn,
            "OMP_NUM_THREADS": str(self.threads),
            "OMP_WAIT_POLICY": "passive",  # two threads on a busy machine would wait for each other
        }


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The flags of the first CPU; on other processors than x86 none."""
    text = path.read_text() if path.is_file() else ""
    return next((set(line.split(":")[1].split()) for line in text.splitlines() if line[:5] == "flags"), set())


def combinations(flags: set[str], *, short: bool = False) -> Iterator[Combination]:
    """What to run: all, or the newest instruction set but the CPU's own, with one thread."""
    available = [names for needed, *names in SETS if needed <= flags]
    for torch, onednn in available[-2:-1] if short else available:
        for threads in (1,) if short else (1, 2):
            yield Combination(torch, onednn, threads)


def run_tests(combination: Combination, arguments: list[str]) -> bool:
    """Run pytest and print one line; the whole output only if a test fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "numeric", *arguments]
    start = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | combination.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        print(done.stdout)  # noqa: T201
    lines = done.stdout.split("\n")
    summary = next((line for line in reversed(lines) if " in " in line), "no summary")
    names = f"{combination.torch:8} {combination.onednn:12} threads {combination.threads}"
    print(f"{names}: {summary.strip('= ')} ({time.monotonic() - start:.0f} s)", flush=True)  # noqa: T201
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true", help="one other instruction set, the quickest tests")
    options, arguments = parser.parse_known_args()
    if options.short:
        arguments += [f"tests/unit/inr/test_{name}.py" for name in SHORT]
    chosen = list(combinations(cpu_flags(), short=options.short))
    if not chosen:
        print("instruction sets: this CPU has no other one that PyTorch can be limited to")  # noqa: T201
    passed = [run_tests(combination, arguments) for combination in chosen]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
