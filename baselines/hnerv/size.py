"""How wide a decoder is at a given number of parameters: the published rule, flaws included.

The rule forgets biases and the head, and counts the 1x1 stem as a 3x3; it is kept because the published
models (0.35M to 10M) are what it gives. True sizes are up to 6 % off.
"""

from __future__ import annotations

import math

import numpy as np

from baselines.hnerv.config import HNeRVConfig


def share_channels(share: float, *, parameters: float, frames: int, grid: tuple[int, int]) -> int:
    """Embedding channels that take a share (below 1) of all parameters; `grid` is an embedding's (h, w)."""
    return int(share * parameters / frames / (grid[0] * grid[1]))


def solve_channels(
    parameters: float, *, config: HNeRVConfig, frames: int, saturated_from: int | None = None
) -> int:
    """`channels` of a network of about so many parameters, embeddings of all frames included.

    Args:
        config: the rest of the network; its `channels` are not looked at.
        saturated_from: the first stage that is taken to be `lower_width` wide; None for no stage.

    Raises:
        ValueError: so few parameters make no network, or widths follow the strides.
    """
    if config.reduction == -1:
        raise ValueError("the size rule needs a fixed reduction: give the channels instead")
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
    # By the official root finder, which falls on the other side of a whole number now and then.
    channels = int(np.roots([a, b, c]).max()) if b * b > 4 * a * c and a > 0 else 0
    if channels < 1:
        raise ValueError(
            f"{parameters:.0f} parameters are too few: the embeddings alone take {embedding} of them"
        )
    return channels
