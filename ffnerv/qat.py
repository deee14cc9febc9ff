"""Quantisation-aware training: tanh, then magnitudes floored to k - 1 bits (FFNeRV section 3.4).

With u = tanh(w) and n = 2^(k-1) - 1 the network computes with sign(u) * floor(|u| * n) / n, from the
first step to the last. No scale is learned or stored: a decoder needs the integers alone.
The dead zone around zero is twice as wide as the other bins; that is the official behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.inr.coding.quantisers import Quantised

#: What the official code calls floats.
FLOAT_BITS = 32


def levels(bits: int) -> int:
    """n = 2^(bits-1) - 1: the largest magnitude of a code (127 at 8 bits)."""
    return 2 ** (bits - 1) - 1


class _TanhFloor(torch.autograd.Function):
    """Backward passes straight through the flooring and truly through tanh."""

    @staticmethod
    def forward(ctx, weight: Tensor, n: int) -> Tensor:
        squashed = torch.tanh(weight)
        ctx.save_for_backward(squashed)
        # Truncation towards zero is sign(u) * floor(|u| * n) in one pass.
        return squashed.mul(n).trunc_().div_(n)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (squashed,) = ctx.saved_tensors
        return torch.addcmul(grad, grad * squashed, squashed, value=-1), None


def quantise(weight: Tensor, bits: int | None) -> Tensor:
    """The weight as the decoder will see it, in (-1, 1); `bits` None (or 32) returns it untouched."""
    return weight if bits in (None, FLOAT_BITS) else _TanhFloor.apply(weight, levels(bits))


def to_codes(weight: Tensor, bits: int) -> Tensor:
    """Integer codes in [-n, n] (int32), shape of `weight`."""
    return torch.tanh(weight.detach()).mul_(levels(bits)).trunc_().to(torch.int32)


def from_codes(codes: Tensor, bits: int) -> Tensor:
    """What `quantise` computes with, from the codes: codes / n in float32."""
    return codes.to(torch.float32).div_(levels(bits))


@dataclass(frozen=True)
class TanhQuantiser:
    """The codes that QAT trained for, as a `bench.inr.coding.quantisers.Quantiser`; no side information."""

    bits: int = 8

    def __post_init__(self) -> None:
        if self.bits not in range(2, 11):
            raise ValueError(f"quantiser: {self.bits} bits; 2 to 10 are possible")

    def quantise(self, tensor: Tensor) -> Quantised:
        return Quantised(to_codes(tensor, self.bits).numpy(), np.zeros(0, dtype=np.float16))

    def dequantise(self, quantised: Quantised) -> Tensor:
        return from_codes(torch.from_numpy(quantised.codes), self.bits)

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (0,)
