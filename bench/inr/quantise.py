"""Quantisers: how a network's tensors become integer codes and come back.

`affine` is the post-training quantiser of NeRV, E-NeRV and HNeRV; `float32` keeps the weights as they
are (representation tables). A method with a quantiser of its own registers it on its codec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Quantised:
    """One tensor as it goes into a stream.

    Attributes:
        codes: int32, the tensor's shape.
        side: float16, what is needed besides to come back; may be empty.
    """

    codes: np.ndarray
    side: np.ndarray


class Quantiser(Protocol):
    """Turns one tensor into codes and back; `side_shape` says how much side information it takes."""

    def quantise(self, tensor: Tensor) -> Quantised: ...

    def dequantise(self, quantised: Quantised) -> Tensor: ...

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class AffineQuantiser:
    """Uniform between the smallest and the largest non-zero entry (NeRV section 3.3).

    Attributes:
        bits: code width. The official code has 2^bits + 1 levels; a stream has 2^bits, which
            moves only the largest entry of each slice, by one step.
        axis: 0 gives every output channel of a weight its own range; None one range a tensor.
            Biases always have one.
    """

    bits: int = 8
    axis: int | None = None

    def _slices(self, tensor: Tensor) -> Tensor:
        """(slices, entries)."""
        return tensor.flatten(1) if self.axis == 0 and tensor.ndim > 1 else tensor.reshape(1, -1)

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, shape[0] if self.axis == 0 and len(shape) > 1 else 1)

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every slice, (slices, 1) each; zeros where a slice is all zero."""
        slices = self._slices(tensor.detach())
        absent = slices == 0
        low = slices.masked_fill(absent, float("inf")).amin(1, keepdim=True)
        high = slices.masked_fill(absent, float("-inf")).amax(1, keepdim=True)
        empty = absent.all(1, keepdim=True)
        low, high = low.masked_fill(empty, 0), high.masked_fill(empty, 0)
        return low, (high - low) / 2**self.bits

    def quantise(self, tensor: Tensor) -> Quantised:
        # The decoder's ranges are float16, so the codes are taken against these.
        low, step = (value.half().float() for value in self.ranges(tensor))
        codes = ((self._slices(tensor.detach()) - low) / (step + 1e-19)).round().clamp(0, 2**self.bits - 1)
        # Around zero, so that the coder sees weights fall off on both sides.
        centred = codes.view(tensor.shape).to(torch.int32) - 2 ** (self.bits - 1)
        side = torch.stack([low[:, 0], step[:, 0]]).half()
        return Quantised(centred.cpu().numpy(), side.cpu().numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        low, step = torch.from_numpy(quantised.side.astype(np.float32))[:, :, None]
        codes = torch.from_numpy(quantised.codes).float() + 2 ** (self.bits - 1)
        return (low + step * self._slices(codes)).view(quantised.codes.shape)
