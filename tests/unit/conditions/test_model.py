from __future__ import annotations

from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import CONDITIONS_DIR
from bench.codec import registry
from bench.conditions.reader import load_condition, settings_of

CODEC = (
    "family: control\nlabel: x\nkind: {kind}\nsettings: {{mode: own}}\npoints: {{a: {{}}, b: {{mode: b}}}}\n"
)
CODEC += "citation: none\nlicense: none\n"
GOOD = """
title: A test
clips:
  small: {sequence: bikes, trim: [0, 5], scale: [64, 48]}
budget: {mode: budget}
codecs:
  net: {points: {p1: {}, p2: {mode: point}}}
  old: {}
  some: {points: [b], settings: {mode: here}}
anchor: old
seeds: [3, 4]
strip: {frame: 2, crop: [0, 0, 16, 16], rate_bpp: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    codecs = tmp_path / "codecs"
    codecs.mkdir()
    for name, kind in (("net", "fitted"), ("old", "classical"), ("some", "classical")):
        (codecs / f"{name}.yaml").write_text(CODEC.format(kind=kind))
    monkeypatch.setattr(registry, "CODECS_DIR", codecs)
    return tmp_path


def load(folder: Path, text: str = GOOD):
    path = folder / "test-v0.yaml"
    path.write_text(text)
    return load_condition(path)


def test_a_condition_is_read(folder: Path) -> None:
    condition = load(folder)
    assert condition.name == "test-v0"
    plan = condition.clip("small")
    assert (plan.sequence, plan.trim, plan.crop, plan.scale, plan.filter) == (
        "bikes",
        (0, 5),
        None,
        (64, 48),
        "lanczos",
    )
    assert list(condition.codecs) == ["net", "old", "some"]
    assert condition.strip.crop == (0, 0, 16, 16)


def test_the_condition_owns_the_rate_points(folder: Path) -> None:
    condition = load(folder)
    assert condition.points("net") == ["p1", "p2"]
    assert condition.points("old") == ["a", "b"]
    assert condition.points("some") == ["b"]


def test_layers_of_settings(folder: Path) -> None:
    condition = load(folder)
    assert condition.settings("net", "p1", "small") == {"mode": "budget"}
    assert condition.settings("net", "p2", "small") == {"mode": "point"}
    assert condition.settings("old", "a", "small") == {"mode": "own"}
    assert condition.settings("some", "b", "small") == {"mode": "b"}
    net = registry.codec_config("net")
    assert settings_of(net, "p2", "small", {"mode": "typed"}, condition) == {"mode": "typed"}
    assert settings_of(net, "b", "small", {}, None) == {"mode": "b"}
    with pytest.raises(BenchError, match="unknown point of net 'p1'"):
        settings_of(net, "p1", "small", {}, None)


def test_a_clip_may_have_settings_of_its_own(folder: Path) -> None:
    own = "net: {points: {p1: {mode: point}, p2: {mode: point}}, clips: {small: {p1: {}, p2: {mode: clip}}}}"
    condition = load(folder, GOOD.replace("net: {points: {p1: {}, p2: {mode: point}}}", own))
    assert condition.settings("net", "p1", "small") == {"mode": "budget"}
    assert condition.settings("net", "p2", "small") == {"mode": "clip"}
    assert condition.settings("net", "p2", "of the user's") == {"mode": "point"}


def test_footnotes_are_those_of_its_codecs(folder: Path) -> None:
    assert load(folder).footnotes == {}
    with (folder / "codecs" / "old.yaml").open("a") as file:
        file.write("footnote: is old.\n")
    assert load(folder).footnotes == {"old": "is old."}


def test_only_fitted_codecs_run_every_seed(folder: Path) -> None:
    condition = load(folder)
    assert condition.seeds_of("net") == (3, 4)
    assert condition.seeds_of("old") == (3,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: A test", "titel: A test", "'title' is missing"),
        ("anchor: old", "ancor: old", "'ancor'.*anchor"),
        ("anchor: old", "anchor: odl", "anchor.*odl.*old"),
        ("anchor: old", "headline: psnr", "headline.*psnr"),
        ("anchor: old", "colour: bt7009", "colour.*bt7009.*bt709"),
        ("anchor: old", "metrics: [psnr_rgb_db, vmfa]", "metrics.*vmfa.*vmaf"),
        ("sequence: bikes", "sequenc: bikes", "clips: small: sequence"),
        ("trim: [0, 5]", "trim: [0, 5, 6]", r"clips: small: trim.*2 whole numbers"),
        ("trim: [0, 5]", "trim: [0, -5]", r"clips: small: trim"),
        ("trim: [0, 5]", "trin: [0, 5]", r"clips: small.*'trin'.*trim"),
        ("seeds: [3, 4]", "seeds: []", "seeds"),
        ("seeds: [3, 4]", "seeds: 3", "seeds: 3 is no list"),
        ("seeds: [3, 4]", "seeds: [3]\nseeds: [4]", "'seeds' twice"),
        ("  old: {}", "  oldd: {}", "oldd.*old"),
        ("  old: {}", "  old:", "codecs: old"),
        ("  old: {}", "  old: {pionts: {}}", "codecs: old.*'pionts'.*points"),
        ("points: [b]", "points: [c]", "unknown point of some 'c'"),
        ("points: [b]", "points: {0.5: {}}", "quotes"),
        ("points: [b]", "points: {b: 3}", "codecs: some: points"),
        ("  old: {}", "  old: {clips: {smal: {a: {}}}}", "codecs: old: clips.*unknown clip 'smal'.*small"),
        ("  old: {}", "  old: {clips: {small: {c: {}}}}", "codecs: old: clips: small.*unknown point 'c'"),
        ("  old: {}", "  old: {clips: {small: {a: 3}}}", "codecs: old: clips: small: no table"),
        ("frame: 2", "frame: x", "strip: frame"),
        ("crop: [0, 0, 16, 16]", "crop: [0]", "strip: crop"),
        ("budget: {mode: budget}", "device: gpu", "device.*gpu"),
    ],
)
def test_a_wrong_condition_is_named_with_its_key(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BenchError, match=said) as error:
        load(folder, GOOD.replace(old, new))
    assert len(str(error.value).splitlines()) == 1


def test_unknown_names(folder: Path) -> None:
    condition = load(folder)
    for call in (
        lambda: condition.clip("smal"),
        lambda: condition.points("nett"),
        lambda: condition.settings("net", "p3", "small"),
        lambda: load_condition("no-such-v9"),
        lambda: load_condition(folder / "missing.yaml"),
    ):
        with pytest.raises(BenchError, match=r"try |check the path"):
            call()


def test_every_condition_of_the_suite_resolves() -> None:
    for path in CONDITIONS_DIR.glob("*.yaml"):
        condition = load_condition(path.stem)
        for codec in condition.codecs:
            for point in condition.points(codec):
                for clip in condition.clips:
                    assert ... not in condition.settings(codec, point, clip).values()
