"""Uniform quantisers: a tensor of weights to integer codes with float16 side information, and back.

Every quantiser maps a weight w to a code q and back to a value on a uniform grid, origin + step * q. They
differ in origin, step, and in what shares them. Codes are computed against the float16 side information that
a decoder reads, not against the exact values, so that encoder and decoder agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bench.inr.coding.weight_model import LARGEST_CODE


@dataclass(frozen=True)
class Quantised:
    """A quantised tensor, as a stream holds it.

    Attributes:
        codes: int32, the tensor's shape.
        side: float16 side information for dequantisation, such as steps; may be empty.
    """

    codes: np.ndarray
    side: np.ndarray


class Quantiser(Protocol):
    """Quantises one tensor and back. `side_shape` is the shape of its side information."""

    def quantise(self, tensor: Tensor) -> Quantised: ...

    def dequantise(self, quantised: Quantised) -> Tensor: ...

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class AffineQuantiser:
    """Uniform between the smallest and the largest non-zero entry (NeRV section 3.3):

        q = round((w - w_min) / step),   w' = w_min + step * q,   step = (w_max - w_min) / 2^bits.

    Attributes:
        bits: code width. The official code has 2^bits + 1 levels; a stream has 2^bits, which moves only the
            largest entry of each slice, by one step.
        axis: what shares a range: 0: an output channel of a weight; 1: an input channel; None: the tensor.
            A bias always has one range.
    """

    bits: int = 8
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.axis not in (None, 0, 1):
            raise ValueError(f"quantiser: axis {self.axis} must be 0, 1 or None (one range per tensor)")

    def _slices(self, tensor: Tensor) -> Tensor:
        """The tensor as (slices, entries); a slice shares a range."""
        if self.axis is None or tensor.ndim < 2:
            return tensor.reshape(1, -1)
        return tensor.movedim(self.axis, 0).flatten(1)

    def _whole(self, slices: Tensor, shape: Sequence[int]) -> Tensor:
        """The inverse of `_slices`."""
        if self.axis is None or len(shape) < 2:
            return slices.reshape(shape)
        first = [shape[self.axis], *(size for axis, size in enumerate(shape) if axis != self.axis)]
        return slices.reshape(first).movedim(0, self.axis)

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, 1 if self.axis is None or len(shape) < 2 else shape[self.axis])

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every slice, (slices, 1) each; both 0 if a slice is all zero."""
        slices = self._slices(tensor.detach())
        absent = slices == 0
        low = slices.masked_fill(absent, float("inf")).amin(1, keepdim=True)
        high = slices.masked_fill(absent, float("-inf")).amax(1, keepdim=True)
        empty = absent.all(1, keepdim=True)
        low, high = low.masked_fill(empty, 0), high.masked_fill(empty, 0)
        return low, (high - low) / 2**self.bits

    def official(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """The result of NeRV's `quantize_per_tensor`: codes 0 to 2^bits and their values, float32.

        It equals the official code bit by bit. Streams use `quantise`, with float16 ranges and one level
        less.
        """
        low, step = self.ranges(tensor)
        codes = ((self._slices(tensor.detach()) - low) / (step + 1e-19)).round()
        return self._whole(codes, tensor.shape), self._whole(low + step * codes, tensor.shape)

    def quantise(self, tensor: Tensor) -> Quantised:
        # The decoder's ranges are float16, so the codes are taken against these.
        low, step = (value.half().float() for value in self.ranges(tensor))
        codes = ((self._slices(tensor.detach()) - low) / (step + 1e-19)).round().clamp(0, 2**self.bits - 1)
        # Centred on zero, where the entropy coder expects the most frequent codes.
        centred = self._whole(codes, tensor.shape).to(torch.int32) - 2 ** (self.bits - 1)
        side = torch.stack([low[:, 0], step[:, 0]]).half()
        return Quantised(centred.cpu().numpy(), side.cpu().numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        low, step = torch.from_numpy(quantised.side.astype(np.float32))[:, :, None]
        codes = torch.from_numpy(quantised.codes).float() + 2 ** (self.bits - 1)
        return self._whole(low + step * self._slices(codes), quantised.codes.shape)


@dataclass(frozen=True)
class ZeroPointQuantiser(AffineQuantiser):
    """An `AffineQuantiser` with an integer zero point (`zero_point: integer`): zeros stay zeros.

    If zero is within a slice's range, w' = step * q. All pruned weights of a tensor then have the code 0,
    whatever the ranges of its slices. Otherwise all entries of the slice have one sign, zero is not a level,
    and w' = origin + step * q.
    """

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every slice, (slices, 1) each, rounded to float16."""
        low, high = self._slices(tensor.detach()).aminmax(dim=1, keepdim=True)
        low = low.half().float()
        step = ((high - low) / (2**self.bits - 1)).clamp(min=0)
        # Rounded up: with a smaller step, zero could be above the last level if it is the largest entry.
        return low, _half_above(step).float()

    def _codes_of(self, low: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Smallest code of each slice, and the value of its code 0.

        Encoder and decoder compute the same: IEEE 754 defines float32 division and rounding exactly.
        """
        levels, middle = 2**self.bits, 2 ** (self.bits - 1)
        zero = (-low / step).round()  # the level of zero, counted from the lowest; not finite if step is 0
        within = (zero >= 0) & (zero < levels)
        return torch.where(within, -zero, -middle), torch.where(within, 0.0, low + step * middle)

    def quantise(self, tensor: Tensor) -> Quantised:
        low, step = self.ranges(tensor)
        smallest, origin = self._codes_of(low, step)
        codes = ((self._slices(tensor.detach()) - origin) / step).masked_fill(step == 0, 0).round()
        codes = codes.clamp(smallest, smallest + (2**self.bits - 1))
        codes = self._whole(codes, tensor.shape).to(torch.int32)
        side = torch.stack([low[:, 0], step[:, 0]]).half()
        return Quantised(codes.cpu().numpy(), side.cpu().numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        low, step = torch.from_numpy(quantised.side.astype(np.float32))[:, :, None]
        _, origin = self._codes_of(low, step)
        codes = torch.from_numpy(quantised.codes).float()
        return self._whole(origin + step * self._slices(codes), quantised.codes.shape)


def span(tensor: Tensor) -> Tensor:
    """Distance from the smallest to the largest of the entries and zero, a scalar."""
    return tensor.amax().clamp(min=0) - tensor.amin().clamp(max=0)


@dataclass(frozen=True)
class StepQuantiser:
    """The suite's quantiser `uniform`: w' = step * q with one step per tensor. Zeros stay zeros.

    Attributes:
        bits: the step is the tensor's `span` / 2^bits. It need not be whole. Decoders do not use it: the step
            is the side information.
    """

    bits: float = 8

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1,)

    def step_of(self, tensor: Tensor) -> Tensor:
        """The step, a float16 scalar."""
        return _half_above(span(tensor) / 2**self.bits)

    def quantise(self, tensor: Tensor) -> Quantised:
        tensor = tensor.detach()
        step = self.step_of(tensor)
        codes = (tensor / step.float()).masked_fill(step == 0, 0).round().clamp(-LARGEST_CODE, LARGEST_CODE)
        return Quantised(codes.to(torch.int32).cpu().numpy(), step.reshape(1).cpu().numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        return torch.from_numpy(quantised.codes).float() * float(quantised.side[0])


@dataclass(frozen=True)
class FixedStepQuantiser(StepQuantiser):
    """A `StepQuantiser` with a given step: the one that a fit has trained through."""

    step: float = 0.0

    def step_of(self, tensor: Tensor) -> Tensor:
        return torch.tensor(self.step, dtype=torch.float16, device=tensor.device)


def _half_above(values: Tensor) -> Tensor:
    """Non-negative values rounded up to float16."""
    half = values.half()
    return torch.where(half.float() < values, (half.view(torch.int16) + 1).view(torch.float16), half)


@dataclass(frozen=True)
class MinMaxQuantiser:
    """Uniform from the smallest to the largest entry, both of which are levels (HNeRV section 3.2):

        q = round((w - w_min) / step),   w' = w_min + step * q,   step = (w_max - w_min) / (2^bits - 1).

    Attributes:
        bits: code width.
        axis: entries that differ along this axis only share a range; None: the tensor has one range.
    """

    bits: int = 8
    axis: int | None = None

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, *(1 if self.axis in (None, i) else size for i, size in enumerate(shape)))

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every range, broadcastable; the step is 0 if all entries are equal."""
        if self.axis is None:
            low, high = tensor.aminmax()
        else:
            low, high = tensor.aminmax(dim=self.axis, keepdim=True)
        return low, (high - low) / (2**self.bits - 1)

    def codes(self, tensor: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """Codes 0 to 2^bits - 1, float32, for ranges of any precision; 0 where the step is 0."""
        codes = ((tensor - low) / step).round().clamp(0, 2**self.bits - 1)
        return codes.masked_fill(step == 0, 0)

    def quantise(self, tensor: Tensor) -> Quantised:
        tensor = tensor.detach()
        # The decoder's ranges are float16, so the codes are taken against these.
        low, step = (value.half().float() for value in self.ranges(tensor))
        centred = self.codes(tensor, low, step).to(torch.int32) - 2 ** (self.bits - 1)
        side = torch.stack([low, step]).half().view(self.side_shape(tuple(tensor.shape)))
        return Quantised(centred.cpu().numpy(), side.cpu().numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        low, step = torch.from_numpy(quantised.side.astype(np.float32))
        codes = torch.from_numpy(quantised.codes).float() + 2 ** (self.bits - 1)
        return low + step * codes


def wide_axes(shape: tuple[int, ...]) -> list[int]:
    """Axes along which HNeRV tries ranges: those of more than 50 entries."""
    return [axis for axis, size in enumerate(shape) if size > 50]


@dataclass(frozen=True)
class AxisChoice:
    """HNeRV's quantiser: for each tensor the `MinMaxQuantiser` with the smallest mean absolute error.

    A stream holds the index of the chosen option.
    """

    bits: int = 8

    def options(self, shape: tuple[int, ...]) -> list[Quantiser]:
        """The options for a tensor of this shape, in the stream's order."""
        # Along the only axis longer than 1, all entries share one range: that is the first option.
        axes = [axis for axis in wide_axes(shape) if math.prod(shape) > shape[axis]]
        return [MinMaxQuantiser(self.bits, None), *(MinMaxQuantiser(self.bits, axis) for axis in axes)]
