"""Global magnitude pruning: weights that are zero for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.base.errors import BenchError


def prune_masks(
    scores: Sequence[Tensor], ratio: float, *, whole: Callable[[float], int] = round
) -> list[Tensor]:
    """True where a weight is kept: all but the `ratio` of all weights whose scores are smallest.

    Args:
        scores: one tensor a weight tensor, of its shape; ranked together.
        ratio: fraction to remove, in (0, 1).
        whole: makes a number of weights of it: the nearest one, or HiNeRV's `int`.

    Raises:
        BenchError: so many would include weights that must stay, whose scores are infinite.
    """
    pooled = torch.cat([score.flatten() for score in scores])
    smallest = pooled.topk(whole(ratio * pooled.numel()), largest=False)
    if torch.isinf(smallest.values).any():
        most = torch.isfinite(pooled).double().mean()
        raise BenchError("prune", f"ratio: of all weights {most:.2f} can be removed", "give a smaller ratio")
    removed = smallest.indices
    kept = torch.ones_like(pooled, dtype=torch.bool)
    kept[removed] = False
    parts = kept.split([score.numel() for score in scores])
    return [part.view_as(score) for part, score in zip(parts, scores, strict=True)]


class Masks:
    """The pruned weights of a fit, put back to zero after every step.

    Args:
        weights: the prunable parameters, in a fixed order.
        kept: for each, where it stays (`prune_masks`).
    """

    def __init__(self, weights: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
        self.weights, self.kept = list(weights), list(kept)

    @torch.no_grad()
    def apply(self) -> None:
        for weight, kept in zip(self.weights, self.kept, strict=True):
            weight.mul_(kept)

    def apply_to_gradients(self) -> None:
        """Pruned weights have none; a norm of all gradients should not see theirs."""
        for weight, kept in zip(self.weights, self.kept, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(kept)
