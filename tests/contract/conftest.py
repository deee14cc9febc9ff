"""Every codec id codes a tiny clip once a session, with the settings under `test` in its file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.ffmpeg.encoders import ENCODERS
from bench.base.paths import ROOT
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip, ClipInfo
from tests.conftest import FRAMES, HEIGHT, WIDTH, moving_frames, write_clip
from tests.contract.tiny_weights import make_tiny_weights

#: The clip of encoders whose smallest side is above that of the tiny clip.
LARGER = ClipInfo(name="larger", sequence="test", width=WIDTH, height=64, frames=FRAMES, fps=Fraction(25))


def runs_here(config: CodecConfig) -> bool:
    """Whether the codec can run: an external one needs its programs."""
    if config.family != "external":
        return True
    settings = registry.resolve_settings(config, {}, point_settings(config))
    return registry.load_family("external").skip(LARGER, settings) is None


def point_settings(config: CodecConfig) -> dict[str, Any]:
    """The settings of the point that the contract tests encode."""
    return {**next(iter(config.points.values()), {}), **config.test}


CODECS = {codec: config for codec, config in registry.codec_configs().items() if runs_here(config)}


#: What the decoder of a learned architecture does.
LEARNED_PARTS = {
    "bmshj2018-factorized": frozenset(["image"]),
    "bmshj2018-hyperprior": frozenset(["image", "hyperprior"]),
    "mbt2018-mean": frozenset(["image", "hyperprior"]),
    "cheng2020-anchor": frozenset(["image", "hyperprior", "autoregressive"]),
    "ssf2020": frozenset(["video"]),
}


def payload_parts(config: CodecConfig) -> frozenset[str]:
    """The formats in a codec's payload. Codecs with the same parts share their decoder.

    A fitted network's payload is the configuration of its family and the side information of its quantiser.
    HNeRV has two decoders, one of them behind a positional encoding.
    """
    settings = {**config.settings, **point_settings(config)}
    if config.family == "ffmpeg":
        return frozenset([ENCODERS[settings["encoder"]].format])
    if config.family == "external":
        return frozenset(["external"])
    if config.family == "compressai":
        return LEARNED_PARTS[settings["architecture"]]
    quantiser = settings.get("quantiser", {}).get("name", settings.get("mode", ""))
    embedding = str(settings.get("embed", "")).partition("_")[0]
    return frozenset([config.family, f"quantiser or mode {quantiser}", f"embedding {embedding}"])


def representatives() -> list[str]:
    """Codec ids that together have every part of every payload: repeatedly the one with the most new parts.

    Of those with as many, the shortest id: further recipes of a network have longer ones.
    """
    parts = {codec: payload_parts(config) for codec, config in CODECS.items()}
    missing = frozenset[str]().union(*parts.values())
    chosen = []
    while missing:
        chosen.append(max(parts, key=lambda codec: (len(parts[codec] & missing), -len(codec))))
        missing -= parts[chosen[-1]]
    return sorted(chosen)


REPRESENTATIVES = representatives()


#: The network that `make test-fast` tests, besides every payload format of controls and classical codecs.
FAST_NETWORK = "nerv-official"


def in_fast_tests(codec: str) -> bool:
    cheap = CODECS[codec].kind in ("control", "classical")
    return codec == FAST_NETWORK or (cheap and codec in REPRESENTATIVES)


def one_of_each_format() -> list[str]:
    """The codec ids that are fuzzed, and one of each network and quantiser."""
    fitted = [codec for codec in CODECS if CODECS[codec].kind == "fitted"]
    first = {payload_parts(CODECS[codec]): codec for codec in sorted(fitted, key=len, reverse=True)}
    return sorted({*first.values(), *REPRESENTATIVES})


def each_of(codecs: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test that takes `codec` for these ids; the fast tests take few of them."""
    marked = [pytest.param(c, marks=() if in_fast_tests(c) else pytest.mark.slow) for c in codecs]
    return pytest.mark.parametrize("codec", marked)


