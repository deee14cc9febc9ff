"""Widths of an HNeRV for a number of parameters: the authors' rule. No torch import.

The rule leaves out biases and the head, and counts the 1x1 stem as a 3x3 convolution. True sizes differ by up
to 6 %. It is kept as it is, because it decides the widths of the published models (0.35M to 10M parameters).
"""

from __future__ import annotations

import math

import numpy as np

from baselines.hnerv.config import HNeRVConfig
from bench.inr.network.clip_check import UnsuitableClip


def share_channels(share: float, *, parameters: float, frames: int, grid: tuple[int, int]) -> int:
    """Channels of embeddings that take a share (0 to 1) of all parameters.

    Args:
        grid: (h, w) of a frame's embedding.

    Raises:
        UnsuitableClip: the share is less than one channel.
    """
    channels = int(share * parameters / frames / (grid[0] * grid[1]))
    if channels < 1:
        raise UnsuitableClip(
            f"embedding_channels: a share of {share} of {parameters:.0f} parameters is less than one channel "
            f"for {frames} embeddings of {grid[0]}x{grid[1]}"
        )
    return channels


def solve_channels(
    parameters: float, *, config: HNeRVConfig, frames: int, saturated_from: int | None = None
) -> int:
    """`channels` of a network with about this many parameters, the embeddings of all frames included.

    With C channels, divisor r of the widths and stages of stride s_i and kernel k_i the rule counts

        parameters = C^2 / r * sum_i (s_i k_i / r^i)^2  +  C * (channels of an embedding) * 9 * (stem scale)
                     + (parameters of all embeddings)

    and takes the larger root of this quadratic. Stages from `saturated_from` on count `lower_width` instead.

    Args:
        config: the other settings of the network; its `channels` are not used.
        saturated_from: first stage that is assumed to be `lower_width` wide; None: no stage.

    Raises:
        ValueError: `reduction` is -1, which this rule cannot solve.
        UnsuitableClip: so few parameters leave no decoder beside the embeddings of this many frames.
    """
    if config.reduction == -1:
        raise ValueError("model_size: the size rule needs a fixed reduction; give channels instead")
    ratio = 1 / config.reduction
    costs = [
        stride**2 * kernel**2
        for stride, kernel in zip(config.decoder_strides, config.kernel_sizes, strict=True)
    ]
    split = len(costs) if saturated_from is None else saturated_from
    embedding = 0 if config.embed else frames * math.prod(config.latent_shape)
    stem = math.prod(config.stem_scale) * (1 if config.embed else 9)

    a = ratio * sum(ratio ** (2 * i) * cost for i, cost in enumerate(costs[:split]))
    b = config.latent_shape[0] * stem
    c = config.lower_width**2 * sum(costs[split:]) - (parameters - embedding)
    # np.roots is the official code's root finder. Another one can round to the neighbouring whole number.
    channels = int(np.roots([a, b, c]).max()) if b * b > 4 * a * c and a > 0 else 0
    if channels < 1:
        raise UnsuitableClip(
            f"model_size: {parameters:.0f} parameters are too few for {frames} frames; "
            f"their embeddings take {embedding}"
        )
    return channels
