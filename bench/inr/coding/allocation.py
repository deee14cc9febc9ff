"""Bit allocation: the step size of every tensor for a given mean bit width and the smallest error of frames.

Let tensor t have n_t weights and the bit width b_t, its step being span / 2^b_t. Rounding errors of different
tensors are nearly independent, and each grows with the square of its step. If e_t is the squared error of the
frames when tensor t alone has the width b, the total error and the rate are

    D = sum_t e_t 4^(b - b_t),        R = sum_t n_t b_t.

Minimise D subject to R = b sum_t n_t. The Lagrangian D + lambda R is stationary where every tensor has the
same slope, that is, where one more bit per weight reduces the error of every tensor by the same amount per
bit:

    -dD/db_t / n_t = 2 ln 2 * e_t 4^(b - b_t) / n_t = lambda
    =>  b_t = c + log2(e_t / n_t) / 2,

with c from the constraint. The widths are limited to a range, so c is found by bisection. The e_t are
measured: the encoder quantises one tensor at a time and renders frames. Streams hold the steps, so decoders
do none of this.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from bench.inr.coding.quantisers import ByName
from bench.inr.coding.uniform import StepQuantiser
from bench.inr.network import planes
from bench.inr.network.representation import Representation

#: Frames that errors are measured on, spread over the clip.
_FRAMES = 8
#: Range of a tensor's width in bits: from little more than signs to the limit of the weight coder.
_NARROWEST, _WIDEST = 1.0, 10.0
#: Smallest error that counts, as a fraction of the largest. Smaller ones are rounding errors of rendering.
_SMALLEST_ERROR = 1e-9
#: Bisections of c; the interval is then below the precision of a float.
_BISECTIONS = 60


@torch.no_grad()
def allocate(
    representation: Representation, network: nn.Module, bits: float, *, space: str = "rgb"
) -> ByName:
    """A `StepQuantiser` for every parameter of `network`.

    Args:
        representation: renders the clip with `network`, whose weights are not quantised. They are unchanged
            afterwards.
        bits: mean width over all weights; a tensor's width is log2(span / step).
        space: of the frames. Errors of the planes of YUV 4:2:0 are weighted (`bench.inr.network.planes`).
    """
    parameters = dict(network.named_parameters())
    indices = sorted({round(i) for i in np.linspace(0, representation.frames - 1, _FRAMES)})
    exact = _render(representation, indices)

    def squared_error(parameter: Tensor) -> float:
        """Squared error of the frames when this parameter alone is quantised, to the mean width."""
        unquantised, quantiser = parameter.detach().clone(), StepQuantiser(bits)
        parameter.copy_(quantiser.dequantise(quantiser.quantise(unquantised)))
        pairs = zip(_render(representation, indices), exact, strict=True)
        if space == "yuv420":
            total = sum(float(planes.squared_error(frame[None], other[None])) for frame, other in pairs)
        else:
            total = sum(float((frame - other).double().square().sum()) for frame, other in pairs)
        parameter.copy_(unquantised)
        return total

    counts = np.array([parameter.numel() for parameter in parameters.values()], dtype=float)
    errors = np.array([squared_error(parameter) for parameter in parameters.values()])
    widths = _equal_slope_widths(errors, counts, bits)
    steps = {name: StepQuantiser(float(width)) for name, width in zip(parameters, widths, strict=True)}
    return ByName(StepQuantiser(bits), steps)


def _render(representation: Representation, indices: list[int]) -> list[Tensor]:
    """The frames of these numbers, each (3, H, W)."""
    return [next(iter(representation.render(index, index + 1))).clone() for index in indices]


def _equal_slope_widths(errors: np.ndarray, counts: np.ndarray, bits: float) -> np.ndarray:
    """Widths b_t = c + log2(e_t / n_t) / 2, limited to their range, with the mean `bits` over all weights.

    Args:
        errors: e_t (tensors,), all at the same width; counts: n_t (tensors,).
    """
    floor = max(_SMALLEST_ERROR * errors.max(), np.finfo(float).tiny)
    relative = 0.5 * np.log2(np.maximum(errors, floor) / counts)
    # At `low` every tensor has the narrowest width, at `high` the widest.
    low, high = _NARROWEST - relative.max(), _WIDEST - relative.min()
    for _ in range(_BISECTIONS):
        c = (low + high) / 2
        widths = np.clip(relative + c, _NARROWEST, _WIDEST)
        low, high = (c, high) if np.average(widths, weights=counts) < bits else (low, c)
    return widths
