"""Parity with float32 arrays, with a tolerance derived from the rounding of the computation itself.

Two float32 implementations of one computation round in a different order on every instruction set, number
of threads and version of a library. A fixed tolerance describes one machine. `assert_parity` therefore
evaluates our network in float64, which is exact for this purpose, and takes as the rounding error of the
computation the largest deviation from it of four float32 evaluations: one with the given weights, and three
with every weight moved by up to one unit in the last place. The three show how sensitive the result is, and
make the estimate reliable for arrays of few entries. Then for each array:

* |golden - float64| <= `FACTOR` * max(rounding, floor * scale): the golden array is the same computation;
* rounding <= ceiling * scale: our float32 result is accurate, whatever the golden array has.

The scale is the array's maximum. The floor is what float32 rounds in such a computation on any machine: some
CPUs sum so accurately that their own error says nothing of the machine that computed the golden arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

#: How much more another machine may round. With SSE 4.1, AVX2 and AVX-512 and one or two threads, golden
#: arrays deviate by less than 3 times the larger of our rounding error and the floor.
FACTOR = 8
#: Largest relative error of rounding one number to float32.
UNIT_ROUNDOFF = 2.0**-24
#: Least rounding error of some ten layers, and of a gradient, which is a sum over thousands of pixels.
FORWARD_FLOOR, GRADIENT_FLOOR = 4 * UNIT_ROUNDOFF, 32 * UNIT_ROUNDOFF
#: Float32 evaluations with perturbed weights.
PERTURBED = 3

Evaluate = Callable[[nn.Module], Mapping[str, Tensor]]


def in_float64(module: nn.Module) -> nn.Module:
    """A copy that computes in float64.

    What the network derives from its inputs without weights, as positions in a grid or a positional encoding,
    stays in float32: it is a part of the definition of these networks, and large phases have no other value.
    """
    copied = copy.deepcopy(module).double()
    for part in copied.modules():
        if not any(part.children()):
            part.register_forward_pre_hook(_cast)
    return copied


def assert_parity(
    evaluate: Evaluate,
    module: nn.Module,
    golden: Mapping[str, np.ndarray],
    *,
    ceiling: float,
    floor: float = FORWARD_FLOOR,
    perturbed: int = PERTURBED,
) -> None:
    """Compare all arrays that `evaluate` returns with the golden ones of the same name.

    Args:
        evaluate: name -> array of one evaluation of the module, in the module's own type.
        ceiling: largest rounding error of our float32 arrays, relative to the array's maximum.
        floor: rounding error that float32 has on any machine, likewise.
        perturbed: number of float32 evaluations with perturbed weights.
    """
    for name, rounding in measure_rounding(evaluate, module, perturbed).items():
        rounding.check(name, golden[name], ceiling=ceiling, floor=floor)


#: `ceiling` is relative to this share of the largest array of an evaluation where an array is smaller: a
#: gradient that cancels, as the one of a bias before a norm, has an absolute accuracy but no relative one.
CANCELLED = 0.1


@dataclass(frozen=True)
class Rounding:
    """The float64 value of one array and the rounding error of float32 evaluations.

    Attributes:
        exact: float64.
        error: largest absolute deviation of a float32 evaluation.
        largest: magnitude of the largest array of the same evaluation.
    """

    exact: np.ndarray
    error: float
    largest: float

    def check(
        self,
        name: str,
        golden: np.ndarray,
        *,
        ceiling: float,
        floor: float = FORWARD_FLOOR,
        scale: float = 0,
    ) -> None:
        """Raise AssertionError if our or the golden float32 array is not accurate.

        Args:
            scale: size of the terms of a sum whose result is smaller, as 1 in 1 - SSIM.
        """
        assert golden.shape == np.broadcast_shapes(golden.shape, self.exact.shape), name
        scale, deviation = max(scale, magnitude(self.exact)), magnitude(golden - self.exact)
        allowed = FACTOR * max(self.error, floor * scale)
        assert deviation <= allowed, f"{name}: golden - float64 is {deviation:.3g}, allowed {allowed:.3g}"
        allowed = ceiling * max(scale, CANCELLED * self.largest)
        assert self.error <= allowed, f"{name}: float32 - float64 is {self.error:.3g}, allowed {allowed:.3g}"


def measure_rounding(
    evaluate: Evaluate, module: nn.Module, perturbed: int = PERTURBED
) -> dict[str, Rounding]:
    """Name -> float64 value and rounding error of everything that `evaluate` returns."""
    exact = {name: _array(value) for name, value in evaluate(in_float64(module)).items()}
    errors = dict.fromkeys(exact, 0.0)
    for evaluated in [module, *(_perturbed(module, seed) for seed in range(perturbed))]:
        for name, value in evaluate(evaluated).items():
            errors[name] = max(errors[name], magnitude(_array(value) - exact[name]))
    largest = max(map(magnitude, exact.values()))
    return {name: Rounding(value, errors[name], largest) for name, value in exact.items()}


def magnitude(array: np.ndarray) -> float:
    """The largest absolute value of an array."""
    return float(np.abs(array).max())


def like(module: nn.Module, tensor: Tensor) -> Tensor:
    """`tensor` in the type of the module's weights or buffers."""
    return tensor.to(next(chain(module.parameters(), module.buffers())).dtype)


def _array(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy()


def _perturbed(module: nn.Module, seed: int) -> nn.Module:
    """A copy whose weights are moved by up to one unit in the last place."""
    copied = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in copied.parameters():
            moved = 2 * UNIT_ROUNDOFF * (2 * torch.rand(weight.shape, generator=generator) - 1)
            weight.mul_(1 + moved)
    return copied


def _cast(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Forward pre-hook: floating-point inputs in float64."""
    return tuple(x.double() if torch.is_tensor(x) and x.is_floating_point() else x for x in inputs)
