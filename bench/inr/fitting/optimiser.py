"""Optimisers of a fit: Adam, or Muon for kernels and matrices with Adam for all other weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from bench.inr.fitting.recipe import Recipe
from bench.inr.network.representation import Representation

#: Newton-Schulz iterations of Muon. Five, as published, are slower and fit no better.
_ITERATIONS = 3


class Muon:
    """Muon (Jordan et al., 2024) for some weights, Adam for the others, with one learning rate.

    Muon replaces the momentum of a matrix by its nearest orthogonal matrix, approximately. A kernel is a
    matrix of output channels by everything else. The factor 0.2 sqrt(larger side) gives an update the root
    mean square of an update of Adam (Liu et al., 2025), so that both can have the same learning rate.

    Args:
        matrices: the weights that Muon updates; others: those that Adam updates.
    """

    def __init__(self, matrices: Iterable[Tensor], others: Iterable[Tensor], recipe: Recipe) -> None:
        self.adam = _adam(others, recipe)
        #: Weight and its view as a matrix, which shares its memory.
        self.views = [(weight, nn.Parameter(_as_matrix(weight.detach()))) for weight in matrices]
        self.muon = torch.optim.Muon(
            [view for _, view in self.views],
            lr=recipe.learning_rate,
            weight_decay=0.0,
            ns_steps=_ITERATIONS,
            adjust_lr_fn="match_rms_adamw",
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [*self.adam.param_groups, *self.muon.param_groups]

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Let Adam update further weights."""
        self.adam.add_param_group(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.adam.zero_grad(set_to_none=set_to_none)
        for weight, _ in self.views:
            weight.grad = None

    def step(self) -> None:
        for weight, view in self.views:
            view.grad = None if weight.grad is None else _as_matrix(weight.grad)
        self.muon.step()
        self.adam.step()

    def state_dict(self) -> dict[str, Any]:
        return {"adam": self.adam.state_dict(), "muon": self.muon.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.adam.load_state_dict(state["adam"])
        self.muon.load_state_dict(state["muon"])


Optimiser: TypeAlias = torch.optim.Optimizer | Muon


def make_optimiser(representation: Representation, recipe: Recipe) -> Optimiser:
    """The recipe's optimiser for all weights, without weight decay. Muon updates its `matrices`."""
    parameters = list(representation.network.parameters())
    if recipe.optimiser == "adam":
        return _adam(parameters, recipe)
    matrices = representation.matrices()
    chosen = {id(weight) for weight in matrices}
    return Muon(matrices, [weight for weight in parameters if id(weight) not in chosen], recipe)


def _adam(parameters: Iterable[Tensor], recipe: Recipe) -> torch.optim.Adam:
    """One fused kernel updates all tensors."""
    return torch.optim.Adam(list(parameters), lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def _as_matrix(weight: Tensor) -> Tensor:
    """(out, ...) as (out, n): a view of a kernel in contiguous or channels-last memory."""
    if not weight.is_contiguous():
        weight = weight.movedim(1, -1)
    return weight.flatten(1)
