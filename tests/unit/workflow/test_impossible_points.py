"""Points, clips and regions that no job could compute are skipped or refused by the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.base.errors import BenchError
from bench.codec import registry
from bench.workflow.plan import Plan, make_plan


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


def test_settings_that_suit_no_clip_are_refused() -> None:
    settings = {**registry.codec_config("nerv-matched").test, "quantiser": {"name": "affine"}}
    with pytest.raises(BenchError) as raised:
        plan_of({"nerv-matched": {"points": {"low": settings}}})
    message = str(raised.value)
    assert message.startswith("tiny-v0.yaml: codecs: nerv-matched: points: low: ")
    assert "rounding" in message


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
