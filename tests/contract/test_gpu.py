"""Networks on a CUDA device: `make test-gpu`. Without a CUDA device these tests are deselected."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from bench.codec import registry
from bench.inr.fitting.recorded_step import cuda_graph
from bench.inr.fitting.trainer import Fit
from bench.video.clip import ClipInfo
from tests.contract.conftest import CODECS, REPRESENTATIVES, Coded, decode_frames

pytestmark = pytest.mark.gpu

FITTED = [codec for codec in REPRESENTATIVES if CODECS[codec].kind == "fitted"]
#: Largest difference of an 8-bit sample between devices, and the share of samples that may differ. Sums are
#: rounded in another order, which changes only values next to a rounding boundary.
LEVELS = 1
SHARE = 0.01


@pytest.mark.parametrize("name", FITTED)
def test_cuda_decodes_a_stream_of_the_cpu(name: str, coded: Callable[[str], Coded]) -> None:
    stream = coded(name).stream
    assert_close(decode_frames(stream, device="cuda"), decode_frames(stream))


@pytest.mark.parametrize("name", FITTED)
def test_cuda_encodes_a_stream_that_the_cpu_decodes(name: str, encode_with: Callable[..., Coded]) -> None:
    encoded = encode_with(name, device="cuda")
    assert encoded.report["device"] != encode_with(name).report["device"]
    assert_close(decode_frames(encoded.stream), decode_frames(encoded.stream, device="cuda"))


@pytest.mark.parametrize("name", FITTED)
def test_a_recorded_fit_has_the_losses_of_an_eager_one(name: str) -> None:
    """Every step after the first few is the replay of one CUDA graph."""
    codec: Any = registry.load_family(CODECS[name].family)
    info = ClipInfo(name="x", sequence="x", width=64, height=48, frames=8, fps=Fraction(25))
    settings = registry.resolve_settings(CODECS[name], {}, {**CODECS[name].test, "rounding": None})
    frames = torch.randint(
        0, 256, (8, 3, 48, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    losses = []
    for records in (False, True):
        torch.manual_seed(0)
        fit = Fit(
            codec.start(info, settings, device="cuda"), frames.cuda(), codec.resolve(info, settings).recipe
        )
        fit.record = cuda_graph if records else None
        losses.append([row.loss for row in fit.run()])
        assert any(step.replay for step in fit._steps.values()) == records
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def assert_close(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    difference = np.abs(np.stack(one).astype(int) - np.stack(other))
    assert difference.max() <= LEVELS
    assert (difference > 0).mean() <= SHARE
