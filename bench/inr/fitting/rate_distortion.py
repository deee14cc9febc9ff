"""End-to-end rate-distortion training: rounded weights, learned step sizes, and a target for the coded size.

After the first epochs of a fit every coded weight is replaced by its rounded value in the forward pass, and
the loss becomes D + lambda R. D is the loss of the frames. R is the estimated size of the stream in bits per
pixel (`bench.inr.coding.rate_model`). One trade-off lambda applies to the whole network.

Gradients. With the step d of a tensor and q(w) = d round(w / d), the straight-through estimator takes the
derivative of rounding to be one, so that

    dD/dw = dD/dq,        dD/d(log2 d) = ln 2 * sum dD/dq (q(w) - w)

(LSQ: Esser et al., 2020, equation 3). R has its own gradients. A step grows as long as the bits that this
saves are worth more than the distortion that it adds.

Control. Distortion falls with the rate roughly by a power law, D ~ R^-p, so the best trade-off -dD/dR is
p D / R. After every epoch, with the target R* and e = log(R / R*), a proportional-integral controller sets

    log c <- log c + I e,        lambda = c exp(P e) D / R*.

The model's R is multiplied by the ratio of the weight coder's bits to the model's, which is measured at the
start and at later epochs, more often towards the end. The stream therefore meets its target without fits for
calibration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.inr.coding.quantisers import ByName
from bench.inr.coding.rate_model import tensor_bits
from bench.inr.coding.uniform import FixedStepQuantiser, StepQuantiser
from bench.inr.coding.weight_coder import encode_tensors
from bench.inr.coding.weight_model import LARGEST_CODE

#: c at the start, and its limits.
_FIRST_C, _LEAST_C, _MOST_C = 0.2, 0.02, 2.0
#: Gains of the controller: I and P.
_INTEGRAL, _PROPORTIONAL = 0.5, 4.0
#: I is larger by this number over the epochs where these are fewer, because the best c changes faster then.
_MANY_EPOCHS = 40
#: Steps from one computation of the rate's gradient to the next. It changes slowly, and costs as much as the
#: forward pass of a small network.
_REFRESH_EVERY = 8
#: Epochs at which the model is compared with the weight coder, as fractions of the epochs with a rate.
_MEASURED_AT = (0.1, 0.4, 0.7, 0.8, 0.85, 0.9, 0.95)
#: How often a fit runs the weight coder after the start of its rate: at these epochs, and in the last one.
MEASUREMENTS = len(_MEASURED_AT) + 1
#: Smallest step, the smallest normal number of float16: streams hold steps in float16.
_SMALLEST_LOG2 = -14.0
#: How much the weights of a tensor may grow before the largest code limits them.
_HEADROOM = 4.0
#: Bytes of a stream's header and configuration, about.
OVERHEAD_BYTES = 256
#: Range in octaves and number of bisections of the search for the first steps.
_RANGE, _BISECTIONS = 8.0, 20


class _Round(torch.autograd.Function):
    """Round to codes times 2^log2_step, as a stream holds them, with the gradients of the module's text."""

    @staticmethod
    def forward(ctx, weight: Tensor, log2_step: Tensor) -> Tensor:
        step = _stored(log2_step)
        rounded = (weight / step).round_().clamp_(-LARGEST_CODE, LARGEST_CODE).mul_(step)
        ctx.save_for_backward(rounded - weight)
        return rounded

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        (change,) = ctx.saved_tensors
        return grad, (grad * change).sum() * math.log(2)


