"""What the tests of the learned codecs share: tiny weights, and clips coded with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.compressai import weights
from baselines.compressai.codec import CompressaiCodec
from baselines.compressai.payload import ARCHITECTURES
from bench.base.stage_clock import StageClock
from bench.codec.container import Header, Stream, read_stream, write_stream
from bench.codec.contract import EncodeJob
from bench.video.clip import Clip
from tests.contract.tiny_weights import make_tiny_weights

IMAGES = [name for name, kind in ARCHITECTURES.items() if not kind.other_strings]


@contextmanager
def tiny_weights(path: Path, clip: Clip) -> Iterator[Path]:
    """A folder with tiny weights of every architecture that has small ones."""
    for architecture in IMAGES:
        make_tiny_weights(path, architecture, clip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(weights.VARIABLE, str(path))
        yield path


def settings(architecture: str, **others: Any) -> dict[str, Any]:
    tiny = {"architecture": architecture, "quality": 1, "weights": "tiny"}
    return {**CompressaiCodec.settings_model().default_values(), **tiny, **others}


def code(clip: Clip, path: Path, **chosen: Any) -> tuple[Stream, dict[str, Any]]:
    """Encode a clip into `path`; the stream and the encoder's details."""
    job = EncodeJob(
        settings=settings(**chosen), state_dir=path.parent, progress=lambda _: None, clock=StageClock()
    )
    encoded = CompressaiCodec().encode(clip, job)
    header = Header.of_clip(clip.info, family="compressai", pixel_format=encoded.pixel_format)
    write_stream(path, header, encoded.payload)
    return read_stream(path), dict(encoded.details)


def decoded(stream: Stream, **bounds: Any) -> list[np.ndarray]:
    return list(CompressaiCodec().decode(stream, device="cpu", clock=StageClock(), **bounds))
