from __future__ import annotations

from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.codec import provenance, registry
from bench.codec.fingerprint import family_sources, fingerprint, module_sources

SOURCE = '''"""About."""
import os

class A:
    """Doc."""
    def f(self, x: int = 3) -> int:
        """Doc."""
        return x + 1  # one
'''


def fingerprint_of(path: Path, text: str) -> str:
    path.write_text(text)
    return fingerprint([path])


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""About."""', '"""About it."""', True),
        ('"""About."""', "# nothing", True),
        ('        """Doc."""\n', "", True),
        ("# one", "# 1", True),
        ("x + 1", "(x\n            + 1)", True),
        ("import os\n", 'import os\n__version__ = "2"\n', True),
        ("x + 1", "x + 2", False),
        ("= 3", "= 4", False),
        ("= 3", "= None", False),
        ("import os", "import sys", False),
        ("return x + 1", 'return "text"', False),
    ],
)
def test_only_what_runs_counts(tmp_path: Path, old: str, new: str, same: bool) -> None:
    path = tmp_path / "a.py"
    assert old in SOURCE
    assert (fingerprint_of(path, SOURCE) == fingerprint_of(path, SOURCE.replace(old, new, 1))) == same


def test_none_and_nothing_differ(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    assert fingerprint_of(path, "def f():\n    return\n") != fingerprint_of(
        path, "def f():\n    return None\n"
    )
    assert fingerprint_of(path, "x = ''\n") != fingerprint_of(path, "x = b''\n")
    assert fingerprint_of(path, "x = 1\n") != fingerprint_of(path, "x = 1.0\n")


def test_other_files_count_by_their_bytes_and_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text("x: 1")
    first = fingerprint([a])
    a.write_text("x: 1 # note")
    assert fingerprint([a]) != first
    b.write_text("x: 1")
    assert fingerprint([b]) != first
    assert fingerprint([a, b]) == fingerprint([b, a, a])


def relative(paths: list[str]) -> set[str]:
    return {Path(path).relative_to(ROOT).as_posix() for path in paths}


@pytest.mark.parametrize("family", sorted(registry.families()))
def test_an_encode_depends_on_its_family_and_on_no_result(family: str) -> None:
    sources = relative(family_sources(family))
    module = registry.families()[family].replace(".", "/") + ".py"
    assert {
        module,
        "bench/video/clip.py",
        "bench/video/colour.py",
        "bench/codec/container.py",
        "bench/codec/contract.py",
    } <= sources
    never = ("bench/scoring", "bench/analysis", "bench/figures", "bench/tables", "bench/cli/")
    assert not [path for path in sources if path.startswith(never)]
    others = {name for name in registry.families() if name != family}
    assert not [
        path for path in sources for name in others if path.startswith((f"{name}/", f"baselines/{name}"))
    ]


def test_imports_are_followed() -> None:
    assert "bench/base/ffmpeg.py" in relative(family_sources("control"))  # by way of colour, in a function
    assert "bench/inr/__init__.py" not in relative(family_sources("control"))
    assert "config/codecs/identity.yaml" in relative(family_sources("control", "identity"))
    assert "bench/scoring/record.py" in relative(module_sources(["bench.cli.verify"]))
    with pytest.raises(BenchError, match="control"):
        family_sources("contrl")


def test_the_block_says_what_is_needed() -> None:
    command = ["python", "-m", "bench", "encode", "--out", f"{ROOT}/results/a b"]
    block = provenance.provenance(family="control", device="cpu", command=command)
    assert set(block) == {
        *("suite_version", "source_fingerprint", "packages", "ffmpeg", "python", "machine"),
        *("device", "command", "date_utc", "git_commit"),
    }
    assert block["command"] == "python -m bench encode --out 'results/a b'"
    assert block["packages"]["numpy"]
    assert set(block["machine"]) >= {"cpu", "cores"}
