"""Differentiable model of the coded size of a tensor: what the weight coder spends on the codes w / d.

The weight coder (`bench.inr.coding.weight_model`) predicts an entry from the slices before, and estimates the
spread of the residual from the magnitudes in the same slice and at the same entry. The model does the same
with averages over the whole tensor. Let x = w / d be the tensor as (slices, entries) and

    r_s = x_s - a x_{s-1},      m_se = mean_e |r_s| * mean_s |r_e| / mean |r|,

with a > 0 for grids only (least squares), whose slices are neighbours in time. A residual has a Laplacian
distribution of mean magnitude m, integrated over one step (F is its distribution function):

    bits = -log2( F(r + 1/2) - F(r - 1/2) ).

The codes are not rounded, so the size has a gradient with respect to weights and steps. a and m have none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Smallest mean magnitude of a residual: an entry that is nearly always zero still costs some bits.
_SMALLEST = 0.05
#: Entries of a plane from which on a 4-D tensor is a grid. Kernels are smaller.
_LARGE_PLANE = 64


class _LaplaceBits(torch.autograd.Function):
    """Bits of residuals r under Laplacians of mean magnitude m, and their derivative with respect to r."""

    @staticmethod
    def forward(ctx, residual: Tensor, mean: Tensor) -> Tensor:
        inverse = 1 / mean
        half, magnitude = 0.5 * inverse, residual.abs() * inverse
        # |r| > 1/2: P = (exp(1/2m) - exp(-1/2m)) exp(-|r|/m) / 2.
        # Otherwise: P = 1 - exp(-1/2m) cosh(r / m).
        outside, decay = magnitude > half, torch.exp(-half)
        grown = torch.exp(magnitude.minimum(half))
        rise, fall = 0.5 * decay * grown, 0.5 * decay / grown
        inside = 1 - rise - fall
        probability = torch.where(outside, 0.5 * (1 - decay.square()), inside)
        bits = (magnitude - half).clamp(min=0).sum() - torch.log(probability).sum()
        slope = torch.where(outside, inverse, (rise - fall) / inside * inverse) * residual.sign()
        ctx.save_for_backward(slope)
        return bits / math.log(2)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return grad / math.log(2) * slope, None


def tensor_bits(codes: Tensor) -> Tensor:
    """Estimated bits of a tensor of codes, a scalar.

    Args:
        codes: weights divided by their step, of any shape, not rounded.
    """
    rows = codes.reshape(len(codes), -1) if codes.ndim > 1 else codes.reshape(1, -1)
    if codes.ndim == 4 and codes.shape[2] * codes.shape[3] >= _LARGE_PLANE and len(codes) > 1:
        before, after = rows.detach()[:-1], rows.detach()[1:]
        tap = ((before * after).sum() / before.square().sum().clamp(min=1e-12)).clamp(0, 1)
        rows = torch.cat([rows[:1], rows[1:] - tap * rows[:-1]])
    magnitude = rows.detach().abs()
    along = magnitude.mean(1, keepdim=True)
    mean = (
        along * magnitude.mean(0, keepdim=True) / along.mean().clamp(min=1e-12) if codes.ndim > 1 else along
    )
    return _LaplaceBits.apply(rows, mean.clamp(min=_SMALLEST))
