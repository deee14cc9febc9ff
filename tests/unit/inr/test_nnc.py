"""The coder of ISO/IEC 15938-17, where its package is installed; the line that asks for it, where not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.cli import main
from bench.inr.study import nnc

INSTALLED = importlib.util.find_spec("nncodec") is not None
ASKED = r"is not installed; pip install .*nncodec==2\.1\.3"
STREAM = ROOT / "results/reference/demo-v1/bunny-320x180/nerv-matched/bpp0.12/seed0/stream.bin"


def tensors() -> list[np.ndarray]:
    """Laplacian codes of several shapes, the widest codes, rows of zeros, scalars, and nothing at all."""
    random = np.random.default_rng(3)
    codes = [np.round(random.laplace(0, 5, shape)).astype(np.int32) for shape in ((40, 6, 3, 3), (17,), ())]
    holes = codes[0].reshape(40, -1) * (np.arange(40) % 4 == 0)[:, None]
    widest = np.array([[-(2**15), 2**15, 0]], dtype=np.int32)
    return [*codes, holes, widest, np.zeros((3, 5), np.int32), np.zeros((0, 4), np.int32)]


def test_codes_come_back_or_the_package_is_asked_for() -> None:
    if not INSTALLED:
        with pytest.raises(BenchError, match=ASKED):
            nnc.encode(tensors())
        return
    coded = nnc.encode(tensors())
    for tensor, back in zip(tensors(), nnc.decode(coded, [t.shape for t in tensors()]), strict=True):
        assert back.shape == tensor.shape
        assert np.array_equal(back, tensor)
    assert nnc.coded_bytes(tensors()) == sum(map(len, coded))
    # Laplace of scale 5 has log2(10 e) = 4.76 bits; three rows of four are skipped.
    assert 8 * len(coded[0]) / tensors()[0].size == pytest.approx(4.76, rel=0.06)
    assert len(coded[3]) < 0.3 * len(coded[0])
    assert coded[-1] == b""


def test_the_command_compares_coders_or_asks_for_the_package(capsys) -> None:
    status = main(["coders", str(STREAM)])
    told = capsys.readouterr()
    if not INSTALLED:
        assert status == 2
        assert told.out == ""
        assert len(told.err.splitlines()) == 1
        assert "pip install --no-deps nncodec==2.1.3" in told.err
        return
    assert status == 0
    name, weights, here, huffman, more, _, standard, *_ = told.out.splitlines()[1].split()
    assert (name, int(weights)) == (str(STREAM), 212_307)
    assert int(here) < int(standard) < int(huffman)
    assert float(more) == pytest.approx(100 * (int(huffman) / int(here) - 1), abs=0.06)


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch, capsys, tmp_path: Path) -> None:
    """Also where it is installed: a package that cannot be imported counts as missing."""
    monkeypatch.setitem(sys.modules, "nncodec", None)
    monkeypatch.setitem(sys.modules, "nncodec.extensions", None)
    assert main(["coders", str(tmp_path / "stream.bin")]) == 2
    assert ASKED.split(";")[0] in capsys.readouterr().err
