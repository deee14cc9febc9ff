"""Every key of every configuration file is tried with wrong types, ranges and spellings: one line each."""

from __future__ import annotations

import copy
import datetime
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.base.errors import BenchError
from bench.base.strict_model import StrictModel, validate
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.settings import Settings, check_settings
from bench.conditions.condition import Condition
from bench.conditions.reader import parse_condition
from bench.conditions.run_config import RunConfig, check_config
from bench.sequences.row import SourceSequence

Key = tuple[str | int, ...]

CONDITION: dict[str, Any] = {
    "title": "A test",
    "description": "It has every key.",
    "clips": {
        "small": {
            "sequence": "bikes",
            "trim": [0, 5],
            "crop": [0, 0, 128, 96],
            "scale": [64, 48],
            "filter": "bicubic",
        }
    },
    "colour": "bt601",
    "seeds": [3, 4],
    "device": "cpu",
    "budget": {"epochs": 3},
    "codecs": {
        "nerv-matched": {
            "points": {"low": {"channels": 12}},
            "settings": {"expansion": 1.5},
            "clips": {"small": {"low": {"channels": 8}}},
        },
        "x264-medium": {"points": ["crf43", "crf23"]},
    },
    "reference": True,
    "anchor": "x264-medium",
    "curves": "upper_hull",
    "metrics": ["psnr_rgb_db", "vmaf"],
    "table_metrics": ["vmaf_neg", "cambi"],
    "headline": "vmaf",
    "strip": {"frame": 2, "crop": [0, 0, 16, 16], "rate_bpp": 0.5},
    "report": {
        "frames": ["first", "even"],
        "even": 2,
        "most": 3,
        "region": [0, 0, 32, 16],
        "excerpt": [0, 2],
    },
    "published": [{"source": "ffnerv-table-11", "label": "FFNeRV", "codec": "nerv-matched"}],
}
CODEC: dict[str, Any] = {
    "family": "nerv",
    "label": "NeRV",
    "kind": "fitted",
    "settings": {"epochs": 3},
    "points": {"low": {"channels": 12}},
    "threads": 1,
    "test": {"epochs": 1},
    "size": {"channels": {"from": 8, "to": 16, "step": 2}, "expansion": [1.0, 1.5]},
    "citation": "Somebody",
    "license": "none",
    "note": "a note",
    "footnote": "a footnote",
}
CONFIG: dict[str, Any] = {
    "condition": "demo-v1",
    "figures": ["rd", "strip"],
    "my_curves": "mine.csv",
    "bundles": "bundles",
    "adopt": True,
}
ROW: dict[str, Any] = {
    "name": "x",
    "kind": "url",
    "location": "x.yuv",
    "sha256": "0" * 64,
    "width": 16,
    "height": 16,
    "fps": "30000/1001",
    "frames": 3,
    "matrix": "bt709",
    "range": "limited",
    "siting": "left",
    "licence": "CC0",
    "citation": "me",
    "note": "-",
    "url": "https://host/x.7z",
    "mirror": "http://host/x.7z",
    "archive_bytes": 9,
    "archive_sha256": "1" * 64,
    "raw_bytes": 99,
    "pixel_format": "yuv420p",
    "rotation": 0,
}
FILES: dict[str, tuple[type[StrictModel], dict[str, Any]]] = {
    "condition": (Condition, CONDITION),
    "codec": (CodecConfig, CODEC),
    "config": (RunConfig, CONFIG),
    "row": (SourceSequence, ROW),
}
#: Complete settings beyond the defaults, one with every key for each of the tables within them.
STAGES: dict[str, Any] = {
    "prune": {"ratio": 0.5, "epochs": 2, "learning_rate": 1e-3},
    "quantise": {"epochs": 2, "bits": 6, "noise": 0.5, "learning_rate": 1e-3},
    "rounding": {"epochs": 2, "learning_rate": 1e-3},
    "quantiser": {
        "name": "affine",
        "bits": 6,
        "axis": 0,
        "zero_point": "integer",
        "overrides": {"stem": {"name": "uniform", "bits": 6.5, "allocate": False}},
    },
    "clip_gradient": 1.0,
}
FITTED = ("ffnerv", "nerv", "enerv", "hnerv", "hinerv")
SETTINGS: dict[str, dict[str, Any]] = {
    **{family: {"epochs": 3, "learning_rate": 1e-3, "channels": 12, **STAGES} for family in FITTED},
    "hnerv": {"epochs": 3, "learning_rate": 1e-3, "channels": 12, "model_size": 0.3, **STAGES},
    "hinerv": {"epochs": 3, "learning_rate": 1e-3, "channels": 12, "patch": [8, 8], **STAGES},
    "ffmpeg": {"encoder": "x264", "preset": "fast", "crf": 30, "qp": 30.5},
    "compressai": {"architecture": "ssf2020", "quality": 1},
    "control": {"mode": "identity"},
}

