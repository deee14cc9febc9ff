"""One training step: forward and backward pass, then the update of the weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor

from bench.inr.fitting.optimiser import Optimiser
from bench.inr.fitting.pruning import Masks
from bench.inr.fitting.recipe import Precision
from bench.inr.fitting.recorded_step import Outputs, set_learning_rate
from bench.inr.fitting.rounding import RoundedWeights
from bench.inr.network import planes, runtime
from bench.inr.network.representation import Representation


def train_step(
    representation: Representation,
    optimiser: Optimiser,
    index: Tensor,
    target: Tensor,
    *,
    learning_rate: float,
    loss: str,
    precision: Precision = "float32",
    clip_gradient: float | None = None,
    masks: Masks | None = None,
) -> Outputs:
    """One update of the weights, with the arguments of `compute_gradients` and `update_weights`."""
    set_learning_rate(optimiser, learning_rate, target.device)
    outputs = compute_gradients(representation, optimiser, index, target, loss=loss, precision=precision)
    update_weights(representation, optimiser, clip_gradient=clip_gradient, masks=masks)
    return outputs


def compute_gradients(
    representation: Representation,
    optimiser: Optimiser,
    index: Tensor,
    target: Tensor,
    *,
    loss: str,
    precision: Precision = "float32",
    rate_term: Callable[[], Tensor] | None = None,
    rounded: RoundedWeights | None = None,
) -> Outputs:
    """Forward and backward pass. Earlier gradients are discarded.

    Args:
        index, target: numbers (B,) of the samples, and the samples (B, 3, h, w), RGB in [0, 1].
        loss: a name of `bench.inr.network.losses.losses`.
        precision: arithmetic of the forward pass; tf32 is set by the caller (`runtime.fitting`).
        rate_term: computes a term that is added to the loss; None: no such term.
        rounded: the weights that both passes round; None: none.

    Returns:
        the loss, a scalar, and the squared error (B,) of each sample, both detached and on the device. That
        of YUV 4:2:0 is weighted (`bench.inr.network.planes.squared_error`).
    """
    with rounded.in_place() if rounded else nullcontext():
        with runtime.forward_in(precision, target.device):
            total, prediction = representation.step(index, target, loss)
        if rate_term is not None:
            total = total + rate_term()
        optimiser.zero_grad(set_to_none=True)
        total.backward()
    if loss.startswith("yuv420:"):
        return total.detach(), planes.squared_error(prediction, target)
    return total.detach(), (prediction - target).square_().sum(dim=(1, 2, 3))


def update_weights(
    representation: Representation,
    optimiser: Optimiser,
    *,
    clip_gradient: float | None = None,
    masks: Masks | None = None,
) -> None:
    """Update the weights by their gradients.

    Args:
        clip_gradient: maximum norm of the gradients of all weights that are not pruned; None: no clipping.
        masks: pruned weights, which stay zero.
    """
    if clip_gradient is not None:
        if masks:
            masks.apply_to_gradients()
        torch.nn.utils.clip_grad_norm_(representation.network.parameters(), clip_gradient)
    optimiser.step()
    if masks:
        masks.apply()
