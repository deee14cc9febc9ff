"""Uniform quantisers: one tensor to integer codes with float16 side information, and back."""

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
        axis: 0 gives every output channel of a weight its own range, 1 every input channel; None one
            range a tensor. Biases always have one.
    """

    bits: int = 8
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.axis not in (None, 0, 1):
            raise ValueError(f"quantiser: axis {self.axis} is none of 0, 1 and None (one range a tensor)")

    def _slices(self, tensor: Tensor) -> Tensor:
        """(slices, entries)."""
        if self.axis is None or tensor.ndim < 2:
            return tensor.reshape(1, -1)
        return tensor.movedim(self.axis, 0).flatten(1)

    def _whole(self, slices: Tensor, shape: Sequence[int]) -> Tensor:
        """What `_slices` makes the slices of."""
        if self.axis is None or len(shape) < 2:
            return slices.reshape(shape)
        first = [shape[self.axis], *(size for axis, size in enumerate(shape) if axis != self.axis)]
        return slices.reshape(first).movedim(0, self.axis)

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, 1 if self.axis is None or len(shape) < 2 else shape[self.axis])

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every slice, (slices, 1) each; zeros where a slice is all zero."""
        slices = self._slices(tensor.detach())
        absent = slices == 0
        low = slices.masked_fill(absent, float("inf")).amin(1, keepdim=True)
        high = slices.masked_fill(absent, float("-inf")).amax(1, keepdim=True)
        empty = absent.all(1, keepdim=True)
        low, high = low.masked_fill(empty, 0), high.masked_fill(empty, 0)
        return low, (high - low) / 2**self.bits

    def official(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """What NeRV's `quantize_per_tensor` makes of a tensor: codes 0 to 2^bits, and the values of these.

        Float32 and exact. A stream, which has float16 ranges and a level less, uses `quantise`.
        """
        low, step = self.ranges(tensor)
        codes = ((self._slices(tensor.detach()) - low) / (step + 1e-19)).round()
        return self._whole(codes, tensor.shape), self._whole(low + step * codes, tensor.shape)

    def quantise(self, tensor: Tensor) -> Quantised:
        # The decoder's ranges are float16, so the codes are taken against these.
        low, step = (value.half().float() for value in self.ranges(tensor))
        codes = ((self._slices(tensor.detach()) - low) / (step + 1e-19)).round().clamp(0, 2**self.bits - 1)
        # Around zero, so that the coder sees weights fall off on both sides.
        centred = self._whole(codes, tensor.shape).to(torch.int32) - 2 ** (self.bits - 1)
        side = torch.stack([low[:, 0], step[:, 0]]).half()
        return Quantised(centred.cpu().numpy(), side.cpu().numpy())

    def dequantise(self, quantised: Quantised) -> Tensor:
        low, step = torch.from_numpy(quantised.side.astype(np.float32))[:, :, None]
        codes = torch.from_numpy(quantised.codes).float() + 2 ** (self.bits - 1)
        return self._whole(low + step * self._slices(codes), quantised.codes.shape)


@dataclass(frozen=True)
class ZeroPointQuantiser(AffineQuantiser):
    """The same slices with an integer zero point: zeros come back as zeros (`zero_point: integer`).

    Where zero lies within the range, a weight is code * step. So all pruned weights of a tensor have one
    code, whatever range a slice has. Elsewhere, entries being all of one sign, zero is no level.
    """

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every slice, (slices, 1) each, as float16 holds them."""
        low, high = self._slices(tensor.detach()).aminmax(dim=1, keepdim=True)
        low = low.half().float()
        step = ((high - low) / (2**self.bits - 1)).clamp(min=0)
        # A smaller step would leave out zero where that is the largest entry.
        return low, _half_above(step).float()

    def _codes_of(self, low: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Each slice's smallest code, and the value that its code 0 stands for.

        An encoder and a decoder compute this alike: float32 division and rounding are exact everywhere.
        """
        levels, middle = 2**self.bits, 2 ** (self.bits - 1)
        zero = (-low / step).round()  # the level of zero, counted from the lowest; not finite without a step
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
    """How far it is from the smallest to the largest of the entries and zero: a scalar."""
    return tensor.amax().clamp(min=0) - tensor.amin().clamp(max=0)


@dataclass(frozen=True)
class StepQuantiser:
    """A weight is code * step: zeros stay zeros, and nothing but the step stands beside the codes.

    Attributes:
        bits: the step is the tensor's `span` / 2^bits. Need not be whole; only an encoder asks for it.
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
    """The smallest float16 not below each of these non-negative values."""
    half = values.half()
    return torch.where(half.float() < values, (half.view(torch.int16) + 1).view(torch.float16), half)


@dataclass(frozen=True)
class MinMaxQuantiser:
    """Uniform from the smallest to the largest entry, both of them levels (HNeRV section 3.2).

    Attributes:
        bits: code width, 2^bits levels.
        axis: entries that differ along this axis alone share a range; None gives a tensor one.
    """

    bits: int = 8
    axis: int | None = None

    def side_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, *self._range_shape(shape))

    def _range_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(1 if self.axis in (None, i) else size for i, size in enumerate(shape))

    def ranges(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest value and step of every range, to be broadcast; a step of 0 where all entries are equal."""
        if self.axis is None:
            low, high = tensor.aminmax()
        else:
            low, high = tensor.aminmax(dim=self.axis, keepdim=True)
        return low, (high - low) / (2**self.bits - 1)

    def codes(self, tensor: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """0 to 2^bits - 1, float32, against ranges of any precision; 0 where the step is."""
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
    """Axes along which HNeRV tries ranges: more than 50 entries share one."""
    return [axis for axis, size in enumerate(shape) if size > 50]


@dataclass(frozen=True)
class AxisChoice:
    """HNeRV's quantiser: for each tensor the axis that is off least, which the stream names."""

    bits: int = 8

    def options(self, shape: tuple[int, ...]) -> list[Quantiser]:
        """What a tensor of this shape may be quantised by, in the stream's order."""
        # Along its only long axis a tensor has one range: what the first option gives it anyway.
        axes = [axis for axis in wide_axes(shape) if math.prod(shape) > shape[axis]]
        return [MinMaxQuantiser(self.bits, None), *(MinMaxQuantiser(self.bits, axis) for axis in axes)]
