"""What an epoch goes through: the frames of a clip, or parts of them for a method that says so."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bench.inr.network.representation import Representation


class Samples:
    """Whole frames. Samples are numbered frame by frame, those of one frame in turn.

    Attributes:
        per_frame: samples that make one frame.
    """

    per_frame = 1

    def __init__(self, representation: Representation) -> None:
        self.representation = representation

    @property
    def network(self) -> nn.Module:
        return self.representation.network

    def targets(self, frames: Tensor, index: Tensor) -> Tensor:
        """Samples (B, 3, h, w), RGB in [0, 1], of a clip (N, 3, H, W), uint8, by their numbers (B,)."""
        return frames.index_select(0, index).to(torch.float32).div_(255)

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Scalar loss of these samples, and what was made of them, detached."""
        return self.representation.step(index, target, loss)


@runtime_checkable
class HasSamples(Protocol):
    """A representation that is fitted on other samples than whole frames."""

    def samples(self) -> Samples: ...


@runtime_checkable
class HasNoise(Protocol):
    """A representation that can be fitted with quantisation noise."""

    def add_noise(self, *, bits: int, rate: float, generator: torch.Generator) -> None:
        """From now on a step computes with a share `rate` of the weights quantised to `bits`."""


def samples_of(representation: Representation) -> Samples:
    return representation.samples() if isinstance(representation, HasSamples) else Samples(representation)
