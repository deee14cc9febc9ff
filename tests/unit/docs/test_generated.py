"""Generated parts of the documentation are up to date, and the documentation builds without warnings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from script_module import load_script

from bench.base.paths import ROOT

DOCS = ROOT / "docs"


GENERATOR = load_script(DOCS / "generate.py")


@pytest.mark.parametrize("page", GENERATOR.PAGES)
@pytest.mark.slow
def test_a_generated_page_is_up_to_date(page: str) -> None:
    assert (DOCS / page).read_text() == GENERATOR.page(page), "run python docs/generate.py"


def test_every_codec_id_has_a_section_and_a_row() -> None:
    text = (DOCS / "codecs.md").read_text()
    ids = {path.stem for path in (ROOT / "config/codecs").glob("*.yaml")}
    assert set(re.findall(r"^### `(.+)`$", text, re.MULTILINE)) == ids
    by_hand = re.sub(r"<!-- begin.*?<!-- end", "", text, flags=re.DOTALL)
    recipes = {codec for codec in ids if codec.endswith(("-matched", "-matched-v2", "-official"))}
    assert {codec for codec in ids - recipes if f"`{codec}`" not in by_hand} <= {
        *("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-anchor", "ssf2020"),
        *("identity", "mean-frame"),
    }


@pytest.mark.slow
def test_the_rule_graph_is_up_to_date() -> None:
    picture = set(re.findall(r"<title>(\w+)&#45;&gt;(\w+)</title>", GENERATOR.RULE_GRAPH.read_text()))
    assert picture == GENERATOR.rule_graph_edges(), "run python docs/generate.py --graph"


@pytest.mark.slow
def test_the_documentation_builds_without_warnings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, "-d", tmp_path / "doctrees", DOCS, tmp_path / "html"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "BD-rate" in (tmp_path / "html/measurement.html").read_text()
