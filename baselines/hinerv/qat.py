"""Quantisation of HiNeRV: symmetric codes, trained for with quantisation noise (section 3.5).

A weight is code * scale with a scale for every slice along the tensor's longest axis. Fine-tuning
replaces most weights by their quantised values at random. Codes are constants there: a gradient
reaches the weights that were left alone, and through the scale those that are largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.inr.coding.quantisers import Quantised

#: The last of the published widths 8, 7 and 6; the noise is that of 6 bits throughout.
BITS = 6
#: Share of the weights that a forward of the fine-tuning quantises.
NOISE_RATE = 0.9
_SHORTEST_AXIS = 21


def scale_axis(shape: tuple[int, ...]) -> int | None:
    """The axis that shares a scale: the longest above 20, the first of equals; None: all of them do."""
    longest = max(range(len(shape)), key=lambda axis: shape[axis])
    return longest if shape[longest] >= _SHORTEST_AXIS else None


def scales(weight: Tensor, bits: int) -> Tensor:
    """2 max|w| / (2^bits - 1) + 1e-6 along `scale_axis`, which has the length 1 in the result."""
    axis, magnitude = scale_axis(tuple(weight.shape)), weight.abs()
    # Of equals one has the gradient along an axis, all in a whole tensor: as the official code has it.
    largest = magnitude.amax() if axis is None else magnitude.max(axis, keepdim=True).values
    return 2 * largest / (2**bits - 1) + 1e-6


def to_codes(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Whole numbers in [-2^(bits-1), 2^(bits-1) - 1] as floats, without a gradient."""
    half = 2 ** (bits - 1)
    return (weight.detach() / scale.detach()).round_().clamp_(-half, half - 1)


def fake_quantise(weight: Tensor, bits: int = BITS) -> Tensor:
    """The weight as a decoder will have it; its gradient reaches `weight` through the scale alone."""
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
    """Weights of layers and grids are; biases, the only vectors, are not."""
    return weight.ndim > 1


@dataclass(frozen=True, kw_only=True)
class QuantNoise:
    """The weights of one forward of the fine-tuning."""

    bits: int = BITS
    rate: float = NOISE_RATE
    generator: torch.Generator | None = None

    def weights(self, network: nn.Module) -> dict[str, Tensor]:
        """Every parameter by its name, noise in those that are quantised."""
        return {
            name: add_noise(weight, self.bits, rate=self.rate, generator=self.generator)
            if is_quantised(weight)
            else weight
            for name, weight in network.named_parameters()
        }


@dataclass(frozen=True)
class SymmetricQuantiser:
    """The official bitstream's quantiser, as a `bench.inr.coding.quantisers.Quantiser`.

    Scales are float16 beside the codes. A bias is kept as float16, with codes that are all zero.
    """

    bits: int = BITS

    def __post_init__(self) -> None:
        if self.bits not in range(2, 11):
            raise ValueError(f"quantiser: {self.bits} bits; 2 to 10 are possible")

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
        # Codes are taken against the scale itself, not its float16, as the official code does.
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
    """As the official code has it: a base grid's time and space are one axis."""
    return weight.reshape(_stored_shape(tuple(weight.shape)))
