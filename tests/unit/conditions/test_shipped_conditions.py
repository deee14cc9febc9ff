"""Conditions of the suite: their networks can be built, and published networks have published sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bench.base.paths import CONDITIONS_DIR
from bench.codec import registry
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition
from bench.inr.study.width_search import coded_weights_of
from bench.sequences.table import find_sequence
from bench.workflow.plan import planned_info

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo

NAMES = sorted(path.stem for path in CONDITIONS_DIR.glob("*.yaml"))
UVG = ("beauty", "bosphorus", "honeybee", "jockey", "readysetgo", "shakendry", "yachtride")
UVG_CONDITIONS = tuple(name for name in NAMES if name.startswith("uvg-"))
#: Millions of weights by codec and point, with the digits of papers and official code (HiNeRV: the table of
#: representations; FFNeRV: counted in the official network; the others: the papers' tables).
PUBLISHED: dict[str, dict[str, dict[str, str]]] = {
    "bunny-nerv": {
        "nerv-official": {"nerv-s": "3.2", "nerv-m": "6.3", "nerv-l": "12.5"},
        "enerv-official": {"bunny-720p": "12.49"},
        "ffnerv-official": {"c156": "12.409"},
    },
    "uvg-ffnerv-representation": {"ffnerv-official": {"c156": "12.409"}},
    "uvg-ffnerv-paper": {
        "ffnerv-official": {
            "c24": "3.617",
            "c48": "11.308",
            "c64": "18.714",
            "c80": "27.938",
            "c96": "38.980",
            "c112": "51.841",
        }
    },
    "uvg-nerv-paper": {
        "nerv-official": {
            "c64-e8": "24.364",
            "c128-e4": "36.465",
            "c128-e6": "59.052",
            "c128-e8": "87.722",
            "c192-e8": "190.155",
        }
    },
    "uvg-1080p-v1": {"hinerv-matched": {"3.2M": "3.19", "6.4M": "6.49", "12.8M": "12.82", "25.6M": "25.65"}},
    "bunny-hnerv-table2": {
        "hnerv-official": {
            "bunny-0.35M": "0.3297",
            "bunny-0.75M": "0.7362",
            "bunny-1.5M": "1.505172",
            "bunny-3.0M": "3.0296",
        },
        "hnerv-pe": {"0.75M": "0.756768", "1.5M": "1.507868", "3.0M": "2.986591"},
    },
}


class FittedPoint(NamedTuple):
    """One network of a condition, for one clip."""

    clip: ClipInfo
    codec: str
    point: str
    settings: Mapping[str, Any]

    @property
    def family(self) -> INRCodec:
        return registry.load_family(registry.codec_config(self.codec).family)  # type: ignore[return-value]

    @property
    def weights(self) -> int:
        """Weights in its stream; nothing is allocated."""
        return coded_weights_of(self.family, self.clip, self.settings)


def fitted_points(condition: Condition) -> Iterator[FittedPoint]:
    for codec in condition.codecs:
        if registry.codec_config(codec).kind == "fitted":
            for name in condition.clips:
                clip = planned_info(condition, name)
                for point in condition.points(codec):
                    if not condition.codecs[codec].codes(name, point):
                        continue
                    yield FittedPoint(clip, codec, point, condition.settings(codec, point, name))


@pytest.fixture(scope="module")
def weights() -> dict[str, dict[tuple[str, str, str], int]]:
    """Condition -> (clip, codec, point) -> weights. Every network of every condition is built once."""
    return {
        name: {(p.clip.name, p.codec, p.point): p.weights for p in fitted_points(load_condition(name))}
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_every_fitted_point_is_a_network_for_every_clip(name: str, weights) -> None:
    condition = load_condition(name)
    fitted = {codec for codec in condition.codecs if registry.codec_config(codec).kind == "fitted"}
    assert {codec for _, codec, _ in weights[name]} == fitted
    fitted_clips = {
        clip
        for clip in condition.clips
        if any(
            condition.codecs[codec].codes(clip, point)
            for codec in fitted
            for point in condition.points(codec)
        )
    }
    assert {clip for clip, _, _ in weights[name]} == fitted_clips
    assert min(weights[name].values(), default=1001) > 1000  # external-v1 has no network of the suite


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_their_published_sizes(name: str, weights) -> None:
    clip = next(iter(load_condition(name).clips))
    for codec, points in PUBLISHED[name].items():
        for point, millions in points.items():
            digits = len(millions.partition(".")[2])
            count = weights[name][clip, codec, point]
            assert f"{count / 1e6:.{digits}f}" == millions, (codec, point, count)


def test_the_networks_of_uvg_have_the_sizes_in_their_names(weights) -> None:
    """Within 4 %; ShakeNDry's are smaller where a frame has weights of its own."""
    counts = weights["uvg-1080p-v1"]
    for (clip, codec, point), count in counts.items():
        off = count / (float(point.removesuffix("M")) * 1e6) - 1
        assert abs(off) < (0.06 if clip == "shakendry" else 0.04), (clip, codec, point, count)
    # The same points for all networks, each twice as large as the one before: what makes a comparison at
    # fixed bits a pixel of ShakeNDry's points with the others' next ones.
    points = {codec: [p for c, k, p in counts if (c, k) == ("beauty", codec)] for _, codec, _ in counts}
    assert set(map(tuple, points.values())) == {("1.6M", "3.2M", "6.4M", "12.8M", "25.6M")}
    frames = [planned_info(load_condition("uvg-1080p-v1"), clip).frames for clip in ("shakendry", "beauty")]
    assert frames == [300, 600]


