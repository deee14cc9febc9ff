"""Rounding phase: the last epochs of a fit train through the quantiser of the stream.

The step size d of every tensor is chosen once, as for a fit that ends there (`bench.inr.coding.allocation`),
and then fixed. The forward pass computes with the decoder's weights

    q(w) = d * round(w / d).

The derivative of q is zero almost everywhere. The backward pass uses the straight-through estimator (Bengio
et al., 2013): the gradient of q is that of the identity, so the gradient at q(w) is applied to w. An update
accumulates in w until q(w) moves to the next multiple of d, and the other weights adapt to the error of each
rounding. At the end the weights are set to q(w). Coding them with the steps d loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.inr.coding.quantisers import AnyQuantiser, ByName
from bench.inr.coding.uniform import FixedStepQuantiser, StepQuantiser

#: Finished network with its present weights -> the quantiser that its stream would have.
ChooseQuantiser = Callable[[nn.Module], AnyQuantiser | None]
#: Saved form of the quantiser: parameter -> (bits, step size or None where it is not fixed).
SavedSteps = dict[str, tuple[float, float | None]]


def fix_steps(coded: nn.Module, trained: nn.Module, quantiser: AnyQuantiser | None) -> ByName:
    """The quantiser with fixed steps for the parameters that are trained.

    Args:
        coded: the finished network; trained: the network that the fit trains. Coded parameters that it does
            not share (an HNeRV's embeddings) are computed after the fit; their steps are not fixed.
        quantiser: consists of `StepQuantiser`s (`quantiser_description.check_rounding`).
    """
    shared = {id(parameter) for parameter in trained.parameters()}
    fixed: dict[str, StepQuantiser] = {}
    for name, parameter in coded.named_parameters():
        single = quantiser.of(name) if isinstance(quantiser, ByName) else quantiser
        assert isinstance(single, StepQuantiser)
        if id(parameter) in shared:
            single = FixedStepQuantiser(single.bits, float(single.step_of(parameter.detach())))
        fixed[name] = single
    return ByName(StepQuantiser(), fixed)


class RoundedWeights:
    """The parameters of a finished network whose steps are fixed, and their rounded values.

    The weights are replaced in place for a forward and backward pass, and restored for the update. Gradients
    at q(w) are thus applied to w. A few kernels process all tensors, and the network has no extra modules,
    so it can be compiled.

    Args:
        coded: the finished network; quantiser: of `fix_steps`. A tensor of zeros has step 0 and stays zero.
    """

    def __init__(self, coded: nn.Module, quantiser: ByName) -> None:
        steps = {
            name: single.step
            for name, single in quantiser.overrides.items()
            if isinstance(single, FixedStepQuantiser)
        }
        parameters = dict(coded.named_parameters())
        self.weights = [parameters[name].detach() for name, step in steps.items() if step]
        self.steps = [step for step in steps.values() if step]
        self.zeros = [parameters[name].detach() for name, step in steps.items() if not step]
        self.exact = [weight.clone() for weight in (*self.weights, *self.zeros)]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network have rounded weights in this context."""
        torch._foreach_copy_(self.exact, [*self.weights, *self.zeros])
        self.fix()
        try:
            yield
        finally:
            torch._foreach_copy_([*self.weights, *self.zeros], self.exact)

    def fix(self) -> None:
        """Set every weight to its rounded value."""
        if self.weights:
            torch._foreach_div_(self.weights, self.steps)
            torch._foreach_round_(self.weights)
            torch._foreach_mul_(self.weights, self.steps)
        if self.zeros:
            torch._foreach_zero_(self.zeros)


def remove_parametrisations(network: nn.Module) -> None:
    """Set every parametrised weight to its value under the parametrisation."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            for attribute in [name for name, _ in module.parametrizations.named_children()]:
                parametrize.remove_parametrizations(module, attribute)


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """State dict under the names without parametrisations, with the weights before rounding."""
    return {
        name.replace("parametrizations.", "").removesuffix(".original"): value
        for name, value in network.state_dict().items()
        if not name.endswith(".log2_step")
    }


def to_state(quantiser: ByName | None) -> SavedSteps | None:
    """Bits and step of every parameter's quantiser, as plain numbers."""
    if quantiser is None:
        return None
    steps: SavedSteps = {}
    for name, single in quantiser.overrides.items():
        assert isinstance(single, StepQuantiser)
        steps[name] = (single.bits, single.step if isinstance(single, FixedStepQuantiser) else None)
    return steps


def from_state(state: SavedSteps | None) -> ByName | None:
    """The quantiser that `to_state` saved."""
    if state is None:
        return None
    quantisers = {
        name: StepQuantiser(bits) if step is None else FixedStepQuantiser(bits, step)
        for name, (bits, step) in state.items()
    }
    return ByName(StepQuantiser(), quantisers)
