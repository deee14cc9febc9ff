"""A GPU that torch cannot use is reported. Its device file is made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.workflow import gpu_check


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu_check.usable_gpu.cache_clear()
    yield
    gpu_check.usable_gpu.cache_clear()


@pytest.mark.slow
def test_an_unusable_gpu_is_reported_once_and_fits_run_on_the_cpu(
    fresh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        monkeypatch.setattr(gpu_check, "torch_problem", lambda: "torch finds no CUDA device")
    monkeypatch.setattr(gpu_check, "_DEVICES", tmp_path)
    (tmp_path / "nvidia0").touch()
    assert not gpu_check.usable_gpu()
    assert not gpu_check.usable_gpu()
    error = capsys.readouterr().err
    assert error.count("warning: this machine has a GPU, but ") == 1
    assert "all fits run on the CPU. Remedy:" in error


def test_a_hidden_or_missing_gpu_is_not_reported(
    fresh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "_DEVICES", tmp_path)
    assert not gpu_check.usable_gpu()
    (tmp_path / "nvidia0").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpu_check.usable_gpu.cache_clear()
    assert not gpu_check.usable_gpu()
    assert capsys.readouterr().err == ""
