"""Text tables: Markdown, LaTeX (booktabs), HTML and plain text, and the writer of all formats of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.base.files import atomic_file

MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"
_CSS = (
    "body{font:14px sans-serif} table{border-collapse:collapse} th,td{padding:2px 10px;text-align:left;"
    "border-bottom:1px solid #ddd} .n{text-align:right;font-variant-numeric:tabular-nums} p{margin:4px 0}"
)
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # At the start of a row, these two would be arguments of the line end before it.
    "[": "{[}",
    "*": "{*}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    MINUS: "$-$",
    NONE: "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
}
#: Beginning of an HTML tag, which Markdown would pass on to a browser.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


@dataclass(frozen=True)
class TextTable:
    """A table of formatted cells.

    Attributes:
        header: names of the columns. rows: as many cells each.
        right: for each column, whether it is aligned to the right (numbers).
        notes: lines below the table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]
    notes: Sequence[str] = ()


def number(value: float | None, digits: int, *, sign: bool = False) -> str:
    """A rounded number with a minus sign (U+2212); a dash for None and NaN. Zero has no sign."""
    if value is None or value != value:
        return NONE
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    text = text.lstrip("+-") if not text.strip("+-0.") else text
    return text.replace("-", MINUS)


def markdown(table: TextTable) -> str:
    """Pipe table with padded cells, readable as plain text too."""
    escape = str.maketrans({"|": r"\|", "\n": " "})
    lines = [
        [_TAG.sub("&lt;", cell.translate(escape)) for cell in row] for row in (table.header, *table.rows)
    ]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(table.header))]
    rule = [
        "-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, table.right, strict=True)
    ]
    padded = [_pad(line, widths, table.right) for line in lines]
    body = [f"| {' | '.join(line)} |" for line in (padded[0], rule, *padded[1:])]
    notes = [""] * bool(table.notes) + [f"- {_TAG.sub('&lt;', note)}" for note in table.notes]
    return "\n".join([*body, *notes]) + "\n"


def latex(table: TextTable) -> str:
    r"""Tabular with booktabs rules (`\usepackage{booktabs}`) and the notes in small type below it."""
    columns = "".join("r" if right else "l" for right in table.right)
    lines = [" & ".join(map(tex_escape, row)) + r" \\" for row in (table.header, *table.rows)]
    rules = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        lines[0],
        r"\midrule",
        *lines[1:],
        r"\bottomrule",
    ]
    lines = [
        r"\par\smallskip",
        r"{\footnotesize\raggedright",
        *(f"{tex_escape(n)}\\par" for n in table.notes),
        "}",
    ]
    notes = lines if table.notes else []
    return "\n".join(["% Needs \\usepackage{booktabs}.", *rules, r"\end{tabular}", *notes]) + "\n"


def html(table: TextTable) -> str:
    """A page with the table and its notes, as the report of the workflow shows it."""
    return html_page(html_table(table))


def html_table(table: TextTable) -> str:
    """The table and its notes as a part of a page."""

    def line(cells: Sequence[str], tag: str) -> str:
        pairs = zip(cells, table.right, strict=True)
        return "<tr>" + "".join(f"<{tag}{' class=n' * right}>{escape(cell)}</{tag}>" for cell, right in pairs)

    rows = [line(table.header, "th"), *(line(row, "td") for row in table.rows)]
    notes = [f"<p>{escape(note)}" for note in table.notes]
    return "\n".join(["<table>", *rows, "</table>", *notes])


def html_page(body: str) -> str:
    """A complete HTML page; `body` is escaped already."""
    return f'<!doctype html>\n<meta charset="utf-8">\n<title>Table</title>\n<style>{_CSS}</style>\n{body}\n'


def plain(table: TextTable, *, indent: str = "") -> str:
    """Aligned columns, two spaces apart, for a terminal. A header of empty names is left out."""
    lines = [list(row) for row in (table.header, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    shown = lines if any(table.header) else lines[1:]
    body = [indent + "  ".join(_pad(line, widths, table.right)).rstrip() for line in shown]
    return "\n".join([*body, *table.notes]) + "\n"


def tex_escape(text: str) -> str:
    """Escape all characters that are special in LaTeX."""
    return re.sub("|".join(map(re.escape, _TEX)), lambda match: _TEX[match[0]], text)


def write_table(
    outputs: Iterable[Path | str],
    *,
    rows: Iterable[Mapping[str, object]],
    text: TextTable,
    columns: Sequence[str] = (),
) -> None:
    """Write a table in the formats that the suffixes of `outputs` name, each file atomically.

    Args:
        rows: of the .csv file: whole numbers as such, others with six significant digits, None and NaN empty.
        text: for .md, .tex and .html.
        columns: of the .csv file where there are no rows.

    Raises:
        BenchError: a suffix other than .csv, .md, .tex or .html.
    """
    rows = [{name: csv_value(value) for name, value in row.items()} for row in rows]
    for out in map(Path, outputs):
        if out.suffix == ".csv":
            write_csv(out, rows, columns)
        else:
            write(text, out)


def write(table: TextTable, out: Path) -> None:
    """Write a .md, .tex or .html file, atomically.

    Raises:
        BenchError: another suffix.
    """
    formats = {".md": markdown, ".tex": latex, ".html": html}
    if out.suffix not in formats:
        raise BenchError(out, "is not a format of tables", "end it with .csv, .md, .tex or .html")
    with atomic_file(out) as file:
        file.write(formats[out.suffix](table).encode())


def _pad(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if flush else cell.ljust(width)
        for cell, width, flush in zip(cells, widths, right, strict=True)
    ]
