"""Fingerprints of source code, and the provenance block of a record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.codec import provenance, registry
from bench.codec.fingerprint import code_files, code_fingerprint, file_fingerprint

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
    return file_fingerprint(path)


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
        ("def f(self", "def g(self", False),
        ("import os\n", 'import os\n"""Docstring of an attribute."""\n', True),
        ("class A:", '__version__ = "2"\nclass A:', True),
        ('    """Doc."""\n', '    """Doc."""\n    __version__ = "2"\n', False),
    ],
)
def test_only_code_counts(tmp_path: Path, old: str, new: str, same: bool) -> None:
    path = tmp_path / "a.py"
    assert old in SOURCE
    assert (fingerprint_of(path, SOURCE) == fingerprint_of(path, SOURCE.replace(old, new, 1))) == same


def test_none_and_a_missing_value_differ(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    assert fingerprint_of(path, "def f():\n    return\n") != fingerprint_of(
        path, "def f():\n    return None\n"
    )
    assert fingerprint_of(path, "x = ''\n") != fingerprint_of(path, "x = b''\n")
    assert fingerprint_of(path, "x = 1\n") != fingerprint_of(path, "x = 1.0\n")


def test_other_files_count_by_their_bytes_and_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text("x: 1")
    first = file_fingerprint(a)
    a.write_text("x: 1 # note")
    assert file_fingerprint(a) != first
    b.write_text("x: 1")
    assert file_fingerprint(b) != first


def relative(paths: Iterable[Path]) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in paths}


@pytest.mark.parametrize("family", sorted(registry.families()))
def test_an_encode_depends_on_its_family_and_not_on_scoring(family: str) -> None:
    sources = relative(code_files(family=family))
    module = registry.families()[family].replace(".", "/") + ".py"
    assert {
        module,
        "bench/video/clip.py",
        "bench/video/colour.py",
        "bench/codec/container.py",
        "bench/codec/contract.py",
    } <= sources
    unrelated = ("bench/scoring", "bench/analysis", "bench/figures", "bench/tables", "bench/cli/")
    assert not [path for path in sources if path.startswith(unrelated)]
    others = {name for name in registry.families() if name != family}
    assert not [
        path for path in sources for name in others if path.startswith((f"{name}/", f"baselines/{name}"))
    ]


def test_imports_are_followed() -> None:
    control = relative(code_files(family="control"))
    assert "bench/base/ffmpeg.py" in control  # through colour, which a function of clip imports
    assert "bench/inr/__init__.py" not in control
    assert {"bench/__init__.py", "bench/codec/__init__.py"} <= control
    assert "bench/scoring/record.py" in relative(code_files("bench.reproduce.verify"))
    with pytest.raises(BenchError, match="control"):
        code_files(family="contrl")


def test_a_fingerprint_covers_the_modules_and_the_family() -> None:
    both = code_fingerprint("bench.scoring.measure", family="control")
    assert len({both, code_fingerprint("bench.scoring.measure"), code_fingerprint(family="control")}) == 3
    union = set(code_files("bench.scoring.measure")) | set(code_files(family="control"))
    assert set(code_files("bench.scoring.measure", family="control")) == union


def test_what_is_recorded_does_not_count_unless_it_is_the_start() -> None:
    path = "bench/codec/provenance.py"
    assert path not in relative(code_files("bench.scoring.measure", "bench.codec.encode", family="ffnerv"))
    assert path in relative(code_files("bench.codec.provenance"))


def test_type_checking_imports_do_not_count() -> None:
    """`bench.codec.device` imports the contract for its annotations alone."""
    assert "import Codec" in (ROOT / "bench" / "codec" / "device.py").read_text()
    assert "bench/codec/contract.py" not in relative(code_files("bench.codec.device"))


def test_the_fields_of_the_provenance_block() -> None:
    command = ["python", "-m", "bench", "encode", "--out", f"{ROOT}/results/a b"]
    block = provenance.provenance(family="control", device="cpu", command=command)
    assert set(block) == {
        *("suite_version", "source_fingerprint", "packages", "ffmpeg", "python", "machine"),
        *("device", "command", "date_utc", "git_commit"),
    }
    assert block["command"] == "python -m bench encode --out 'results/a b'"
    assert block["source_fingerprint"] == code_fingerprint(family="control")
    assert block["packages"]["numpy"]
    assert set(block["machine"]) >= {"cpu", "cores"}
