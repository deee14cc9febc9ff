"""GPUs are shared out among jobs. The devices are made up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.codec import gpu

DEVICES = ["GPU-a", "GPU-b", "GPU-c"]


class Job:
    """A process that claims a device and holds it until it is killed."""

    def __init__(self, folder: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from bench.codec.gpu import claim\n"
            f"print(claim({DEVICES}, folder=Path({str(folder)!r})), flush=True); sys.stdin.read()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.device = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[list[Job]]:
    jobs: list[Job] = []
    yield lambda: jobs.append(Job(tmp_path / "locks")) or jobs[-1]
    for job in jobs:
        job.kill()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """As in a new process of a user without locks."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")  # restored at the end, also where the code sets it
    monkeypatch.setattr(gpu, "_held", [])
    gpu.claim_cuda_device.cache_clear()
    yield
    gpu.claim_cuda_device.cache_clear()


def test_jobs_side_by_side_get_different_devices(start) -> None:
    jobs = [start() for _ in DEVICES]
    assert sorted(job.device for job in jobs) == [0, 1, 2]
    shared = [start() for _ in DEVICES]  # more jobs than devices: two on each
    assert sorted(job.device for job in shared) == [0, 1, 2]
    jobs[1].kill()
    assert start().device == jobs[1].device  # a claim ends with its process


def test_torch_runs_on_the_claimed_device(fresh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    current: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=DEVICES[index])
    )
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    for _ in range(2):
        gpu.claim_cuda_device.cache_clear()  # as another process
        gpu.claim_cuda_device()
    assert current == [0, 1]


def test_of_several_mig_devices_one_is_left_visible(fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    seen = []
    for _ in range(2):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1, MIG-2")
        gpu.claim_cuda_device.cache_clear()
        gpu.claim_cuda_device()
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["MIG-1", "MIG-2"]


def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert gpu.claim(DEVICES, folder=blocked) == 0
    assert "jobs may share the first GPU" in capsys.readouterr().err
