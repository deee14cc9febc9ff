"""Citation, licences and links of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import bench
from bench.base.paths import ROOT

PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "config/README.md")),
        *(ROOT / name for name in ("results/reference/README.md", "baselines/reported/README.md")),
        *(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
    ]
)


def test_the_citation_file_has_the_required_keys() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == bench.__version__
    assert citation["license"] == "MIT"
    assert citation["type"] == "software"
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        assert all({"family-names", "given-names"} <= set(author) for author in reference["authors"])


@pytest.mark.parametrize("codec", ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"])
def test_the_citation_file_has_every_fitted_method(codec: str) -> None:
    cite = yaml.safe_load((ROOT / f"config/codecs/{codec}-official.yaml").read_text())["citation"]
    references = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    (reference,) = (item for item in references if item["title"] in cite)
    assert str(reference["year"]) in cite
    assert cite.startswith(reference["authors"][0]["family-names"])


@pytest.mark.slow
def test_every_file_has_a_licence() -> None:
    reuse = Path(sys.executable).with_name("reuse")
    done = subprocess.run([reuse, "lint"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []
