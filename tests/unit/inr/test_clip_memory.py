"""The memory that a fit's clip takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_data import write_clip

from bench.inr.encoding import clip_tensor

_SCRIPT = """
import sys
from bench.base.process import peak_memory
from bench.inr.encoding import clip_tensor
from bench.video.clip import Clip
clip = Clip.load(sys.argv[1])
before = peak_memory()["peak_memory_bytes"]
frames = clip_tensor(clip, "cpu")
print((peak_memory()["peak_memory_bytes"] - before) / frames.numel())
"""


@pytest.mark.slow
def test_memory_holds_the_clip_once(tmp_path: Path) -> None:
    frame = np.full(640 * 360 * 3 // 2, 100, np.uint8)
    clip = write_clip(tmp_path / "clip", [frame] * 120, width=640, height=360)
    command = [sys.executable, "-c", _SCRIPT, str(clip.path.with_name("clip.json"))]
    used = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 0.9 < used < 1.2


def test_frames_are_in_order_with_channels_first(tmp_path: Path) -> None:
    frames = [np.full(16 * 16 * 3 // 2, 40 * index, np.uint8) for index in range(1, 5)]
    clip = write_clip(tmp_path / "clip", frames, width=16, height=16)
    expected = torch.from_numpy(clip.rgb_array()).permute(0, 3, 1, 2)
    assert torch.equal(clip_tensor(clip, "cpu"), expected)
