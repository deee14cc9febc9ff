"""What HiNeRV prunes first: magnitudes relative to a layer's size, over all layers together (section 3.5).

`bench.inr.fitting.pruning` removes the smallest scores, once; published: 15 % of all parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def is_prunable(name: str, weight: Tensor) -> bool:
    """Weights of the stem, the blocks and the head are; grids, local encodings and biases are not."""
    return weight.ndim > 1 and name.endswith(".weight") and ".encoding." not in name


def pruning_score(weight: Tensor) -> Tensor:
    """|w| / (sqrt(m) + 1e-6), where m is the number of weights in the tensor."""
    return weight.detach().abs() / (weight.numel() ** 0.5 + 1e-6)


def pruning_scores(network: nn.Module) -> dict[nn.Parameter, Tensor]:
    """Every parameter -> its scores, infinite where nothing is removed.

    With all parameters among the scores a ratio is one of all that is transmitted, as published.
    """
    return {
        weight: pruning_score(weight) if is_prunable(name, weight) else torch.full_like(weight, torch.inf)
        for name, weight in network.named_parameters()
    }
