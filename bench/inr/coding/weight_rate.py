"""The rate term of a fit: the size of its weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bench.inr.coding.uniform import span


def weight_bits(weights: Iterable[Tensor], *, levels: int = 64) -> Tensor:
    """About what weights take in a stream, differentiable: log2(1 + |w| / step) bits each.

    A tensor's step is its span / `levels` (`bench.inr.coding.uniform.span`), which has no gradient.
    """
    steps = ((weight, span(weight.detach()).clamp(min=1e-12) / levels) for weight in weights)
    return torch.stack([torch.log2(1 + weight.abs() / step).sum() for weight, step in steps]).sum()
