"""The tracked comparison of weight coders: its bytes are those of the tracked streams."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from script_module import load_script

from bench.base.paths import ROOT

FOLDER = ROOT / "results/reference/weight-coders"
#: Streams that are coded again: one per network, the smallest of each.
STREAMS = [
    f"results/reference/demo-v1/bunny-320x180/{family}-matched/bpp0.12/seed0/stream.bin"
    for family in ("ffnerv", "nerv", "enerv", "hnerv", "hinerv")
]


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    """The script beside the table, as a module."""
    return load_script(FOLDER / "compare.py")


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.slow
def test_bytes_of_the_table_are_those_of_the_stream(compare: ModuleType, stream: str) -> None:
    (row,) = (row for row in compare.read_table() if row["stream"] == stream)
    computed = compare.suite_row(ROOT / stream)
    for column in ("stream", "weights", "suite_bytes", "huffman_bytes"):
        assert str(computed[column]) == row[column]
    assert int(row["suite_bytes"]) < int(row["nnc_bytes"]) < int(row["huffman_bytes"])


def test_the_readme_has_the_numbers_of_the_table(compare: ModuleType) -> None:
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    rows = compare.read_table()
    assert len(rows) == 15
    for row in rows:
        suite = int(row["suite_bytes"])
        others = [int(row[column]) for column in ("huffman_bytes", "nnc_bytes")]
        cells = [f"{other} ({100 * (other / suite - 1):+.1f} %)" for other in others]
        expected = f"| {row['weights']} | {suite} | {cells[0]} | {cells[1]} |"
        assert sum(line.endswith(expected) for line in lines) == 1, expected


def test_without_the_package_one_line_explains_the_installation(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nncodec", None)
    monkeypatch.setitem(sys.modules, "nncodec.extensions", None)
    assert compare.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not installed; pip install --no-deps nncodec==2.1.3" in line
