"""The clip with known motion: its bytes, and its optical flow."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from bench.video.camera_path import camera_flow, camera_path

WIDTH, HEIGHT, FRAMES = 160, 90, 16
CLIP = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES}


def test_every_machine_computes_the_same_bytes() -> None:
    frames = list(camera_path(width=64, height=36, frames=3))
    assert [frame.shape for frame in frames] == [(64 * 36 * 3 // 2,)] * 3
    digest = hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()
    assert digest == "056479a0ee5c53705efdb33ebb60ea8c68096bbc9dd041892b6cea0987d24733"


def test_samples_are_in_limited_range() -> None:
    frame = next(camera_path(**CLIP))
    luma, chroma = np.split(frame, [WIDTH * HEIGHT])
    assert luma.min() >= 16
    assert luma.max() <= 235
    assert chroma.min() >= 16
    assert chroma.max() <= 240


@pytest.mark.parametrize(("first", "second"), [(0, 1), (7, 9), (15, 12)])
def test_the_flow_back_undoes_the_flow(first: int, second: int) -> None:
    """x + F(x) in the second frame shows what x shows in the first one, so the flow there leads back to x."""
    there = camera_flow(first, second, **CLIP)
    assert np.abs(there).max() > 1
    back = camera_flow(second, first, **CLIP)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    targets = np.stack([columns, rows], axis=-1) + there
    # The flow is affine in the position: its value between pixels follows from three pixels.
    origin, across, down = back[0, 0], back[0, 1] - back[0, 0], back[1, 0] - back[0, 0]
    np.testing.assert_allclose(
        origin + targets[..., :1] * across + targets[..., 1:] * down, -there, atol=1e-9
    )


def test_the_flow_to_the_same_frame_is_zero() -> None:
    np.testing.assert_allclose(camera_flow(5, 5, **CLIP), 0, atol=1e-10)
