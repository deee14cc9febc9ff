"""Run the tagged code blocks of the documentation in a fresh copy of the repository.

A fenced block is tagged in its first line, after the language:

* ``bash test``, ``python test``: run it;
* ``text output``: the block before it must print exactly this;
* ``file=PATH``, ``append=PATH``: write the block to a file of the copy.

Pages that build on each other share a copy.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pandas as pd
import pytest
from tiny_repo import Repo

from bench.base.paths import ROOT

BY_HAND = ("quickstart.md", "claims.md")
_EXTENDING = (
    "clip",
    "own-video",
    "codec",
    "metric",
    "condition",
    "own-curve",
    "report-page",
)
EXTERNAL = "how-to/external-codec.md"
EXTEND = tuple(f"how-to/{name}.md" for name in _EXTENDING)
_FENCE = re.compile(r"^```(\w+)[ ]+(test|output|file=|append=)(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One tagged block: language, tag, path of a file (or empty), text."""

    language: str
    tag: str
    path: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*match) for match in _FENCE.findall((ROOT / "docs" / page).read_text())]


def run_block(repo: Repo, block: Block) -> str:
    """Run a block; standard output comes back.

    Raises:
        AssertionError: the block failed; the message is what it printed.
    """
    command = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[block.language]
    done = subprocess.run(
        [*command, block.text], cwd=repo.root, env=repo.env, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def write_block(repo: Repo, block: Block) -> None:
    path = repo.root / block.path
    if block.tag == "file=":
        assert not path.exists(), f"{block.path} exists already"
        path.write_text(block.text)
    else:
        separator = "\n\n" if path.suffix == ".py" else ""
        path.write_text(path.read_text().rstrip("\n") + "\n" + separator + block.text)


def run_pages(repo: Repo, pages: tuple[str, ...]) -> None:
    """Run the tagged blocks of some pages, one page after the other, in one copy."""
    for page in pages:
        output, found = "", blocks(page)
        assert found, f"docs/{page} has no tagged block"
        for block in found:
            match block.tag:
                case "test":
                    output = run_block(repo, block)
                case "output":
                    assert output == block.text
                case _:
                    write_block(repo, block)


@pytest.mark.slow
def test_quickstart_and_claims(repo: Repo) -> None:
    for name in ("learning-rates-v0", "interpolation-v1"):
        shutil.copytree(ROOT / "results/reference" / name, repo.root / "results/reference" / name)
    run_pages(repo, BY_HAND)


@pytest.mark.slow
def test_how_tos(repo: Repo) -> None:
    run_pages(repo, EXTEND)
    rows = pd.read_csv(repo.root / "results/tables/mine-v1/rd_points.csv")
    assert {"hold", "x264-medium", "mean-frame"} == set(rows.codec)
    hold = rows[rows.codec == "hold"]
    assert list(hold.point) == ["n8", "n4", "n2"]
    assert hold.rate_bpp.is_monotonic_increasing
    assert hold.max_error_y.between(1, 255).all()
    figure = repo.root / "results/figures/mine-v1/rd_psnr_rgb_db.svg"
    assert "my codec" in figure.read_text()


@pytest.mark.slow
def test_a_script_becomes_a_codec(repo: Repo) -> None:
    shutil.copytree(ROOT / "docs/examples", repo.root / "docs/examples")
    run_pages(repo, (EXTERNAL,))
    rows = pd.read_csv(repo.root / "results/tables/my-autoencoder-v1/rd_points.csv")
    script = rows[rows.codec == "my-autoencoder"]
    assert list(script.point) == ["step4", "step1"]
    assert script.psnr_yuv_db.is_monotonic_increasing
    assert script.decode_files.str.startswith("weights 58944 bytes").all()
    assert not (repo.root / "my-codec/__pycache__").exists(), "a codec writes nothing beside its script"
    shutil.copytree(ROOT / "tests/contract", repo.root / "tests/contract")
    shutil.copy(ROOT / "tests/conftest.py", repo.root / "tests")
    chosen = "my-autoencoder and geometry"  # one of the contract tests, which encodes and decodes
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/contract", "-k", chosen)
    assert "1 passed" in repo.run(*command).stdout


def test_every_page_with_tagged_blocks_is_run() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    tagged = {page for page in pages if not page.startswith("_build") and blocks(page)}
    assert tagged == {*BY_HAND, *EXTEND, EXTERNAL}
