"""Quantisation-aware training of FFNeRV: tanh, then magnitudes floored to k - 1 bits (section 3.4).

From the first step to the last, the network computes with

    q(w) = sign(u) * floor(|u| * n) / n,        u = tanh(w),  n = 2^(k-1) - 1.

No scale is learned or stored: the integers sign(u) * floor(|u| * n) are all that a decoder needs. The bin
around zero is twice as wide as the others, as in the official code. The backward pass is straight-through
for the floor and exact for the tanh: dq/dw = 1 - tanh(w)^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.inr.coding.quantisers import Quantised

#: The official code's bit width for weights that are not quantised.
FLOAT_BITS = 32


def levels(bits: int) -> int:
    """n = 2^(bits-1) - 1: the largest magnitude of a code (127 at 8 bits)."""
    return 2 ** (bits - 1) - 1


class _TanhFloor(torch.autograd.Function):
    """q(w), with the straight-through gradient of the floor."""

    @staticmethod
    def forward(ctx, weight: Tensor, n: int) -> Tensor:
        squashed = torch.tanh(weight)
        ctx.save_for_backward(squashed)
        # Truncation towards zero equals sign(u) * floor(|u| * n).
        return squashed.mul(n).trunc_().div_(n)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (squashed,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, squashed), None


def quantise(weight: Tensor, bits: int | None) -> Tensor:
    """The decoder's weights, in (-1, 1). With `bits` None or 32 the weights are returned unchanged."""
    return weight if bits in (None, FLOAT_BITS) else _TanhFloor.apply(weight, levels(bits))


def to_codes(weight: Tensor, bits: int) -> Tensor:
    """Integer codes in [-n, n] (int32), shape of `weight`."""
    return torch.tanh(weight.detach()).mul_(levels(bits)).trunc_().to(torch.int32)


def from_codes(codes: Tensor, bits: int) -> Tensor:
    """The weights of `quantise` from their codes: codes / n, float32."""
    return codes.to(torch.float32).div_(levels(bits))


@dataclass(frozen=True)
class TanhQuantiser:
    """The quantiser of quantisation-aware training (`bench.inr.coding.uniform.Quantiser`), without side
    information.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if self.bits not in range(2, 11):
            raise ValueError(f"quantiser: bits: {self.bits} must be 2 to 10")

    def quantise(self, tensor: Tensor) -> Quantised:
        return Quantised(to_codes(tensor, self.bits).numpy(), np.zeros(0, dtype=np.float16))

    def dequantise(self, quantised: Quantised) -> Tensor:
        return from_codes(torch.from_numpy(quantised.codes), self.bits)

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (0,)
