"""The clip that most tests code, and how tests are selected and distributed over processes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from bench.base.paths import CODECS_DIR, ROOT
from bench.video.clip import Clip, ClipInfo
from bench.video.y4m import y4m_chunks

WIDTH, HEIGHT, FRAMES = 64, 48, 9
#: Fixtures whose tests run Snakemake.
RUNS_OF_THE_WORKFLOW = {"finished", "repo", "fetching"}
USERS_OF_THE_FINISHED_RUN = [
    f"tests/workflow/{path.name}"
    for path in (ROOT / "tests" / "workflow").glob("test_*.py")
    if "finished: Finished" in path.read_text()
]
#: Longer ids first: x264-medium is the start of x264-medium-zerolatency.
CODEC_IDS = sorted((path.stem for path in CODECS_DIR.glob("*.yaml")), key=len, reverse=True)

# Tests run in several processes. Threads of NumPy's BLAS would wait for each other.
threadpool_limits(1, user_api="blas")

# `make test ARGS=...` exports its variables. The makes that tests run must not read them.
for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS", "CONDITION", "CORES", "TARGETS"):
    os.environ.pop(variable, None)

# Property-based tests: `make test` tries the same few examples each time, `make test-properties` many.
settings.register_profile("few", max_examples=25, deadline=None, derandomize=True, database=None)
settings.register_profile("many", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("few")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that run the workflow, or import CompressAI, as slow."""
    if RUNS_OF_THE_WORKFLOW.intersection(item.fixturenames) or item.path.parent.name == "learned":
        item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect `gpu` tests if there is no CUDA device; put the longest groups first."""
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu and not has_cuda():
        items[:] = [item for item in items if item not in gpu]
        config.hook.pytest_deselected(items=gpu)
    order = ("workflow", "contract")
    items.sort(key=lambda item: [folder not in item.path.parts for folder in order])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run tests that share costly fixtures in one process (`--dist loadscope`)."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return GroupScheduling(config, log) if config.getvalue("dist") == "loadscope" else None


def group(nodeid: str) -> str:
    """The name of the group of a test: its codec id, the finished run of the workflow, or its file."""
    path, _, test = nodeid.partition("::")
    if path in USERS_OF_THE_FINISHED_RUN:
        return "finished run"
    if path == "tests/contract/test_references.py":
        return nodeid
    if path.startswith("tests/contract/"):
        return next((codec for codec in CODEC_IDS if test.partition("[")[2].startswith(codec)), path)
    return path


def has_cuda() -> bool:
    """Whether torch finds a CUDA device. Torch is imported only if the driver's device file exists."""
    if not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()


def moving_frames(width: int, height: int, frames: int) -> list[np.ndarray]:
    """yuv420p frames as flat arrays: a panning texture, a moving disc, chroma that changes with time."""
    y, x = np.mgrid[0:height, 0:width]
    half_y, half_x = np.mgrid[0 : height // 2, 0 : width // 2]
    result = []
    for t in range(frames):
        luma = 110 + 50 * np.sin((x + 2 * t) / 5) * np.cos(y / 7) + 0.4 * y
        disc = (x - width * (t + 2) / (frames + 4)) ** 2 + (y - height / 2) ** 2 < (height / 6) ** 2
        luma = np.where(disc, 225, luma)
        u = 128 + 40 * np.sin((half_x + t) / 9)
        v = 128 + 40 * np.cos((half_y - t) / 8)
        planes = [np.clip(np.rint(plane), 16, 235).astype(np.uint8).ravel() for plane in (luma, u, v)]
        result.append(np.concatenate(planes))
    return result


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
        chain=("written by tests/conftest.py",),
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
    """A function that writes a clip of a given size: `make_clip(width=64, height=48, frames=9)`."""

    def write(*, width: int = WIDTH, height: int = HEIGHT, frames: int = FRAMES, name: str = "tiny") -> Clip:
        folder = tmp_path / name
        folder.mkdir()
        return write_clip(folder, moving_frames(width, height, frames), width=width, height=height, name=name)

    return write
