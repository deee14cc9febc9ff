"""Run the tagged code blocks of the documentation in a fresh copy of the repository.

A fenced block is tagged in its first line, after the language:

* ``bash test``, ``python test``: run it;
* ``text output``: the block before it must print exactly this;
* ``file=PATH``, ``append=PATH``: write the block to a file of the copy.

The pages of one journey share a copy, in this order.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tiny_repo import Repo, copy_repo

from bench.base.paths import ROOT

JOURNEYS = {
    "by-hand": ("quickstart.md", "claims.md"),
    "extend": (
        *("how-to/clip.md", "how-to/codec.md", "how-to/metric.md"),
        *("how-to/condition.md", "how-to/own-curve.md"),
    ),
}
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


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Repo]]:
    """One copy of the repository per journey, with the tracked stream that the quickstart verifies."""
    root = tmp_path_factory.mktemp("docs")
    repos = {journey: copy_repo(root / journey) for journey in JOURNEYS}
    for name in ("learning-rates-v0", "README.md"):
        source, target = ROOT / "results/reference" / name, root / "by-hand/results/reference" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    yield repos
    shutil.rmtree(root)


@pytest.mark.parametrize(
    ("journey", "page"), [(journey, page) for journey, pages in JOURNEYS.items() for page in pages]
)
def test_blocks_of_a_page_run(copies: dict[str, Repo], journey: str, page: str) -> None:
    repo, output, found = copies[journey], "", blocks(page)
    assert found, f"docs/{page} has no tagged block"
    for block in found:
        match block.tag:
            case "test":
                output = run_block(repo, block)
            case "output":
                assert output == block.text
            case _:
                write_block(repo, block)


def test_every_page_with_tagged_blocks_is_run() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    tagged = {page for page in pages if not page.startswith("_build") and blocks(page)}
    assert tagged == {page for pages in JOURNEYS.values() for page in pages}


def test_results_of_the_how_tos(copies: dict[str, Repo]) -> None:
    """What the pages of the journey `extend` have computed. Runs after them."""
    root = copies["extend"].root
    rows = pd.read_csv(root / "results/tables/mine-v1/rd_points.csv")
    assert {"hold", "x264-medium", "mean-frame"} == set(rows.codec)
    hold = rows[rows.codec == "hold"]
    assert list(hold.point) == ["n8", "n4", "n2"]
    assert hold.rate_bpp.is_monotonic_increasing
    assert hold.max_error_y.between(1, 255).all()
    figure = root / "results/figures/mine-v1/rd_psnr_rgb_db.svg"
    assert figure.stat().st_size > 10_000
    assert "my codec" in figure.read_text()


def test_path_links_of_the_readme_exist() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
        assert links
        missing = [link for link in links if "://" not in link and not Path(ROOT, link).exists()]
        assert missing == [], page
