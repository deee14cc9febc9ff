"""Quantisers: how a network's tensors become integer codes and come back.

`affine` is the post-training quantiser of NeRV and E-NeRV, `hnerv` that of HNeRV; `float32` keeps the
weights as they are (representation tables). A method with a quantiser of its own registers it on its
codec. What settings and streams hold is a description; for some parameters it may say something else,
by the start of their names:

    {name: affine, bits: 8, overrides: {embeddings: {bits: 6}}}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from bench.errors import BenchError


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
        return [MinMaxQuantiser(self.bits), *(MinMaxQuantiser(self.bits, axis) for axis in axes)]


#: What one parameter may have.
SingleQuantiser: TypeAlias = Quantiser | AxisChoice


@dataclass(frozen=True)
class ByName:
    """One quantiser for all parameters but those of named parts of the network.

    Attributes:
        usual: of all other parameters.
        overrides: by a parameter's name up to its end or a dot; the longest that fits counts.
    """

    usual: SingleQuantiser
    overrides: Mapping[str, SingleQuantiser]

    def of(self, name: str) -> SingleQuantiser:
        fitting = [part for part in self.overrides if _covers(part, name)]
        return self.overrides[max(fitting, key=len)] if fitting else self.usual


#: What a description can stand for.
AnyQuantiser: TypeAlias = SingleQuantiser | ByName


def _covers(part: str, name: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def check_parts(quantiser: AnyQuantiser | None, names: Iterable[str]) -> None:
    """Refuse overrides for parts that a network with parameters of these names has not (BenchError)."""
    names = list(names)
    for part in quantiser.overrides if isinstance(quantiser, ByName) else ():
        if not any(_covers(part, name) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise BenchError("quantiser", f"overrides: the network has no part {part!r}", f"it has {known}")


def options(quantiser: AnyQuantiser, name: str, shape: tuple[int, ...]) -> Sequence[Quantiser]:
    """The quantisers that a parameter may have been coded with; mostly one."""
    chosen = quantiser.of(name) if isinstance(quantiser, ByName) else quantiser
    return chosen.options(shape) if isinstance(chosen, AxisChoice) else [chosen]


#: Name of a quantiser -> what a description of it may set.
_PARAMETERS = {"float32": (), "affine": ("bits", "axis"), "hnerv": ("bits",)}


def single_quantiser(description: Mapping[str, Any]) -> SingleQuantiser | None:
    """What a description without `overrides` stands for; None keeps float32 weights.

    Raises:
        ValueError: there is no such quantiser.
    """
    name, bits, axis = description.get("name", ""), description.get("bits", 8), description.get("axis")
    unknown = set(description) - {"name", *_PARAMETERS.get(name, ())}
    good = type(bits) is int and bits in range(2, 11) and axis in (None, 0)
    if name not in _PARAMETERS or unknown or not good:
        raise ValueError(f"quantiser {dict(description)}")
    if name == "float32":
        return None
    return AxisChoice(bits) if name == "hnerv" else AffineQuantiser(bits=bits, axis=axis)


def make_quantiser(
    description: Mapping[str, Any],
    single: Callable[[Mapping[str, Any]], SingleQuantiser | None] = single_quantiser,
) -> AnyQuantiser | None:
    """What a description stands for, `overrides` included; None keeps float32 weights.

    Args:
        description: an override has what the whole description says, but for what it sets itself; one
            with a name of its own starts anew.
        single: makes one quantiser (a method may know more of them than are here).

    Raises:
        ValueError: there is no such quantiser.
    """
    usual = {key: value for key, value in description.items() if key != "overrides"}
    made, overrides = single(usual), description.get("overrides", {})
    if not (isinstance(overrides, dict) and all(isinstance(value, dict) for value in overrides.values())):
        raise ValueError("quantiser overrides: a table of names and what is different there")
    if not overrides:
        return made
    parts = {
        part: single(changes if "name" in changes else {**usual, **changes})
        for part, changes in overrides.items()
    }
    quantisers = {part: quantiser for part, quantiser in parts.items() if quantiser is not None}
    if made is None or len(quantisers) < len(parts):
        raise ValueError("quantiser overrides: float32 weights cannot be mixed with codes")
    return ByName(made, quantisers)