#: Type of a right value -> values of other types. A text may be any text and a table any table.
WRONG: dict[type, list[Any]] = {
    bool: [0, 1, "yes", [True], 1.0],
    int: [1.5, True, "wide", "3", math.nan, math.inf, [1], {"a": 1}, -(10**12)],
    float: [True, "wide", "0.5", math.nan, math.inf, -math.inf, [1.0], {"a": 1}],
    str: [3, 1.5, True, ["x"], {"a": "x"}, datetime.date(2024, 1, 2)],
    list: ["x", 3, True, {"a": 1}],
    dict: ["x", 3, True, ["a"]],
}
#: Last part of a key -> values of other types that it may have.
ALSO: dict[str, list[Any]] = {
    "preset": [3],
    "fps": [3],
    "points": [["a"]],  # a list of the codec's own points: refused where it has no such point
    "offsets": [-(10**12)],
    **{key: [1.5] for key in ("expansion", "crf", "embedding_channels", "expansions")},
}


def full_settings(family: str) -> dict[str, Any]:
    model = registry.settings_model(family)
    return {**copy.deepcopy(model.default_values()), **copy.deepcopy(SETTINGS[family])}


def leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value of a tree with its key, tables and lists included."""
    if key:
        yield key, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from leaves(item, (*key, name))


def changed(tree: dict[str, Any], key: Key, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    """A copy of a tree, with a change of (the table or list that holds the key, the last part of the key)."""
    tree = copy.deepcopy(tree)
    holder: Any = tree
    for part in key[:-1]:
        holder = holder[part]
    change(holder, key[-1])
    return tree


def replaced(tree: dict[str, Any], key: Key, value: Any) -> dict[str, Any]:
    return changed(tree, key, lambda holder, name: holder.__setitem__(name, value))


def renamed(tree: dict[str, Any], key: Key, name: Any) -> dict[str, Any]:
    return changed(tree, key, lambda holder, old: holder.__setitem__(name, holder.pop(old)))


def load(file: str, values: dict[str, Any]) -> None:
    """Check the values of a file as a run does at its start."""
    path = Path("x.yaml")
    if file == "condition":
        parse_condition(values, name="x", path=path)
    elif file == "codec":
        CodecConfig.of_values(values, path)
    elif file == "config":
        check_config(values, where=path)
    elif file == "row":
        validate(SourceSequence, values, where=path)
    else:
        check_settings(registry.settings_model(file), values, where=path, at=["settings"])


def trees() -> dict[str, dict[str, Any]]:
    return {
        **{name: values for name, (_, values) in FILES.items()},
        **{f: full_settings(f) for f in SETTINGS},
    }


TREES = trees()
KEYS = [(file, key) for file, tree in TREES.items() for key, _ in leaves(tree)]


def refused(file: str, values: dict[str, Any]) -> str:
    with pytest.raises(BenchError) as error:
        load(file, values)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("x.yaml: ")
    assert len(message) < 600
    assert "pydantic" not in message
    assert "docs/configuration.md" not in message, "a value without an explanation of its own"
    return message


@pytest.mark.parametrize("file", TREES)
def test_the_complete_examples_are_accepted(file: str) -> None:
    load(file, TREES[file])


@pytest.mark.parametrize(("file", "model", "tree"), [(name, *pair) for name, pair in FILES.items()])
def test_an_example_has_every_key(file: str, model: type[StrictModel], tree: dict[str, Any]) -> None:
    assert set(tree) == {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize(("file", "key"), KEYS, ids=lambda value: str(value))
def test_a_value_of_another_type_is_refused_with_its_key(file: str, key: Key) -> None:
    right: Any = TREES[file]
    for part in key:
        right = right[part]
    if right is None:
        return
    name = next(part for part in reversed(key) if isinstance(part, str))
    for wrong in WRONG[type(right)]:
        if wrong not in ALSO.get(name, []) or isinstance(wrong, bool):
            message = refused(file, replaced(TREES[file], key, wrong))
            assert name in message, (wrong, message)


@pytest.mark.parametrize(("file", "key"), KEYS, ids=lambda value: str(value))
def test_a_misspelt_key_is_refused_with_a_suggestion(file: str, key: Key) -> None:
    """Names of the user's tables (clips, codecs, points, parts) are refused where they cannot be folders."""
    if not isinstance(key[-1], str):
        return
    if key[-2:-1] == ("overrides",):
        return  # names of parts of a network, which a plan does not have
    folders = ("clips", "codecs", "points")
    if (key[-2:-1] and key[-2] in folders) or (key[-3:-1] == ("clips", "small") and "codecs" in key):
        for name in ("a/b", ".a", "", "x" * 101, 1, True, 0.5, None):
            message = refused(file, renamed(TREES[file], key, name))
            assert "quotes" in message or "cannot be the name of a folder" in message
        return
    message = refused(file, renamed(TREES[file], key, f"{key[-1]}x"))
    if key[-2:] == ("quantiser", "name"):  # which keys there are depends on it
        assert message.endswith("quantiser: key 'name' is missing; add it")
        return
    assert f"unknown {'setting' if 'setting ' in message else 'key'} '{key[-1]}x'; try " in message
    assert key[-1] in message.rpartition("; try ")[2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(KEYS), value=json_values)
def test_any_value_is_accepted_or_refused_in_one_line(place: tuple[str, Key], value: Any) -> None:
    file, key = place
    message = "x.yaml: "
    try:
        load(file, replaced(TREES[file], key, value))
    except BenchError as error:
        message = str(error)
    assert message.startswith("x.yaml: ")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("family", registry.families())
def test_defaults_fit_their_own_types(family: str) -> None:
    model = registry.settings_model(family)
    assert issubclass(model, Settings)
    given_values = {name: value for name, value in model.default_values().items() if value is not ...}
    check_settings(model, given_values, where="x.yaml")
