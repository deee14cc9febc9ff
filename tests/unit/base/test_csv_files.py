"""Round trip of names and numbers through CSV files, and through the readers of the suite's tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.analysis.rd_points import load_points
from bench.base.csv_files import read_table, write_csv
from bench.base.errors import BenchError
from bench.base.names import NAME
from bench.tables.points import read_skipped

#: Names that look like numbers, missing values or booleans.
AWKWARD = [
    "01",
    "0.10",
    "NA",
    "nan",
    "NaN",
    "1e3",
    "true",
    "null",
    "None",
    "N-A",
    "1_000",
    "0x1F",
    "inf",
    "1-2",
]
names = st.sampled_from(AWKWARD) | st.from_regex(NAME, fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
FEW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(rows=st.lists(st.tuples(names, texts, numbers | st.none(), st.integers(-(2**53), 2**53)), max_size=6))
@pytest.mark.slow
def test_names_texts_and_numbers_survive(tmp_path: Path, rows: list) -> None:
    path = tmp_path / "x.csv"
    columns = ["name", "text", "number", "count"]
    write_csv(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    table = read_table(path, text=("name", "text"), remedy="again")
    assert list(table) == columns
    assert table["name"].tolist() == [row[0] for row in rows]
    assert table["text"].tolist() == [row[1] for row in rows]
    assert table["count"].tolist() == [row[3] for row in rows]
    for value, row in zip(table["number"].tolist(), rows, strict=True):
        assert value == row[2] or (row[2] is None and value != value)
    everything = read_table(path, remedy="again")
    assert everything["count"].tolist() == [str(row[3]) for row in rows]
    with path.open(encoding="utf-8", newline="") as file:  # as any other program reads it
        assert [row["text"] for row in csv.DictReader(file)] == [row[1] for row in rows]


def test_booleans_are_small_words_and_columns_keep_their_order(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [{"a": 1, "b": True, "c": None}, {"a": 2, "b": False, "d": 3}], ["e", "a"])
    assert (tmp_path / "x.csv").read_text() == "e,a,b,d,c\n,1,true,,\n,2,false,3,\n"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b'a\n"'])
def test_other_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BenchError, match=r"x\.csv: .*; write it again"):
        read_table(path, remedy="write it again")


@pytest.mark.parametrize("name", AWKWARD)
def test_a_name_that_looks_like_a_number_reaches_the_tables(tmp_path: Path, name: str) -> None:
    """Alone in its column, so that every cell looks like a number or like a missing value."""
    row = dict.fromkeys(("condition", "clip", "codec", "label", "kind", "point", "run"), name)
    points, skipped = tmp_path / "rd_points.csv", tmp_path / "skipped.csv"
    write_csv(points, [row | {"seed": 0, "rate_bpp": 0.5}])
    write_csv(skipped, [row | {"reason": name}])
    (read,) = load_points(points).to_dict("records")
    assert {key: read[key] for key in row} == row
    assert read_skipped(skipped).to_dict("records") == [row | {"reason": name}]
