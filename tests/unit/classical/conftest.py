"""A clip, and a stream of it by each of ffmpeg's encoders."""

from __future__ import annotations

import pytest
from clip_data import prepare_sequence
from ffmpeg_data import encode

from baselines.ffmpeg.encoders import ENCODERS
from bench.codec.container import Stream
from bench.video.clip import Clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return prepare_sequence(tmp_path_factory.mktemp("clips") / "discs", "discs-tiny")


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def stream(encoder: str, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return encode(clip, tmp_path_factory.mktemp("streams") / "stream.bin", encoder)
