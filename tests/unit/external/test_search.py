"""The search of a parameter that reaches a rate or a quality, for programs and for ffmpeg's encoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from external_data import COPY, GEOMETRY, Codecs

from bench.base.errors import BenchError
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.scoring.frame_pair import mse
from bench.scoring.psnr import psnr_db
from bench.video.clip import Clip, planes


def run(clip: Clip, folder: Path, search: dict[str, Any]) -> dict[str, Any]:
    config = registry.codec_config("x264-medium")
    settings = registry.resolve_settings(config, {"preset": "ultrafast"}, {"search": search})
    plan = EncodePlan(
        config=config,
        point="p",
        settings=settings,
        clip=clip,
        out=folder / "s.bin",
        state_dir=folder / "state",
    )
    return encode(plan)


def test_ffmpegs_encoder_reaches_a_rate(tiny_clip: Clip, tmp_path: Path) -> None:
    search = {"parameter": "crf", "low": 10, "high": 50, "step": 0.5, "rate_bpp": 1.0, "tolerance": 0.03}
    report = run(tiny_clip, tmp_path, search)
    outcome = report["details"]["search"]
    rate = 8 * (tmp_path / "s.bin").stat().st_size / tiny_clip.info.pixels
    assert abs(rate - 1) <= 0.03
    assert rate == 8 * report["stream_bytes"] / tiny_clip.info.pixels
    assert 2 < len(outcome["tries"]) < 10, "bisection of 81 values"
    tries = {path: path.stat().st_mtime_ns for path in (tmp_path / "state").glob("try-*.bin")}
    again = run(tiny_clip, tmp_path, search)
    assert again["stream_sha256"] == report["stream_sha256"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "state").glob("try-*.bin")} == tries


def test_ffmpegs_encoder_reaches_a_quality(tiny_clip: Clip, tmp_path: Path) -> None:
    search = {"parameter": "crf", "low": 10, "high": 50, "psnr_y_db": 38.0, "tolerance": 0.6}
    run(tiny_clip, tmp_path, search)
    stream = read_stream(tmp_path / "s.bin")
    frames = decode(stream, codec_of(stream), device="cpu", clock=StageClock())
    lumas = [
        [planes(f, stream.header.width, stream.header.height)[0] for f in pair]
        for pair in zip(frames, tiny_clip.frames(), strict=True)
    ]
    assert abs(sum(psnr_db(mse(*pair)) for pair in lumas) / len(lumas) - 38) <= 0.6


@pytest.mark.parametrize(
    ("search", "printed"),
    [
        ({"rate_bpp": 90.0}, "no value reaches rate 90 bpp; crf 10 is the nearest with"),
        ({"rate_bpp": 1.0, "step": 40.0, "tolerance": 1e-6}, "no value reaches rate 1 bpp"),
        ({"rate_bpp": 1.0, "high": 60}, "crf: 60 must be 0 to 51"),
        ({"rate_bpp": 1.0, "parameter": "preset"}, "parameter must be crf or qp"),
        ({}, "needs one target: rate_bpp or psnr_y_db"),
        ({"rate_bpp": 1.0, "low": 50.0, "high": 10.0}, "low 50 must be below high 10"),
    ],
)
def test_a_search_without_a_result_is_one_line(
    tiny_clip: Clip, tmp_path: Path, search: dict[str, Any], printed: str
) -> None:
    values = {"parameter": "crf", "low": 10, "high": 50, "tolerance": 0.01} | search
    with pytest.raises(BenchError) as caught:
        run(tiny_clip, tmp_path, values)
    assert printed in str(caught.value)


def test_a_program_reaches_a_rate(codecs: Codecs) -> None:
    """An encoder that keeps every n-th byte: its rate falls with n."""
    encoder = COPY + "\nimport sys\ndata = open(target, 'rb').read()\n"
    encoder += "open(target, 'wb').write(data + bytes(int(sys.argv[7]) * 100))\n"
    command = ["python", "{encoder}", "encode", "{input}", "{stream}", *GEOMETRY, "{padding}"]
    config = codecs.add("padded", encoder=encoder, encode=command)
    target = 8 * (codecs.clip.info.frame_bytes * 9 + 5000) / codecs.clip.info.pixels
    search = {"parameter": "padding", "low": 0, "high": 100, "rate_bpp": target, "tolerance": 0.002}
    stream = codecs.encode(config, {"search": search})
    outcome = json.loads(stream.with_suffix(".json").read_text())["details"]["search"]
    assert outcome["value"] == pytest.approx(50, abs=1)
    assert len(outcome["tries"]) <= 9
    assert len(codecs.decode(stream)[0]) == 9
