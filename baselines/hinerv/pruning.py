"""Pruning scores of HiNeRV: magnitudes relative to the size of the layer (section 3.5).

`bench.inr.fitting.pruning` removes the weights with the smallest scores, over all layers together. Published
networks lose 15 % of all parameters at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def is_prunable(name: str, weight: Tensor) -> bool:
    """Whether a parameter is a weight of stem, blocks or head, and not a grid, local encoding or bias."""
    return weight.ndim > 1 and name.endswith(".weight") and ".encoding." not in name


def pruning_score(weight: Tensor) -> Tensor:
    """|w| / (sqrt(m) + 1e-6), where m is the number of weights in the tensor."""
    return weight.detach().abs() / (weight.numel() ** 0.5 + 1e-6)


def pruning_scores(network: nn.Module) -> dict[nn.Parameter, Tensor]:
    """Every parameter -> its scores, which are infinite if it cannot be pruned.

    All parameters are included, because the published ratio refers to all transmitted parameters.
    """
    return {
        weight: pruning_score(weight) if is_prunable(name, weight) else torch.full_like(weight, torch.inf)
        for name, weight in network.named_parameters()
    }
