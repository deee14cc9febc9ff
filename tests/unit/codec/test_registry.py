from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.contract import Codec

GOOD = {
    "family": "control",
    "label": "a label",
    "kind": "control",
    "settings": "{mode: identity}",
    "points": "{raw: {}, low: {mode: mean-frame}}",
    "threads": "1",
    "citation": "none",
    "license": "none",
}


def write(folder: Path, name: str = "mine", **changes: str | None) -> Path:
    lines = [f"{key}: {value}" for key, value in (GOOD | changes).items() if value is not None]
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(lines))
    return path


def test_a_codec_file_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    config = registry.codec_config("mine", tmp_path)
    assert (config.id, config.family, config.threads) == ("mine", "control", 1)
    assert config.points == {"raw": {}, "low": {"mode": "mean-frame"}}
    assert registry.codec_configs(tmp_path) == {"mine": config}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"familly": "control"}, "familly.*family"),
        ({"family": None}, "'family' is missing"),
        ({"family": "contrl"}, "contrl.*control"),
        ({"kind": "magic"}, "kind: unknown value 'magic'"),
        ({"threads": "0"}, "threads: 0"),
        ({"threads": "true"}, "threads: True"),
        ({"label": "3"}, "label: 3"),
        ({"settings": "[1]"}, "settings"),
        ({"points": "{0.1: {}}"}, "points: 0.1 must be text; put it in quotes"),
        ({"points": "{'a/b': {}}"}, "a/b"),
        ({"points": "{a: 3}"}, "points: a"),
        ({"points": "{a: {}, a: {}}"}, "line 5: duplicate key 'a'"),
        ({"points": "{a: {"}, "line"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(tmp_path: Path, changes: dict, message: str) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(BenchError, match=message) as error:
        registry.codec_config("mine", tmp_path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_unknown_names_come_with_close_ones(tmp_path: Path) -> None:
    write(tmp_path, "x264-medium")
    with pytest.raises(BenchError, match="try x264-medium"):
        registry.codec_config("x264-medum", tmp_path)
    with pytest.raises(BenchError, match="unknown codec"):
        registry.codec_config("../mine", tmp_path)
    with pytest.raises(BenchError, match="control"):
        registry.load_family("nothing")


def test_later_settings_override_earlier_ones(tmp_path: Path) -> None:
    write(tmp_path)
    config = registry.codec_config("mine", tmp_path)
    assert registry.resolve_settings(config, {}, {}) == {"mode": "identity"}
    mean = {"mode": "mean-frame"}
    assert registry.resolve_settings(config, mean, {}) == mean
    assert registry.resolve_settings(config, mean, {"mode": "identity"}) == {"mode": "identity"}


def test_wrong_settings_are_refused_with_their_key(tmp_path: Path) -> None:
    write(tmp_path, settings="{}")
    config = registry.codec_config("mine", tmp_path)
    with pytest.raises(BenchError, match="'mode' is not given"):
        registry.resolve_settings(config, {}, {})
    with pytest.raises(BenchError, match=r"point of mine.*'mod'.*try mode"):
        registry.resolve_settings(config, {}, {"mod": "identity"})
    with pytest.raises(BenchError, match=r"b\.yaml.*'mdoe'"):
        registry.codec_config(write(tmp_path, "b", settings="{mdoe: x}").stem, tmp_path)


@pytest.mark.parametrize(
    ("default", "good", "bad"),
    [
        (1, [2, -3], ["2", True, [2], 2.5, None]),
        (1.5, [2, 2.5], ["2", True, [2], None, float("nan"), float("inf")]),
        (True, [False], [0, "yes", None]),
        ("a", ["b"], [1, True, None]),
        ([1], [[2], [], ["x"]], ["x", 1, None, [float("nan")]]),
        ({"a": 1}, [{}, {"b": [1]}], [[], "x", None, {"b": {"c": float("inf")}}]),
        (None, [1, "x", [1], None], [float("nan"), [float("-inf")]]),
        (..., [1, "x", [1], None], [float("nan"), {"a": float("inf")}]),
    ],
)
def test_a_setting_has_the_type_of_its_default(tmp_path: Path, monkeypatch, default, good, bad) -> None:
    class Family(Codec):
        defaults = {"key": default}  # noqa: RUF012
        encode = decode = None

    monkeypatch.setattr(registry, "load_family", lambda family: Family())
    write(tmp_path, settings="{}", points="{}")
    config = registry.codec_config("mine", tmp_path)
    for value in good:
        assert registry.resolve_settings(config, {}, {"key": value}) == {"key": value}
    for value in bad:
        with pytest.raises(BenchError, match="point of mine: key: ") as error:
            registry.resolve_settings(config, {}, {"key": value})
        assert len(str(error.value).splitlines()) == 1


def test_every_family_loads_and_every_codec_of_the_suite_resolves() -> None:
    configs = registry.codec_configs()
    assert {"identity", "mean-frame"} <= set(configs)
    for family, module in registry.families().items():
        codec = registry.load_family(family)
        assert isinstance(codec, Codec), module
    for config in configs.values():
        for settings in config.points.values():
            assert ... not in registry.resolve_settings(config, {}, settings).values()


def test_fitted_codecs_use_torch() -> None:
    for config in registry.codec_configs().values():
        expected = config.fitted_by_suite  # learned ones decode on a CPU alone, as their streams need
        assert registry.load_family(config.family).uses_torch == expected, config.id


def test_listing_all_codecs_imports_no_torch() -> None:
    code = (
        "import sys; import bench.cli; from bench.codec import registry as r; r.codec_configs();"
        "[r.load_family(f) for f in r.families()]; print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
