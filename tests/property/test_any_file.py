"""CSV, JSON, y4m and `--frames A:B`: what is written is what is read."""

from __future__ import annotations

import csv
import json
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.analysis.rd_points import load_points
from bench.base.csv_files import read_table, write_csv
from bench.base.errors import BenchError
from bench.base.files import json_value, read_json, write_json
from bench.base.names import NAME
from bench.cli.decode import parse_frames
from bench.video.y4m import parse_y4m_header, read_y4m_frames, y4m_chunks, y4m_header

#: Names that look like numbers, dates, missing values or truth values, among any others.
NUMBER_LIKE = [
    "01",
    "1",
    "0.10",
    "1e3",
    "NA",
    "nan",
    "NaN",
    "null",
    "None",
    "true",
    "inf",
    "2024-01-01",
    "1_0",
]
NAMES = st.sampled_from(NUMBER_LIKE) | st.from_regex(NAME, fullmatch=True)
#: No control characters: a name or a label with one is refused when it is read.
TEXTS = st.sampled_from([*NUMBER_LIKE, "a,b", 'a "b"', "é", " x "]) | st.text(
    st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12
)
FLOATS = st.floats(0, 1e6, allow_nan=False)


@given(
    st.lists(st.fixed_dictionaries({"name": NAMES, "text": TEXTS, "value": FLOATS | st.none()}), min_size=1)
)
def test_csv_keeps_names_and_numbers(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        write_csv(path, rows)
        table = read_table(path, text=("name", "text"), remedy="")
        with path.open(newline="", encoding="utf-8") as file:
            plain = list(csv.DictReader(file))
    assert list(table["name"]) == [row["name"] for row in rows]
    assert list(table["text"]) == [row["text"] for row in rows]
    values = [math.nan if row["value"] is None else row["value"] for row in rows]
    np.testing.assert_array_equal(np.array(table["value"], float), np.array(values))
    assert [row["value"] for row in plain] == ["" if r["value"] is None else repr(r["value"]) for r in rows]


@given(NAMES, NAMES, NAMES, NAMES, st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=9))
def test_points_keep_names_that_look_like_numbers(
    condition: str, clip: str, codec: str, point: str, label: str
) -> None:
    texts = {"condition": condition, "clip": clip, "codec": codec, "label": label, "point": point}
    row = {**texts, "kind": "fitted", "run": "seed0", "seed": 0, "rate_bpp": 0.25, "psnr_rgb_db": 30.0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rd_points.csv")
        write_csv(path, [row])
        [read] = load_points(path).to_dict("records")
    assert {key: read[key] for key in texts} == texts
    assert (read["series"], read["rate_bpp"], read["reference"]) == (codec, 0.25, False)


#: Longer ones are refused (`bench.base.strict_json`).
INTEGERS = st.integers(-(10**19), 10**19)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def finite(value: Any) -> Any:
    """The value with null for what JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_json_files_round_trip(value: dict[str, Any]) -> None:
    assume("\ud800" not in str(value))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v.json")
        write_json(path, value)
        assert read_json(path) == finite(value)
        json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)


@given(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.bool_]), st.integers(-100, 100)
)
def test_numpy_scalars_become_json_numbers(dtype: Any, value: int) -> None:
    converted = json_value({"x": dtype(value), "y": (dtype(value), math.inf)})
    assert converted == {"x": dtype(value).item(), "y": [dtype(value).item(), None]}
    assert json.loads(json.dumps(converted)) == converted


UINT32 = st.integers(1, 2**32 - 1)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), UINT32, UINT32, st.data())
def test_y4m_round_trips(
    columns: int, rows: int, count: int, numerator: int, denominator: int, data: st.DataObject
) -> None:
    width, height, fps = 2 * columns, 2 * rows, Fraction(numerator, denominator)
    size = width * height * 3 // 2
    frames = [
        np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), np.uint8) for _ in range(count)
    ]
    first = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(first + 1, count))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.y4m")
        path.write_bytes(b"".join(y4m_chunks(frames, width=width, height=height, fps=fps)))
        with path.open("rb") as file:
            assert parse_y4m_header(file.readline(), where=path) == (width, height, fps)
        read = list(read_y4m_frames(path, frame_bytes=size, first=first, stop=stop))
        np.testing.assert_array_equal(read, frames[first:stop])
        path.write_bytes(path.read_bytes()[: -data.draw(st.integers(1, size + 6))])
        with pytest.raises(BenchError, match=f"frame {count - 1} "):
            list(read_y4m_frames(path, frame_bytes=size, first=0, stop=count))


@given(st.binary(max_size=60))
def test_any_line_is_a_y4m_header_or_is_refused(line: bytes) -> None:
    for candidate in (line, b"YUV4MPEG2 " + line.replace(b"\n", b" ") + b"\n"):
        try:
            width, height, fps = parse_y4m_header(candidate, where="x.y4m")
        except BenchError:
            continue
        assert parse_y4m_header(y4m_header(width, height, fps), where="x.y4m") == (width, height, fps)


@given(st.data(), st.integers(1, 500))
def test_frame_ranges_are_those_within_the_clip(data: st.DataObject, frames: int) -> None:
    bounds = st.sampled_from([-1, 0, 1, frames - 1, frames, frames + 1]) | st.integers(0, frames)
    first, stop = data.draw(bounds), data.draw(bounds)
    if 0 <= first < stop <= frames:
        assert parse_frames(f"{first}:{stop}", frames) == (first, stop)
    else:
        with pytest.raises(BenchError, match="--frames"):
            parse_frames(f"{first}:{stop}", frames)
    assert parse_frames(":", frames) == parse_frames(None, frames) == (0, frames)
    with pytest.raises(BenchError, match="--frames"):
        parse_frames(f"0:{frames + 1}", frames)


@given(st.text(max_size=8), st.integers(1, 100))
def test_any_text_is_a_frame_range_or_is_refused(text: str, frames: int) -> None:
    try:
        first, stop = parse_frames(text, frames)
    except BenchError:
        return
    assert 0 <= first < stop <= frames
