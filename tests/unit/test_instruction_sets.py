"""Which instruction sets `make test-isa` runs the numeric tests with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.instruction_sets import SETS, Combination, combinations, cpu_flags, main, run_tests

AVX2 = {"sse4_1", "avx2", "fma"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl", "amx_tile"}


@pytest.mark.parametrize(
    ("flags", "every", "short"),
    [
        (AVX512, ["default", "avx2", "avx512"], ["avx2"]),
        (AVX2, ["default", "avx2"], ["default"]),
        ({"sse4_1"}, ["default"], []),
        (set(), [], []),
    ],
)
def test_all_of_the_cpu_or_the_one_before_its_newest(flags, every, short):
    assert [(c.torch, c.threads) for c in combinations(flags)] == [(n, t) for n in every for t in (1, 2)]
    assert [(c.torch, c.threads) for c in combinations(flags, short=True)] == [(n, 1) for n in short]


def test_flags_are_those_of_the_first_cpu(tmp_path: Path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert cpu_flags(path) == {"fpu", "avx2", "fma"}
    assert cpu_flags(tmp_path / "none") == set()


@pytest.mark.numeric
def test_pytorch_obeys_the_limit():
    import torch

    limit = os.environ.get("ATEN_CPU_CAPABILITY")
    if limit in {names[1] for names in SETS}:
        assert torch.backends.cpu.get_cpu_capability().lower() in {limit, limit.replace("default", "no avx")}


@pytest.mark.parametrize("status", [0, 1, 2, 5])
def test_a_failing_run_prints_its_output_and_counts(monkeypatch, capsys, status):
    def run(command, **given):
        assert given["env"]["DNNL_MAX_CPU_ISA"] == "AVX2"
        return subprocess.CompletedProcess(command, status, "F\nsome traceback\n1 failed in 0.10s\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert run_tests(Combination("avx2", "AVX2", 1), []) is (status == 0)
    printed = capsys.readouterr().out
    assert ("some traceback" in printed) is (status != 0)
    assert printed.splitlines()[-1].startswith("avx2     AVX2         threads 1: 1 failed in 0.10s (")


def test_one_failing_combination_fails_all(monkeypatch):
    ran = []
    monkeypatch.setattr("sys.argv", ["instruction_sets.py", "-k", "metrics"])
    monkeypatch.setattr("tests.instruction_sets.cpu_flags", lambda: AVX2)
    monkeypatch.setattr("tests.instruction_sets.run_tests", lambda *given: ran.append(given) or len(ran) != 2)
    assert main() == 1
    assert len(ran) == 4
    assert ran[0][1] == ["-k", "metrics"]