#: For tests that start processes or fit for long: ids of one format share their decoder.
each_format = each_of(one_of_each_format())
#: For tests of encoders that are slow to repeat: not each recipe of a network.
each_encoder = each_of(c for c in CODECS if CODECS[c].kind != "fitted" or c in one_of_each_format())
#: For all other tests of a codec. A new codec is tested without a new test.
each_codec = each_of(CODECS)


@dataclass(frozen=True)
class Coded:
    """A stream, its report, and the condition with which the command line encodes it again."""

    codec: str
    stream: Path
    report: dict[str, Any]
    condition: Path


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the learned codecs' weights during the session."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVB_WEIGHTS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def clip_of(tiny_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Clip]:
    """A function that returns a codec's clip: the tiny one, or a larger one if its encoder needs it."""
    frames = moving_frames(WIDTH, LARGER.height, FRAMES)
    larger = write_clip(tmp_path_factory.mktemp("larger"), frames, width=WIDTH, height=LARGER.height)
    return lambda codec: larger if CODECS[codec].settings.get("min_side", 0) > HEIGHT else tiny_clip


@pytest.fixture(scope="session")
def encode_with(
    clip_of: Callable[[str], Clip], weights_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Coded]:
    """A function that encodes the codec's clip: `encode_with(codec, epochs=40, device="cpu")`."""

    def encode_clip(codec: str, *, device: str = "cpu", **changes: Any) -> Coded:
        config, clip = CODECS[codec], clip_of(codec)
        if config.kind == "learned" and config.family != "external":
            make_tiny_weights(weights_folder, config.settings["architecture"], clip)
        return _encode(config, {**point_settings(config), **changes}, clip, tmp_path_factory, device)

    return encode_clip


def _encode(
    config: CodecConfig,
    point: Mapping[str, Any],
    clip: Clip,
    tmp_path_factory: pytest.TempPathFactory,
    device: str,
) -> Coded:
    folder = tmp_path_factory.mktemp(config.id)
    report = encode(
        EncodePlan(
            config=config,
            point="test",
            settings=registry.resolve_settings(config, {}, point),
            clip=clip,
            out=folder / "stream.bin",
            threads=config.threads,
            device=device,
            report=folder / "encode.json",
        )
    )
    condition = folder / "test-v0.yaml"
    values = {
        "title": "The tiny clip",
        "clips": {"tiny": {"sequence": "test"}},
        "codecs": {config.id: {"points": {"test": point}}},
    }
    condition.write_text(json.dumps(values))  # JSON is YAML
    return Coded(config.id, folder / "stream.bin", report, condition)


@pytest.fixture(scope="session")
def coded(encode_with: Callable[..., Coded]) -> Callable[[str], Coded]:
    """A function that returns the stream of a codec id. Each is encoded once a session."""
    done: dict[str, Coded] = {}

    def code(codec: str) -> Coded:
        if codec not in done:
            done[codec] = encode_with(codec)
        return done[codec]

    return code


@pytest.fixture(scope="session")
def decoded(coded: Callable[[str], Coded]) -> Callable[[str], list[np.ndarray]]:
    """A function that returns all frames of a codec id's stream. Each stream is decoded once a session."""
    done: dict[str, list[np.ndarray]] = {}

    def frames(codec: str) -> list[np.ndarray]:
        if codec not in done:
            done[codec] = decode_frames(coded(codec).stream)
        return done[codec]

    return frames


def decode_frames(
    path: Path, first: int = 0, stop: int | None = None, *, device: str = "cpu"
) -> list[np.ndarray]:
    """The frames of a stream file, decoded in this process."""
    stream = read_stream(path)
    return list(decode(stream, codec_of(stream), device=device, clock=StageClock(), first=first, stop=stop))


def run_environment(home: Path) -> dict[str, str]:
    """Environment of child processes: this suite, the tests' weights, one thread, nothing of the user's."""
    return {
        "NVB_WEIGHTS": os.environ["NVB_WEIGHTS"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
    }
