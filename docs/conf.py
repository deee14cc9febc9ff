"""Sphinx configuration of the documentation; `make docs` builds it."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

import bench  # noqa: E402

project = "neural-video-bench"
author = "The maintainers of the suite"
copyright = "2026, the maintainers of the suite"
release = version = bench.__version__

extensions = ["myst_parser", "sphinx_copybutton", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_use_ivar = True
#: Docstrings mark code by single backticks.
default_role = "code"


def link_repository_files(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn links to files outside `docs/` into download links; Sphinx reads only pages inside it."""
    folder = (DOCS / docname).parent

    def link(match: re.Match[str]) -> str:
        path = match[1]
        inside = (folder / path).resolve().is_relative_to(DOCS)
        return match[0] if inside else f"](path:{path})"

    source[0] = re.sub(r"(?<!!\[)\]\((\.\./[^)#]+)\)", link, source[0])


def convert_tables(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn the Markdown tables of a docstring into reStructuredText, in place."""
    converted: list[str] = []
    for is_table, group in itertools.groupby(lines, key=lambda line: line.startswith("|")):
        if not is_table:
            converted += group
            continue
        rows = [line.strip("|").split("|") for line in group]
        converted += [".. list-table::", "   :header-rows: 1", ""]
        for row in (rows[0], *rows[2:]):
            converted += [f"   {'* -' if i == 0 else '  -'} {cell.strip()}" for i, cell in enumerate(row)]
    lines[:] = converted


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_repository_files)
    app.connect("autodoc-process-docstring", convert_tables)
