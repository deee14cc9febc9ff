"""Rate term of the training loss: a differentiable estimate of the coded bits of the weights.

The entropy coder spends about log2(1 + |q|) bits, plus a constant, on an integer code q = w / d: its scale
adapts to the magnitudes around, so the length grows with the logarithm of the magnitude. The estimate

    R(w) = sum_i log2(1 + |w_i| / d)

replaces the rounded code by w / d, which makes it differentiable. Its gradient sign(w_i) / ((|w_i| + d) ln 2)
is largest for small weights and vanishes for large ones, unlike that of an L1 penalty.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bench.inr.coding.uniform import span


def weight_bits(weights: Iterable[Tensor], *, levels: int = 64) -> Tensor:
    """Estimated bits of weights of any shapes, a scalar.

    Args:
        levels: a tensor's step d is its `span` / `levels`, without a gradient.
    """
    steps = ((weight, span(weight.detach()).clamp(min=1e-12) / levels) for weight in weights)
    return torch.stack([torch.log2(1 + weight.abs() / step).sum() for weight, step in steps]).sum()
