"""A tiny clip that moves, made with the suite's own writer; every test may have it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bench.video.clip import Clip, ClipInfo
from bench.video.y4m import y4m_chunks

WIDTH, HEIGHT, FRAMES = 64, 48, 9


def moving_frames(width: int, height: int, frames: int) -> list[np.ndarray]:
    """Flat yuv420p frames: a texture that pans, a disc that crosses it, chroma that turns."""
    y, x = np.mgrid[0:height, 0:width]
    half_y, half_x = np.mgrid[0 : height // 2, 0 : width // 2]
    made = []
    for t in range(frames):
        luma = 110 + 50 * np.sin((x + 2 * t) / 5) * np.cos(y / 7) + 0.4 * y
        disc = (x - width * (t + 2) / (frames + 4)) ** 2 + (y - height / 2) ** 2 < (height / 6) ** 2
        luma = np.where(disc, 225, luma)
        u = 128 + 40 * np.sin((half_x + t) / 9)
        v = 128 + 40 * np.cos((half_y - t) / 8)
        planes = [np.clip(np.rint(plane), 16, 235).astype(np.uint8).ravel() for plane in (luma, u, v)]
        made.append(np.concatenate(planes))
    return made


def write_clip(
    folder: Path, frames: list[np.ndarray], *, width: int, height: int, name: str = "tiny"
) -> Clip:
    """Write clip.y4m and clip.json, and load them again."""
    fps = Fraction(25)
    data = b"".join(y4m_chunks(frames, width=width, height=height, fps=fps))
    (folder / "clip.y4m").write_bytes(data)
    info = ClipInfo(
        name=name,
        sequence="test",
        width=width,
        height=height,
        frames=len(frames),
        fps=fps,
        sha256=hashlib.sha256(data).hexdigest(),
        chain=("made by tests/conftest.py",),
    )
    (folder / "clip.json").write_text(json.dumps(info.to_json()))
    return Clip.load(folder / "clip.json")


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """9 frames of 64x48 with motion; read only."""
    frames = moving_frames(WIDTH, HEIGHT, FRAMES)
    return write_clip(tmp_path_factory.mktemp("clip"), frames, width=WIDTH, height=HEIGHT)


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Clip]:
    """A function that makes a clip of one's own size: `make_clip(width=64, height=48, frames=9)`."""

    def make(*, width: int = WIDTH, height: int = HEIGHT, frames: int = FRAMES, name: str = "tiny") -> Clip:
        folder = tmp_path / name
        folder.mkdir()
        return write_clip(folder, moving_frames(width, height, frames), width=width, height=height, name=name)

    return make
