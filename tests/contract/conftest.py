"""Every codec id coded once on the tiny clip, at its test settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip
from tests.contract.tiny_weights import make_tiny_weights

#: Every codec of the suite: one that is added is tested without a test being written.
CODEC_IDS = sorted(registry.codec_configs())


@dataclass(frozen=True)
class Coded:
    """One stream, its report, and the condition that makes it again on the command line."""

    codec: str
    stream: Path
    report: dict[str, Any]
    condition: Path


def run_environment(home: Path) -> dict[str, str]:
    """For child processes: the suite and the tests' weights are found, one thread, nothing of the user's."""
    return {
        "NVB_WEIGHTS": os.environ["NVB_WEIGHTS"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
    }


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where learned codecs look for weights while the contract is tested."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVB_WEIGHTS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def coded(
    tiny_clip: Clip, weights_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Coded]:
    """A function that codes the tiny clip with a codec id; each is coded once a session."""
    done: dict[str, Coded] = {}

    def code(codec: str) -> Coded:
        if codec not in done:
            config = registry.codec_config(codec)
            if config.kind == "learned":
                make_tiny_weights(weights_folder, config.settings["architecture"])
            done[codec] = _code(codec, tiny_clip, tmp_path_factory.mktemp(codec))
        return done[codec]

    return code


def _code(codec: str, clip: Clip, folder: Path) -> Coded:
    config = registry.codec_config(codec)
    point = {**next(iter(config.points.values()), {}), **config.test}
    report = encode(
        EncodePlan(
            config=config,
            point="test",
            settings=registry.resolve_settings(config, {}, point),
            clip=clip,
            out=folder / "stream.bin",
            threads=config.threads,
            device="cpu",
            report=folder / "encode.json",
        )
    )
    condition = folder / "test-v0.yaml"
    text = {
        "title": "The tiny clip",
        "clips": {"tiny": {"sequence": "test"}},
        "codecs": {codec: {"points": {"test": point}}},
    }
    condition.write_text(json.dumps(text))  # JSON is YAML
    return Coded(codec, folder / "stream.bin", report, condition)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "codec" in metafunc.fixturenames:
        metafunc.parametrize("codec", CODEC_IDS)
