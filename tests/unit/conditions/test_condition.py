from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import CONDITIONS_DIR
from bench.codec import registry
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition, settings_of
from bench.video.clip import ClipInfo

CODEC = """
family: ffmpeg
label: x
kind: {kind}
settings: {{encoder: x264, preset: own}}
points: {{a: {{}}, b: {{preset: b}}}}
citation: none
license: none
"""
GOOD = """
title: A test
clips:
  small: {sequence: bikes, trim: [0, 5], scale: [64, 48]}
budget: {preset: budget}
codecs:
  net: {points: {p1: {}, p2: {preset: point}}}
  old: {}
  some: {points: [b], settings: {preset: here}}
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
    assert (condition.seeds, condition.metrics[0]) == ((3, 4), "psnr_rgb_db")


def test_the_condition_owns_the_rate_points(folder: Path) -> None:
    condition = load(folder)
    assert condition.points("net") == ["p1", "p2"]
    assert condition.points("old") == ["a", "b"]
    assert condition.points("some") == ["b"]


def preset(condition: Condition, codec: str, point: str, clip: str = "small") -> str:
    settings = condition.settings(codec, point, clip)
    assert settings == {**registry.settings_model("ffmpeg").default_values(), **settings}
    return settings["preset"]


def test_layers_of_settings(folder: Path) -> None:
    condition = load(folder)
    assert preset(condition, "net", "p1") == "budget"
    assert preset(condition, "net", "p2") == "point"
    assert preset(condition, "old", "a") == "own"
    assert preset(condition, "some", "b") == "b"
    net = registry.codec_config("net")
    assert settings_of(net, "p2", "small", {"preset": "typed"}, condition)["preset"] == "typed"
    assert settings_of(net, "b", "small", {}, None)["preset"] == "b"
    with pytest.raises(BenchError, match="unknown point of net 'p1'"):
        settings_of(net, "p1", "small", {}, None)


def test_a_clip_may_have_settings_of_its_own(folder: Path) -> None:
    points = "points: {p1: {preset: point}, p2: {preset: point}}"
    codec = f"net: {{{points}, clips: {{small: {{p1: {{}}, p2: {{preset: clip}}}}}}}}"
    condition = load(folder, GOOD.replace("net: {points: {p1: {}, p2: {preset: point}}}", codec))
    assert preset(condition, "net", "p1") == "budget"
    assert preset(condition, "net", "p2") == "clip"
    assert preset(condition, "net", "p2", "another") == "point"


def test_a_clip_may_leave_out_points_or_a_codec(folder: Path) -> None:
    text = GOOD.replace("  small: {", "  other: {sequence: bikes}\n  small: {")
    clips = "clips: {small: {p1: null}, other: null}"
    text = text.replace("p2: {preset: point}}}", f"p2: {{preset: point}}}}, {clips}}}")
    net = load(folder, text).codecs["net"]
    coded = [(clip, p) for clip in ("small", "other") for p in ("p1", "p2") if net.codes(clip, p)]
    assert coded == [("small", "p2")]


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
    ("old", "new", "message"),
    [
        ("title: A test", "titel: A test", "unknown key 'titel'; try title"),
        ("title: A test\n", "", "key 'title' is missing"),
        ("title: A test", "title: ''", "title: must not be empty"),
        ("anchor: old", "ancor: old", "unknown key 'ancor'; try anchor"),
        ("anchor: old", "anchor: odl", "anchor: unknown codec 'odl'; try old"),
        ("anchor: old", "headline: psnr", "headline: unknown metric 'psnr'; try psnr_y"),
        ("anchor: old", "colour: bt7009", "colour: unknown value 'bt7009'; try bt709"),
        ("anchor: old", "metrics: [psnr_rgb_db, vmfa]", "metrics: unknown metric 'vmfa'; try vmaf"),
        ("anchor: old", "metrics: [psnr_rgb_db, psnr_rgb_db]", "metrics: 'psnr_rgb_db' is listed twice"),
        ("anchor: old", "metrics: []", "metrics: .* give at least one value"),
        ("sequence: bikes", "sequenc: bikes", "clips: small: unknown key 'sequenc'; try sequence"),
        ("small: {sequence", "mean: {sequence", "clips: 'mean' is a reserved name"),
        ("small: {sequence", "Partial: {sequence", "clips: 'Partial' is a reserved name"),
        (
            "small: {",
            "Small: {sequence: bikes}\n  small: {",
            "'Small' and 'small' differ only in case",
        ),
        ("  small: {sequence: bikes, trim: [0, 5], scale: [64, 48]}", "  {}", "clips: {} has 0 values"),
        ("trim: [0, 5]", "trim: [0, 5, 6]", r"clips: small: trim: .* a list of 2 whole numbers"),
        ("trim: [0, 5]", "trim: [0, -5]", r"clips: small: trim: \[0, -5\] must be a range"),
        ("trim: [0, 5]", "trim: [-1, 5]", r"clips: small: trim: \[-1, 5\] must be a range"),
        ("trim: [0, 5]", "trim: [5, 5]", r"clips: small: trim: \[5, 5\] must be a range"),
        ("trim: [0, 5]", "trin: [0, 5]", r"clips: small: unknown key 'trin'; try trim"),
        ("scale: [64, 48]", "scale: [63, 48]", r"clips: small: scale: \[63, 48\] must be even"),
        ("scale: [64, 48]", "scale: [64, 0]", r"clips: small: scale: \[64, 0\] must be even"),
        ("scale: [64, 48]", "crop: [0, 1, 64, 48]", r"clips: small: crop: \[0, 1, 64, 48\] must be even"),
        ("scale: [64, 48]", "crop: [0, 0, 64, 47]", r"clips: small: crop: \[0, 0, 64, 47\] must be even"),
        ("seeds: [3, 4]", "seeds: []", "seeds: .* give at least one value"),
        ("seeds: [3, 4]", "seeds: 3", "seeds: 3 must be a list"),
        ("seeds: [3, 4]", "seeds: [3, 3]", "seeds: 3 is listed twice"),
        ("seeds: [3, 4]", "seeds: [3, -1]", "seeds: 1: -1 must be at least 0"),
        ("seeds: [3, 4]", "seeds: [4294967296]", "seeds: 0: 4294967296 must be below 4294967296"),
        ("seeds: [3, 4]", "seeds: [true]", "seeds: 0: True must be a whole number"),
        ("seeds: [3, 4]", "seeds: [3]\nseeds: [4]", "line 12: duplicate key 'seeds'"),
        ("  some: {", "  somme: {", "unknown codec 'somme'; try some"),
        ("  old: {}", "  old:", "codecs: old: None must be a table"),
        ("  old: {}", "  01: {}", "codecs: 1 must be text; put it in quotes"),
        ("  old: {}", "  old: {pionts: {}}", "codecs: old: unknown key 'pionts'; try points"),
        ("points: [b]", "points: [c]", "codecs: some: points: unknown point 'c'; try a, b"),
        ("points: [b]", "points: [b, b]", "codecs: some: points: 'b' is listed twice"),
        ("points: [b]", "points: []", "codecs: some: points: .* give at least one value"),
        ("points: [b]", "points: {}", "codecs: some: points: .* give at least one value"),
        ("points: [b]", "points: {0.5: {}}", "codecs: some: points: 0.5 must be text; put it in quotes"),
        ("points: [b]", "points: {true: {}}", "codecs: some: points: True must be text; put it in quotes"),
        ("points: [b]", "points: {p: {}, P: {}}", "codecs: some: points: 'p' and 'P' differ only in case"),
        ("points: [b]", "points: {b: 3}", "codecs: some: points: b: 3 must be a table"),
        ("points: [b]", "points: {b: {crf: high}}", "codecs: some: points: b: crf: 'high' must be a number"),
        ("points: [b]", "points: {b: {crf: .nan}}", "codecs: some: points: b: crf: nan must be a finite"),
        ("points: [b]", "points: {b: {crff: 3}}", "codecs: some: points: b: unknown setting 'crff'; try crf"),
        ("budget: {preset", "budget: {presets", "budget: unknown setting 'presets'; try preset"),
        (
            "  old: {}",
            "  old: {settings: {keyint: 1.5}}",
            "old: settings: keyint: 1.5 must be a whole",
        ),
        (
            "  old: {}",
            "  old: {clips: {smal: {a: {}}}}",
            "old: clips: unknown clip 'smal'; try small",
        ),
        (
            "  old: {}",
            "  old: {clips: {small: {c: {}}}}",
            "old: clips: small: unknown point 'c'; try",
        ),
        ("  old: {}", "  old: {clips: {small: {a: 3}}}", "codecs: old: clips: small: a: 3 must be a table"),
        ("frame: 2", "frame: x", "strip: frame: 'x' must be a whole number"),
        ("frame: 2", "frame: -2", "strip: frame: -2 must be at least 0"),
        ("rate_bpp: 1", "rate_bpp: -1", "strip: rate_bpp: -1 must be above 0"),
        ("rate_bpp: 1", "rate_bpp: .inf", "strip: rate_bpp: inf must be a finite number"),
        ("rate_bpp: 1", "rate_bpp: yes", "strip: rate_bpp: True must be a number"),
        (
            "rate_bpp: 1",
            "rate_bpp: '1e-1'",
            "rate_bpp: '1e-1' must be a number; write 0.1 without",
        ),
        ("rate_bpp: 1", "rate_bpp: .nan", "strip: rate_bpp: nan must be a finite number"),
        (
            "scale: [64, 48]",
            "filter: lanczos3",
            "filter: unknown value 'lanczos3'; try lanczos",
        ),
        ("points: [b]", "points: {1e3: {}}", "codecs: some: points: 1000.0 must be text; put it in quotes"),
        ("crop: [0, 0, 16, 16]", "crop: [0]", "strip: crop: .* a list of 4 whole numbers"),
        ("crop: [0, 0, 16, 16]", "crop: [0, 0, 0, 16]", "strip: crop: .* must be a region"),
        ("budget: {preset: budget}", "device: gpu", "device: unknown value 'gpu'; try"),
        (
            "anchor: old",
            "published: [{source: x, codec: ol}]",
            "published: 0: codec: unknown codec 'ol'",
        ),
        ("anchor: old", "published: {source: x}", "published: .* must be a list"),
        ("anchor: old", "reference: 1", "reference: 1 must be true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(folder: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(BenchError, match=message) as error:
        load(folder, GOOD.replace(old, new))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("strip", "message"),
    [
        (
            "{frame: 5, crop: [0, 0, 16, 16]}",
            "frame: 5 is outside of every clip; write a frame from 0 to 4",
        ),
        ("{frame: 4, crop: [50, 0, 16, 16]}", r"strip: crop: .* is outside of every clip \(64x48\)"),
        ("{frame: 4, crop: [0, 40, 16, 9]}", r"strip: crop: .* is outside of every clip \(64x48\)"),
        ("{frame: 4, crop: [48, 32, 16, 16]}", None),
    ],
)
def test_a_strip_outside_of_every_clip_is_refused(folder: Path, strip: str, message: str | None) -> None:
    condition = load(folder, GOOD.replace("{frame: 2, crop: [0, 0, 16, 16], rate_bpp: 1}", strip))
    info = ClipInfo(name="small", sequence="bikes", width=64, height=48, frames=5, fps=Fraction(25))
    with pytest.raises(BenchError, match=message) if message else nullcontext():
        condition.check_strip([info])
    larger = replace(info, width=1280, height=720, frames=50)
    condition.check_strip([info, larger])  # one of several clips is enough


def test_reserved_names_of_conditions(folder: Path) -> None:
    for name in ("partial", "Mean", "-x", "a b"):
        (folder / f"{name}.yaml").write_text(GOOD)
        with pytest.raises(BenchError, match="cannot be the name of a condition"):
            load_condition(folder / f"{name}.yaml")


def test_names_that_look_like_numbers_are_kept(folder: Path) -> None:
    points = '{"0.10": {}, NA: {}, "1e3": {}, "null": {}, p2'
    condition = load(folder, GOOD.replace("small:", '"01":').replace("{p1: {}, p2", points))
    assert list(condition.clips) == ["01"]
    assert condition.points("net") == ["0.10", "NA", "1e3", "null", "p2"]
    assert preset(condition, "net", "0.10", "01") == "budget"


def test_numbers_with_an_exponent_are_numbers(folder: Path) -> None:
    condition = load(folder, GOOD.replace("rate_bpp: 1", "rate_bpp: 1e-1"))
    assert condition.strip.rate_bpp == 0.1


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