def test_at_fixed_rate_shakendry_has_half_of_the_others_weights(weights) -> None:
    sizes, rates = weights["uvg-1080p-v1"], weights["uvg-1080p-rates-v1"]
    names = dict(zip(("1.6M", "3.2M", "6.4M", "12.8M", "25.6M"), ("r1", "r2", "r3", "r4", "r5"), strict=True))
    assert len(sizes) == len(rates)
    for (clip, codec, point), count in sizes.items():
        half = pytest.approx(float(point.removesuffix("M")) * 1e6 / 2, rel=0.06)
        assert rates[clip, codec, names[point]] == (half if clip == "shakendry" else count)


@pytest.mark.parametrize("codec", ["enerv-official", "hnerv-official", "hnerv-pe"])
def test_table_2_has_the_sizes_of_its_columns(codec: str, weights) -> None:
    counts = [count for (_, c, _), count in weights["bunny-hnerv-table2"].items() if c == codec]
    assert counts == pytest.approx([0.35e6, 0.75e6, 1.5e6, 3e6], rel=0.1)


@pytest.mark.parametrize("name", UVG_CONDITIONS)
def test_uvg_is_its_seven_clips_with_all_frames(name: str) -> None:
    condition = load_condition(name)
    infos = [planned_info(condition, clip) for clip in condition.clips]
    assert tuple(condition.clips) == UVG
    assert sum(info.frames for info in infos) == 3900
    size = (1280, 720) if name.endswith("representation") else (1920, 1080)
    assert {(info.width, info.height) for info in infos} == {size}
    assert {find_sequence(info.sequence).kind for info in infos} == {"url"}


def test_papers_are_compared_with_in_their_colours() -> None:
    papers = [name for name in NAMES if name.endswith(("-paper", "-representation", "table2", "bunny-nerv"))]
    assert len(papers) == 5
    assert {load_condition(name).colour for name in papers} == {"bt601-ffmpeg"}
    assert load_condition("uvg-1080p-v1").colour == "bt709"


@pytest.mark.parametrize(
    ("name", "epochs", "quantiser"),
    [
        ("uvg-1080p-v1", 300, None),
        ("uvg-1080p-rates-v1", 300, None),
        ("uvg-ffnerv-paper", 600, "tanh"),
        ("uvg-ffnerv-representation", 300, "float32"),
        ("uvg-nerv-paper", 1550, "affine"),
        ("bunny-nerv", 300, "float32"),
        ("bunny-hnerv-table2", 300, "float32"),
        ("interpolation-v1", 160, None),
    ],
)
def test_budgets_and_quantisers(name: str, epochs: int, quantiser: str | None) -> None:
    for p in fitted_points(load_condition(name)):
        assert p.family.resolve(p.clip, p.settings).recipe.total_epochs == epochs
        assert quantiser in (None, p.settings["quantiser"]["name"])


def test_a_hypothesis_is_marked_as_one() -> None:
    condition = load_condition("uvg-ffnerv-paper")
    assert "our hypothesis" in condition.description
    lines = condition.path.read_text().splitlines()
    for point in condition.points("ffnerv-official"):
        (line,) = (line for line in lines if line.strip().startswith(f"{point}:"))
        assert ("hypothesis" in line) == (point != "c48")
        assert ("published" in line) == (point == "c48")


def test_interpolation_holds_out_every_other_frame_at_the_reference_sizes() -> None:
    condition, reference = load_condition("interpolation-v1"), load_condition("local-v1")
    assert condition.clips == reference.clips
    assert {p.settings["fit_every"] for p in fitted_points(condition)} == {2}
    (clip,) = condition.clips
    for codec in ("ffnerv-matched", "nerv-matched", "enerv-matched"):
        for point in reference.points(codec):
            fitted = {**reference.settings(codec, point, clip), "fit_every": 2}
            assert condition.settings(codec, point, clip) == fitted


def test_table_2_is_the_centre_of_the_picture() -> None:
    condition = load_condition("bunny-hnerv-table2")
    (steps,) = condition.clips.values()
    assert steps.crop is not None
    _, y, width, height = steps.crop
    sequence = find_sequence(steps.sequence)
    assert (width, height) == (1280, 640)
    assert (sequence.width, sequence.height - height - y) == (width, y)
    whole = load_condition("bunny-nerv").clips["bunny-1280x720"]
    assert steps.model_copy(update={"crop": None}) == whole
