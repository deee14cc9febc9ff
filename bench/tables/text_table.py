"""A table as Markdown, LaTeX (booktabs) or plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import atomic_file

MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"
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
    # After a line's end, LaTeX would take these two for an argument.
    "[": "{[}",
    "*": "{*}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    MINUS: "$-$",
    NONE: "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
}


@dataclass(frozen=True)
class Text:
    """A table of finished cells.

    Attributes:
        header: the columns' names; rows: as many cells each.
        right: for each column, whether its cells are set flush right (numbers).
        notes: lines below the table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]
    notes: Sequence[str] = ()


def number(value: float | None, digits: int, *, sign: bool = False) -> str:
    """A rounded number with a true minus sign; a dash where there is none."""
    if value is None or value != value:
        return NONE
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    # What rounds to nothing has no sign.
    text = text.lstrip("+-") if not text.strip("+-0.") else text
    return text.replace("-", MINUS)


def markdown(table: Text) -> str:
    """A pipe table, padded so that it reads as plain text too."""
    escape = str.maketrans({"|": r"\|", "\n": " "})
    lines = [[cell.translate(escape) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(table.header))]
    rule = [
        "-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, table.right, strict=True)
    ]
    padded = [_pad(line, widths, table.right) for line in lines]
    body = [f"| {' | '.join(line)} |" for line in (padded[0], rule, *padded[1:])]
    notes = [""] * bool(table.notes) + [f"- {note}" for note in table.notes]
    return "\n".join([*body, *notes]) + "\n"


def latex(table: Text) -> str:
    r"""A tabular with booktabs rules (`\usepackage{booktabs}`), its notes below it in small type."""
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


def plain(table: Text, *, indent: str = "") -> str:
    """Aligned columns two spaces apart, for a terminal; the header only where it says something."""
    lines = [list(row) for row in (table.header, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    shown = lines if any(table.header) else lines[1:]
    body = [indent + "  ".join(_pad(line, widths, table.right)).rstrip() for line in shown]
    return "\n".join([*body, *table.notes]) + "\n"


def tex_escape(text: str) -> str:
    """The text with everything that LaTeX would act on made harmless."""
    return re.sub("|".join(map(re.escape, _TEX)), lambda found: _TEX[found[0]], text)


def write(table: Text, out: Path) -> None:
    """Write a .md or .tex file, atomically.

    Raises:
        BenchError: another suffix.
    """
    forms = {".md": markdown, ".tex": latex}
    if out.suffix not in forms:
        raise BenchError(out, "not a format of tables", "end it with .csv, .md or .tex")
    with atomic_file(out) as file:
        file.write(forms[out.suffix](table).encode())


def _pad(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if flush else cell.ljust(width)
        for cell, width, flush in zip(cells, widths, right, strict=True)
    ]
