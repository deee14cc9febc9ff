"""Networks on a CUDA device: `make test-gpu`. Without a CUDA device these tests are deselected."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

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


def assert_close(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    difference = np.abs(np.stack(one).astype(int) - np.stack(other))
    assert difference.max() <= LEVELS
    assert (difference > 0).mean() <= SHARE
