"""FFNeRV's aggregation on a clip whose optical flow is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.video.camera_path import camera_flow, camera_path
from ffnerv.config import FLOW_SCALE
from ffnerv.flow import aggregate, warp
from ffnerv.model import Heads

WIDTH, HEIGHT, FRAMES = 160, 88, 32
CLIP = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES}
#: Pixels at the border may show what is outside the neighbour.
INNER = (..., slice(12, -12), slice(12, -12))


@pytest.fixture(scope="module")
def luma() -> list[Tensor]:
    """Luma of the first frames, as images (1, 3, H, W) of three equal channels in [0, 1]."""
    frames = [frame for frame, _ in zip(camera_path(**CLIP), range(4), strict=False)]
    planes = [torch.tensor(frame[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH) / 255) for frame in frames]
    return [plane.float().expand(1, 3, HEIGHT, WIDTH) for plane in planes]


def flow(first: int, second: int) -> Tensor:
    """(1, 2, H, W) in pixels."""
    return torch.tensor(camera_flow(first, second, **CLIP)).float().permute(2, 0, 1)[None]


def psnr(image: Tensor, target: Tensor) -> float:
    return float(-10 * (image - target)[INNER].square().mean().log10())


def test_warping_by_the_known_flow_gives_the_next_frame(luma: list[Tensor]) -> None:
    warped = warp(luma[1], flow(0, 1), exact=True)
    assert psnr(warped, luma[0]) > 32
    assert psnr(warped, luma[0]) > psnr(luma[1], luma[0]) + 10


def test_the_official_sampling_misses_the_stated_positions(luma: list[Tensor]) -> None:
    """The authors' code is off by half a pixel at the border, which a known flow makes visible."""
    exact, official = (warp(luma[1], flow(0, 1), exact=exact) for exact in (True, False))
    assert psnr(official, luma[0]) < psnr(exact, luma[0]) - 1


def test_aggregation_of_neighbours_with_known_flows_gives_the_frame(luma: list[Tensor]) -> None:
    """Flow maps have a quarter of the size. A camera's flow loses nothing by that, because it is affine."""
    flows = torch.cat([flow(1, 0), flow(1, 2), flow(1, 3)], dim=1)
    maps = F.avg_pool2d(flows, FLOW_SCALE) / FLOW_SCALE
    heads = Heads(
        independent=torch.zeros_like(luma[1]),
        blend_logits=torch.tensor([-30.0, 30.0]).view(1, 2, 1, 1).expand(1, 2, HEIGHT, WIDTH),
        flows=maps,
        neighbour_logits=torch.zeros(1, 3, *maps.shape[-2:]),
    )
    mixed = aggregate(heads, torch.stack([luma[0], luma[2], luma[3]], dim=1), exact=True)
    assert psnr(mixed.final, luma[1]) > 32
    inner = (0, slice(None), slice(None), slice(8, -8), slice(8, -8))
    upsampled = mixed.flows[inner].numpy()
    np.testing.assert_allclose(upsampled, flows.unflatten(1, (3, 2))[inner].numpy(), atol=1e-3)
