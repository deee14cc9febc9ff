"""Quantisation of HiNeRV: symmetric codes, and training with quantisation noise (section 3.5).

With k bits and one scale d for every slice along the tensor's longest axis,

    q = round(w / d), limited to [-2^(k-1), 2^(k-1) - 1],    w' = d q,    d = 2 max|w| / (2^k - 1) + 1e-6.

Fine-tuning with noise (Quant-Noise; Fan et al., 2021) replaces a random fraction of the weights by w' in
every step. Codes have no gradient there: a gradient reaches the weights that are not replaced, and, through
the scale, the largest weight of each slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.inr.coding.quantisers import Quantised

#: Smallest of the published widths 8, 7 and 6. The noise has 6 bits for all of them.
BITS = 6
#: Fraction of the weights that a step of the fine-tuning quantises.
NOISE_RATE = 0.9
_SHORTEST_AXIS = 21


def scale_axis(shape: tuple[int, ...]) -> int | None:
    """The axis whose entries share a scale: the longest one above 20, the first of equals; None: all axes."""
    longest = max(range(len(shape)), key=lambda axis: shape[axis])
    return longest if shape[longest] >= _SHORTEST_AXIS else None


def scales(weight: Tensor, bits: int) -> Tensor:
    """2 max|w| / (2^bits - 1) + 1e-6 along `scale_axis`, which has the length 1 in the result."""
    axis, magnitude = scale_axis(tuple(weight.shape)), weight.abs()
    # As in the official code: `max` gives the gradient to one of equal entries, `amax` to all of them.
    largest = magnitude.amax() if axis is None else magnitude.max(axis, keepdim=True).values
    return 2 * largest / (2**bits - 1) + 1e-6


def to_codes(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Whole numbers in [-2^(bits-1), 2^(bits-1) - 1] as floats, without a gradient."""
    half = 2 ** (bits - 1)
    return (weight.detach() / scale.detach()).round_().clamp_(-half, half - 1)


def fake_quantise(weight: Tensor, bits: int = BITS) -> Tensor:
    """The decoder's weights; the gradient reaches `weight` through the scale only."""
    matrix = _as_stored(weight)
    scale = scales(matrix, bits)
    return (to_codes(matrix, scale, bits) * scale).view_as(weight)


def add_noise(
    weight: Tensor, bits: int = BITS, *, rate: float = NOISE_RATE, generator: torch.Generator | None = None
) -> Tensor:
    """`weight` with each element quantised with probability `rate`."""
    kept = torch.rand(weight.shape, generator=generator, device=weight.device) > rate
    return torch.where(kept, weight, fake_quantise(weight, bits))


def is_quantised(weight: Tensor) -> bool:
    """Whether a parameter is quantised: weights and grids are, biases (the only vectors) are not."""
    return weight.ndim > 1


@dataclass(frozen=True, kw_only=True)
class QuantNoise:
    """Quantisation noise of one step of the fine-tuning."""

    bits: int = BITS
    rate: float = NOISE_RATE
    generator: torch.Generator | None = None

    def weights(self, network: nn.Module) -> dict[str, Tensor]:
        """Every parameter by its name, with noise if it is quantised."""
        return {
            name: add_noise(weight, self.bits, rate=self.rate, generator=self.generator)
            if is_quantised(weight)
            else weight
            for name, weight in network.named_parameters()
        }


@dataclass(frozen=True)
class SymmetricQuantiser:
    """The quantiser of the official bitstream (`bench.inr.coding.uniform.Quantiser`).

    Scales are float16 side information. A bias is float16 side information too, and its codes are all zero.
    """

    bits: int = BITS

    def __post_init__(self) -> None:
        if self.bits not in range(2, 11):
            raise ValueError(f"quantiser: bits: {self.bits} must be 2 to 10")

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 2:
            return shape
        stored = _stored_shape(shape)
        axis = scale_axis(stored)
        return (1,) if axis is None else (*stored[:axis], 1, *stored[axis + 1 :])

    def quantise(self, tensor: Tensor) -> Quantised:
        if not is_quantised(tensor):
            return Quantised(np.zeros(tuple(tensor.shape), dtype=np.int32), tensor.half().numpy())
        matrix = _as_stored(tensor)
        # Codes are computed with the exact scale, not with its float16, as in the official code.
        scale = scales(matrix, self.bits)
        codes = to_codes(matrix, scale, self.bits).view_as(tensor).to(torch.int32)
        return Quantised(codes.numpy(), scale.half().view(self.side_shape(tuple(tensor.shape))).numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        side = torch.from_numpy(quantised.side.astype(np.float32))
        codes = torch.from_numpy(quantised.codes).float()
        return (_as_stored(codes) * side).view_as(codes) if is_quantised(codes) else side


def _stored_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (math.prod(shape[:2]), shape[2]) if len(shape) == 3 else shape


def _as_stored(weight: Tensor) -> Tensor:
    """The tensor in its official shape: time and space of a base grid are one axis."""
    return weight.reshape(_stored_shape(tuple(weight.shape)))
