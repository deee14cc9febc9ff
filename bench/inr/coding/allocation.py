"""How finely each tensor of a network is quantised: the same bits on the whole, the least harm to frames.

Errors of different tensors add up nearly independently, and each grows with the square of its step. For a
given mean width over all weights the sum is then least where every weight, of whatever tensor, adds as
much: a step goes with the root of weights over sensitivity. The sensitivity is measured: a tensor alone is
quantised, and frames are shown. Only an encoder does this; a stream holds the steps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from bench.inr.coding.quantisers import ByName
from bench.inr.coding.uniform import StepQuantiser
from bench.inr.network.representation import Representation

#: Frames that errors are measured on, spread over the clip.
_FRAMES = 8
#: A tensor's width lies between these: from little more than signs to what the weight coder takes.
_NARROWEST, _WIDEST = 1.0, 10.0
#: Of the largest error: less is the rounding of the frames' own arithmetic.
_LEAST = 1e-9


@torch.no_grad()
def allocate(representation: Representation, network: nn.Module, bits: float) -> ByName:
    """A `StepQuantiser` for every parameter of `network`.

    Args:
        representation: shows the clip by `network`, whose weights are not quantised and stay as they are.
        bits: mean width over all weights, a tensor's being log2(span / step) (`StepQuantiser`).
    """
    parameters = dict(network.named_parameters())
    shown = sorted({round(at) for at in np.linspace(0, representation.frames - 1, _FRAMES)})
    exact = _frames(representation, shown)

    def error(parameter: Tensor) -> float:
        """Squared error of the frames where this parameter alone is quantised, to the mean width."""
        kept, quantiser = parameter.detach().clone(), StepQuantiser(bits)
        parameter.copy_(quantiser.dequantise(quantiser.quantise(kept)))
        total = sum(
            float((frame - other).double().square().sum())
            for frame, other in zip(_frames(representation, shown), exact, strict=True)
        )
        parameter.copy_(kept)
        return total

    sizes = np.array([parameter.numel() for parameter in parameters.values()], dtype=float)
    errors = np.array([error(parameter) for parameter in parameters.values()])
    widths = _balanced(errors, sizes, bits)
    found = {name: StepQuantiser(float(width)) for name, width in zip(parameters, widths, strict=True)}
    return ByName(StepQuantiser(bits), found)


def _frames(representation: Representation, shown: list[int]) -> list[Tensor]:
    """These frames, each (3, H, W)."""
    return [next(iter(representation.render(index, index + 1))).clone() for index in shown]


def _balanced(errors: np.ndarray, sizes: np.ndarray, bits: float) -> np.ndarray:
    """Widths of the mean `bits` at which all weights add the same error: it falls fourfold with each bit.

    Args:
        errors: of all tensors at the same width; sizes: their weights.
    """
    floor = max(_LEAST * errors.max(), np.finfo(float).tiny)
    wanted = 0.5 * np.log2(np.maximum(errors, floor) / sizes)
    # Between these all tensors go from their narrowest to their widest.
    low, high = _NARROWEST - wanted.max(), _WIDEST - wanted.min()
    for _ in range(60):
        shift = (low + high) / 2
        found = np.clip(wanted + shift, _NARROWEST, _WIDEST)
        low, high = (shift, high) if np.average(found, weights=sizes) < bits else (low, shift)
    return found