class _LearnedStep(nn.Module):
    """Parametrisation of a weight by its rounded value. The step is a parameter."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.log2_step = nn.Parameter(torch.tensor(max(math.log2(step or 0.5**14), _SMALLEST_LOG2)))

    def forward(self, weight: Tensor) -> Tensor:
        return _Round.apply(weight, self.log2_step)


def _stored(log2_step: Tensor) -> Tensor:
    """The step as a decoder reads it from the stream, in float32."""
    return torch.exp2(log2_step.detach().clamp(min=_SMALLEST_LOG2)).half().float()


class RateDistortion:
    """Learned steps of a fit, and the control of its rate. Creating it parametrises the coded weights.

    Args:
        coded: the finished network.
        quantiser: with a `FixedStepQuantiser` for every trained parameter (`rounding.fix_steps`). Its steps
            are the first ones. Coded parameters with other quantisers are not trained; their size counts.
        pixels: of the clip; target_bpp: target for the size of the stream, in bits per pixel.
        epochs: during which the weights are rounded.

    Attributes:
        log2_steps: the parameters that an optimiser learns besides the weights.
    """

    def __init__(
        self, coded: nn.Module, quantiser: ByName, *, pixels: int, target_bpp: float, epochs: int
    ) -> None:
        self.coded, self.pixels, self.target_bpp = coded, pixels, target_bpp
        self.measured_at = {int(fraction * epochs) for fraction in _MEASURED_AT}
        self.last_epoch = epochs - 1
        self.c, self.trade_off, self.ratio, self.epoch = _FIRST_C, 0.0, 1.0, 0
        self.weights: dict[str, nn.Parameter] = {}
        self.steps: dict[str, nn.Parameter] = {}
        self.quantisers = quantiser.overrides
        for name, single in quantiser.overrides.items():
            if isinstance(single, FixedStepQuantiser):
                owner, _, attribute = name.rpartition(".")
                module, learned = coded.get_submodule(owner), _LearnedStep(single.step)
                self.weights[name] = weight = getattr(module, attribute)
                self.steps[name] = learned.to(weight.device).log2_step
                parametrize.register_parametrization(module, attribute, learned, unsafe=True)
        self.integral = _INTEGRAL * max(1.0, _MANY_EPOCHS / epochs)
        self.log2_steps = list(self.steps.values())
        self._parameters = [*self.weights.values(), *self.log2_steps]
        self._gradients: list[Tensor] = []
        self._rates: list[Tensor] = []

    def start(self, distortion: float) -> None:
        """Scale the first steps by one factor so that the rate is the target, and choose the first lambda.

        Args:
            distortion: mean loss of the last epoch.
        """
        self._measure()
        first = [step.detach().clone() for step in self.log2_steps]
        low, high = -_RANGE, _RANGE
        with torch.no_grad():
            for _ in range(_BISECTIONS):
                shift = (low + high) / 2
                for step, value in zip(self.log2_steps, first, strict=True):
                    step.copy_(value + shift)
                self._limit_codes()
                rate = float(self._bits()) * self.ratio / self.pixels
                low, high = (shift, high) if rate > self.target_bpp else (low, shift)
        self._measure()
        self.trade_off = self.c * distortion / self.target_bpp

    def add_gradients(self, step: int) -> None:
        """Add the gradients of lambda R to those of the weights and steps.

        Args:
            step: number of the step in its epoch.
        """
        if step % _REFRESH_EVERY == 0:
            bpp = self._bits() / self.pixels
            self._gradients = list(torch.autograd.grad(bpp, self._parameters))
            self._rates.append(bpp.detach())
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        assert len(gradients) == len(self._gradients)
        torch._foreach_add_(gradients, self._gradients, alpha=self.trade_off)

    def end_epoch(self, distortion: float) -> float:
        """Adapt lambda. Return the estimated rate of the stream in bits per pixel, the mean over the epoch.

        Args:
            distortion: mean loss of the epoch, without the rate.
        """
        if self.epoch == self.last_epoch:  # so that the log ends with the stream's own rate
            self._measure()
        rate_bpp = self.ratio * float(torch.stack(self._rates).mean())
        self._rates = []
        self._limit_codes()
        if self.epoch in self.measured_at:
            self._measure()
        self.epoch += 1
        error = math.log(rate_bpp / self.target_bpp)
        self.c = min(max(self.c * math.exp(self.integral * error), _LEAST_C), _MOST_C)
        self.trade_off = self.c * math.exp(_PROPORTIONAL * error) * distortion / self.target_bpp
        return rate_bpp

    @torch.no_grad()
    def _limit_codes(self) -> None:
        """Enlarge steps that are so small that the codes of their weights are near the largest one.

        Steps shrink without end where a network is too small for its target, which the rate then stays below.
        """
        for name, step in self.steps.items():
            largest = self.weights[name].abs().amax()
            least = (_HEADROOM * largest / LARGEST_CODE).log2().clamp(min=_SMALLEST_LOG2)
            step.copy_(step.maximum(least))

    def quantiser(self) -> ByName:
        """The quantiser of the stream: the steps as they are."""
        learned = {
            name: FixedStepQuantiser(self._bits_of(name), float(_stored(step)))
            for name, step in self.steps.items()
        }
        return ByName(StepQuantiser(), {**self.quantisers, **learned})

    def state_dict(self) -> dict[str, Any]:
        steps = {name: step.detach() for name, step in self.steps.items()}
        control = {"c": self.c, "trade_off": self.trade_off, "ratio": self.ratio, "epoch": self.epoch}
        return {"log2_steps": steps, **control}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, value in state["log2_steps"].items():
                self.steps[name].copy_(value)
        self.c, self.trade_off = state["c"], state["trade_off"]
        self.ratio, self.epoch = state["ratio"], state["epoch"]

    def _bits(self) -> Tensor:
        """The model's bits of all trained weights."""
        parts = [tensor_bits(self.weights[name] * torch.exp2(-step)) for name, step in self.steps.items()]
        return torch.stack(parts).sum()

    def _bits_of(self, name: str) -> float:
        single = self.quantisers[name]
        assert isinstance(single, StepQuantiser)
        return single.bits

    @torch.no_grad()
    def _measure(self) -> None:
        """Measure the ratio of the weight coder's bits of all coded tensors to the model's."""
        others = dict(self.coded.named_parameters())
        codes = []
        for name, single in self.quantisers.items():
            assert isinstance(single, StepQuantiser)
            if name in self.steps:
                single = FixedStepQuantiser(single.bits, float(_stored(self.steps[name])))
            codes.append(single.quantise(self.weights[name] if name in self.steps else others[name]).codes)
        size = len(encode_tensors(codes)) + 2 * len(codes) + OVERHEAD_BYTES
        self.ratio = 8 * size / float(self._bits())
