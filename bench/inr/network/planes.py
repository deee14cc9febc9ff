"""YUV 4:2:0 of networks that predict three planes of the frame's size.

A network that is fitted in YUV 4:2:0 has the same layers as one that is fitted in RGB. Its three output
channels are Y, U and V, as 8-bit samples over 255. The decoder keeps Y, and replaces U and V by the means of
their 2x2 blocks. The fit compares these with the clip's own chroma samples. They therefore have the siting of
the clip, and neither the fit nor the decoder converts colours.

Within a fit every plane has the frame's size, so that samples, patches and encoders are those of RGB: each
chroma sample of the clip is repeated in its 2x2 block, of which it is then the mean.

Errors and losses of the planes are weighted 6:1:1, as PSNR-YUV is in the standardisation of HEVC and VVC (Ohm
et al., IEEE Transactions on Circuits and Systems for Video Technology 22(12), 2012, section V).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: Weights of Y, U and V.
WEIGHTS = (6 / 8, 1 / 8, 1 / 8)


def chroma(planes: Tensor) -> Tensor:
    """U and V (..., 2, H/2, W/2) of planes (..., 3, H, W). An odd side has a smaller block at its end."""
    return F.avg_pool2d(planes[..., 1:, :, :], 2, ceil_mode=True)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error (B,) of samples (B, 3, h, w): 3 h w times the weighted mean over the planes of 4:2:0."""
    luma = (prediction[:, 0] - target[:, 0]).square().mean(dim=(1, 2))
    both = (chroma(prediction) - chroma(target)).square().mean(dim=(1, 2, 3))
    return prediction[0].numel() * (WEIGHTS[0] * luma + (WEIGHTS[1] + WEIGHTS[2]) * both)


def mean_of_planes(values: Tensor) -> Tensor:
    """Weighted mean of planes (3, H, W), a scalar."""
    return (values.mean(dim=(1, 2)) * values.new_tensor(WEIGHTS)).sum()


def from_420(frame: np.ndarray, *, height: int, width: int) -> Tensor:
    """Planes (3, H, W), uint8, of a flat yuv420p frame, with repeated chroma samples."""
    luma = height * width
    halves = torch.from_numpy(np.array(frame[luma:])).view(2, height // 2, width // 2)
    repeated = halves.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    return torch.cat([torch.from_numpy(np.array(frame[:luma])).view(1, height, width), repeated])


def to_420(planes: Tensor) -> np.ndarray:
    """A flat yuv420p frame, uint8, rounded to nearest, of planes (3, H, W) in [0, 1]; H and W are even."""
    samples = torch.cat([planes[0].flatten(), chroma(planes[None])[0].flatten()])
    return (samples * 255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
