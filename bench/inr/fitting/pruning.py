"""Global magnitude pruning: the weights with the smallest scores are set to zero and stay zero.

The scores of all prunable weights are ranked together (NeRV section 3.3: |w|; HiNeRV section 3.5:
|w| / sqrt(m) for a tensor of m weights). For a ratio r and n weights, the mask of weight i is

    mask_i = 0  if its score is among the r * n smallest,  else 1,

and training continues with w_i * mask_i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.base.errors import BenchError


def prune_masks(
    scores: Sequence[Tensor], ratio: float, *, round_count: Callable[[float], int] = round
) -> list[Tensor]:
    """Masks of a network's weights: True where a weight is kept.

    Args:
        scores: one tensor per weight tensor, of its shape. Weights with infinite scores cannot be removed.
        ratio: fraction of all weights to remove, in (0, 1).
        round_count: rounds the number of weights to remove.

    Raises:
        BenchError: fewer weights than the ratio can be removed.
    """
    pooled = torch.cat([score.flatten() for score in scores])
    smallest = pooled.topk(round_count(ratio * pooled.numel()), largest=False)
    if torch.isinf(smallest.values).any():
        most = torch.isfinite(pooled).double().mean()
        problem = f"ratio: {ratio} is above {most:.2f}, the fraction of all weights that can be removed"
        raise BenchError("prune", problem, "give a smaller ratio")
    kept = torch.ones_like(pooled, dtype=torch.bool)
    kept[smallest.indices] = False
    masks = kept.split([score.numel() for score in scores])
    return [mask.view_as(score) for mask, score in zip(masks, scores, strict=True)]


class Masks:
    """The masks of a fit. An optimiser step moves pruned weights too; `apply` sets them to zero again.

    Args:
        weights: the prunable parameters, in a fixed order.
        kept: the mask of each (`prune_masks`).
    """

    def __init__(self, weights: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
        self.weights, self.kept = list(weights), list(kept)

    @torch.no_grad()
    def apply(self) -> None:
        for weight, kept in zip(self.weights, self.kept, strict=True):
            weight.mul_(kept)

    def apply_to_gradients(self) -> None:
        """Set the gradients of pruned weights to zero, so that they do not count in a gradient norm."""
        for weight, kept in zip(self.weights, self.kept, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(kept)
