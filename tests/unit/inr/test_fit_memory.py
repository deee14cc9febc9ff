"""The memory that a fit requests, against the memory that it took."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clip_data import write_clip

from bench.codec import registry
from bench.conditions.reader import load_condition, settings_of
from bench.inr.study.fit_memory import fit_memory

#: Every 30th frame is fitted: a few steps take as much memory as many.
_CHANGES = {"epochs": 1, "rounding": None, "fit_every": 30}
_CONDITION, _CLIP, _POINT = "demo-v1", "bunny-320x180", "bpp0.12"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec_id", "size"),
    [
        ("nerv-matched", (320, 180, 60)),
        ("nerv-matched", (960, 540, 120)),
        ("ffnerv-matched", (320, 180, 60)),
    ],
)
def test_the_estimate_is_the_peak_of_a_fit(tmp_path: Path, codec_id: str, size: tuple[int, int, int]) -> None:
    width, height, frames = size
    frame = np.random.default_rng(0).integers(16, 236, width * height * 3 // 2, np.uint8)
    clip = write_clip(tmp_path / _CLIP, [frame] * frames, width=width, height=height)
    config = registry.codec_config(codec_id)
    settings = settings_of(config, _POINT, _CLIP, _CHANGES, load_condition(_CONDITION))
    estimate = fit_memory(registry.load_family(config.family), clip.info, settings).fit_bytes
    report = tmp_path / "encode.json"
    command = [sys.executable, "-m", "bench", "encode", "--condition", _CONDITION, "--codec", codec_id]
    for key, value in _CHANGES.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    command += ["--point", _POINT, "--clip", str(clip.path.with_name("clip.json")), "--device", "cpu"]
    command += ["--out", str(tmp_path / "stream.bin"), "--report", str(report)]
    subprocess.run(command, check=True)
    peak = json.loads(report.read_text())["peak_memory_bytes"]
    assert 0.9 * peak < estimate < 1.25 * peak
