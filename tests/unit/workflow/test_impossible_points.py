"""Points, clips and regions that no job could compute are skipped or refused by the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.base.errors import BenchError
from bench.codec import registry
from bench.workflow.plan import Plan, make_plan

FITTED = ("ffnerv-matched", "nerv-matched", "enerv-matched", "hnerv-matched", "hinerv-matched")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan_of(codecs: dict[str, Any], **changes: Any) -> Plan:
    condition: dict[str, Any] = {
        "title": "tiny",
        "clips": {"discs": {"sequence": "discs-tiny"}},  # 64x48, 10 frames
        "codecs": codecs,
        "metrics": ["psnr_rgb_db"],
        **changes,
    }
    Path("tiny-v0.yaml").write_text(yaml.safe_dump(condition, sort_keys=False))
    return make_plan("tiny-v0.yaml")


@pytest.mark.parametrize(
    ("codec", "settings", "trim", "reason"),
    [
        ("hinerv-matched", {"local_levels": 3}, [0, 2], "local_levels: 3 levels need 4 frames"),
        ("nerv-matched", {"strides": [5, 5, 2]}, [0, 10], "strides"),
        ("nerv-matched", {"loss": "Fusion10"}, [0, 10], "loss: Fusion10 needs sides of 161 pixels"),
        ("nerv-matched", {"fit_every": 9}, [0, 9], "fit_every: 9"),
        ("vvenc-faster", {"qp": 40}, [0, 10], "vvenc codes no side below 24 pixels"),
    ],
)
def test_a_point_that_its_codec_cannot_code_is_skipped(
    codec: str, settings: dict[str, Any], trim: list[int], reason: str
) -> None:
    """The other points of the codec, and the other codecs, keep their runs."""
    scale = [32, 16] if codec.startswith("vvenc") else [64, 48]
    small = registry.codec_config(codec).test
    points = {"impossible": {**small, **settings}}
    if codec.endswith("-matched"):
        points["possible"] = small
    plan = plan_of(
        {codec: {"points": points}, "identity": {}},
        clips={"discs": {"sequence": "discs-tiny", "trim": trim, "scale": scale}},
    )
    (skip,) = plan.skipped
    assert (skip.clip, skip.codec, skip.point) == ("discs", codec, "impossible")
    assert reason in skip.reason
    runs = [(point.codec, point.point) for point in plan.points]
    assert runs == [*((codec, name) for name in points if name == "possible"), ("identity", "raw")]


def test_a_clip_of_one_frame_is_skipped_for_hinerv_alone() -> None:
    """Its local grids of two levels need two frames."""
    codecs = {codec: {"points": {"p": registry.codec_config(codec).test}} for codec in FITTED}
    clips = {"still": {"sequence": "discs-tiny", "trim": [0, 1]}}
    plan = plan_of({**codecs, "identity": {}}, clips=clips)
    (skip,) = plan.skipped
    assert (skip.codec, skip.reason) == (
        "hinerv-matched",
        "local_levels: 2 levels need 2 frames, the clip has 1",
    )
    assert {point.codec for point in plan.points} == {*FITTED, "identity"} - {"hinerv-matched"}


def test_settings_that_suit_no_clip_are_refused() -> None:
    settings = {**registry.codec_config("nerv-matched").test, "quantiser": {"name": "affine"}}
    with pytest.raises(BenchError) as raised:
        plan_of({"nerv-matched": {"points": {"low": settings}}})
    message = str(raised.value)
    assert message.startswith("tiny-v0.yaml: codecs: nerv-matched: points: low: clip discs: ")
    assert "rounding" in message


@pytest.mark.parametrize(
    ("codec", "settings", "message"),
    [
        (
            "x264-medium",
            {"preset": "no-such-preset", "crf": 30},
            "unknown preset 'no-such-preset'; use",
        ),
        ("x265-medium", {"preset": 4, "crf": 30}, "unknown preset 4; use one of ultrafast"),
        ("svtav1-p8", {"preset": "8", "crf": 30}, "unknown preset '8'; use one of -2, -1, 0"),
        ("aom-cpu6", {"preset": 9, "crf": 30}, "unknown preset 9; use one of 0, 1"),
        ("vvenc-faster", {"preset": "slowest", "qp": 30}, "unknown preset 'slowest'; use one of faster"),
        ("x264-medium", {"tune": "psnr,flim", "crf": 30}, "unknown tune 'flim'; use one of psnr"),
        ("x265-medium", {"tune": "film", "crf": 30}, "unknown tune 'film'; use one of psnr"),
        ("x264-medium", {"crf": 52}, "crf: 52 must be 0 to 51"),
        ("vp9-cpu2", {"crf": 64}, "crf: 64 must be 0 to 63"),
    ],
)
def test_an_encoder_setting_that_ffmpeg_would_refuse_is_refused_by_the_plan(
    codec: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(BenchError) as raised:
        plan_of({codec: {"points": {"low": settings}}})
    assert str(raised.value).startswith(f"tiny-v0.yaml: codecs: {codec}: points: low: clip discs: encoder ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ({"trim": [0, 11]}, "trim is 0 to 11, but discs-tiny has 10 frames"),
        ({"trim": [10, 12]}, "trim is 10 to 12, but discs-tiny has 10 frames"),
        ({"crop": [32, 0, 64, 48]}, "crop is [32, 0, 64, 48], but the frame is 64x48"),
        ({"crop": [0, 2, 64, 48]}, "crop is [0, 2, 64, 48], but the frame is 64x48"),
    ],
)
def test_a_clip_beyond_its_sequence_is_refused(clip: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError) as raised:
        plan_of({"identity": {}}, clips={"discs": {"sequence": "discs-tiny", **clip}})
    assert str(raised.value).startswith("tiny-v0.yaml: clips: discs: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("strip", "message"),
    [
        ({"frame": 10, "crop": [0, 0, 8, 8]}, "strip: frame: 10 is outside of every clip"),
        ({"frame": 0, "crop": [60, 0, 8, 8]}, "strip: crop: [60, 0, 8, 8] is outside of every clip"),
    ],
)
def test_a_strip_outside_of_the_clips_is_refused(strip: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError) as raised:
        plan_of({"identity": {}}, strip=strip)
    assert f"tiny-v0.yaml: {message}" in str(raised.value)
