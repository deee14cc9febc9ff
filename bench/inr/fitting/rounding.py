"""Training through the rounding of a stream: a fit's last epochs see every weight as a decoder will.

The steps are found once, as for a fit that ends there (`bench.inr.coding.allocation`), and stay. A forward
computes with code * step, and gradients pass straight through the rounding to the weights behind it, so
that what rounding does to one weight others make up for. The weights end on their steps: coding loses
nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.inr.coding.quantisers import AnyQuantiser, ByName
from bench.inr.coding.uniform import KnownStep, StepQuantiser

#: Finds the quantiser that a stream would have, from the weights as they are.
FindSteps = Callable[[], AnyQuantiser | None]


class _Round(torch.autograd.Function):
    """To the nearest multiple of a step; the gradient is that of the identity."""

    @staticmethod
    def forward(ctx, weight: Tensor, step: float) -> Tensor:
        return (weight / step).round_().mul_(step)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Rounded(nn.Module):
    """Between a parameter and the layer that uses it. A tensor of zeros has no step and stays one."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, weight: Tensor) -> Tensor:
        return _Round.apply(weight, self.step) if self.step else torch.zeros_like(weight)


def know_steps(coded: nn.Module, trained: nn.Module, found: AnyQuantiser | None) -> ByName:
    """The quantisers `found` for the parameters of `coded`, with steps where `trained` shares a parameter.

    What it does not share (an HNeRV's embeddings) is made after the fit and has its step then.
    """
    shared = {id(parameter) for parameter in trained.parameters()}
    known: dict[str, StepQuantiser] = {}
    for name, parameter in coded.named_parameters():
        quantiser = found.of(name) if isinstance(found, ByName) else found
        assert isinstance(quantiser, StepQuantiser)
        if id(parameter) in shared:
            quantiser = KnownStep(quantiser.bits, float(quantiser.step_of(parameter.detach())))
        known[name] = quantiser
    return ByName(StepQuantiser(), known)


def attach(coded: nn.Module, known: ByName) -> None:
    """From now on layers compute with rounded weights, where the step is known."""
    for name, quantiser in known.overrides.items():
        if isinstance(quantiser, KnownStep):
            owner, _, attribute = name.rpartition(".")
            rounded = _Rounded(quantiser.step)
            parametrize.register_parametrization(coded.get_submodule(owner), attribute, rounded, unsafe=True)


def release(network: nn.Module) -> None:
    """Leave every parameter with its rounded values, and layers as they were."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            for attribute in [name for name, _ in module.parametrizations.named_children()]:
                parametrize.remove_parametrizations(module, attribute)


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """The network's state by the names that it has without rounding; the weights behind it."""
    return {
        name.replace("parametrizations.", "").removesuffix(".original"): value
        for name, value in network.state_dict().items()
    }


def to_state(quantiser: ByName | None) -> dict[str, tuple[float, float | None]] | None:
    """Bits and step of every parameter's quantiser, as plain numbers."""
    if quantiser is None:
        return None
    steps = {}
    for name, known in quantiser.overrides.items():
        assert isinstance(known, StepQuantiser)
        steps[name] = (known.bits, known.step if isinstance(known, KnownStep) else None)
    return steps


def from_state(state: dict[str, tuple[float, float | None]] | None) -> ByName | None:
    """What `to_state` was given."""
    if state is None:
        return None
    quantisers = {
        name: StepQuantiser(bits) if step is None else KnownStep(bits, step)
        for name, (bits, step) in state.items()
    }
    return ByName(StepQuantiser(), quantisers)
