"""Styles of series: distinguishable in colour, in grey and by dichromats, and the same in all figures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from bench.figures.style import FAMILIES, SOLID, Style, codec_styles, series_style

DEMO = (
    "ffnerv-matched", "ffnerv-official", "nerv-matched", "nerv-official",
    "x264-medium", "x264-veryslow", "x265-medium", "x265-veryslow",
)  # fmt: skip
MORE = ("enerv-matched", "hnerv-matched", "hinerv-matched", "my-own-codec")


def luminance(style: Style) -> float:
    red, green, blue = to_rgb(style.colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_series_differ_on_a_grey_printout():
    styles = codec_styles(
        [*DEMO, *MORE, "svtav1-p4", "aom-cpu6", "vvenc-medium", "vp9-cpu2", "compressai-ssf"]
    )
    of_series: dict[tuple[str, bool], Style] = {}
    for codec, style in styles.items():
        kind = "classical" if codec[:2] in ("x2", "av", "vv", "vp") else "fitted"
        for reference in (False, True) if kind == "fitted" else (False,):
            of_series[codec, reference] = series_style(
                style, kind=kind, reference=reference, has_references=True
            )
    for (one, first), (other, second) in combinations(of_series.items(), 2):
        shapes = [(style.marker, style.filled, style.line) for style in (first, second)]
        assert shapes[0] != shapes[1], f"{one} and {other}"
    for family in ("ffnerv", "nerv", "x264", "x265"):
        pair = [luminance(style) for codec, style in styles.items() if codec.split("-")[0] == family]
        assert abs(pair[0] - pair[1]) > 0.08, family


def simulated(colour: str, kind: str) -> np.ndarray:
    """A colour as a dichromat sees it (Machado, Oliveira and Fernandes 2009, severity 1), linear RGB."""
    matrices = {
        "protan": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deutan": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    }
    linear = np.asarray(to_rgb(colour)) ** 2.2
    return np.clip(np.asarray(matrices[kind]) @ linear, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_dichromats_can_distinguish_the_hues_of_a_condition(kind):
    hues = {family: simulated(FAMILIES[family][0], kind) for family in ("ffnerv", "nerv", "x264", "x265")}
    for (one, first), (other, second) in combinations(hues.items(), 2):
        assert np.linalg.norm(first - second) > 0.2, f"{one} and {other}"


def test_a_style_depends_only_on_the_codec():
    everything = codec_styles([*DEMO, *MORE])
    for codec in DEMO:
        assert codec_styles([codec])[codec] == everything[codec]
    assert codec_styles(["my-own-codec", "x264-medium"])["my-own-codec"] == everything["my-own-codec"]


def test_codecs_of_unknown_families_have_distinct_styles():
    others = [f"codec-{index}" for index in range(12)]
    styles = codec_styles([*others, "x264-tune", "x264-zerolatency", *DEMO])
    assert len({(s.colour, s.marker, s.filled, s.line) for s in styles.values()}) == len(styles)
    assert styles == codec_styles([*reversed(others), *DEMO, "x264-zerolatency", "x264-tune"])
    assert styles["x264-veryslow"].colour == FAMILIES["x264"][0].lower()
    assert styles["x264-tune"].marker == styles["x264-medium"].marker
    known = {colour.lower() for colour, _ in FAMILIES.values()}
    assert not known & {styles[codec].colour for codec in others}


def test_a_classical_codec_is_never_dashed():
    style = codec_styles(["x264-medium"])["x264-medium"]
    assert series_style(style, kind="classical", reference=False, has_references=True).line == SOLID
