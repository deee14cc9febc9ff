"""E-NeRV as the representation of a clip."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from baselines.enerv.model import ENeRV
from bench.inr.network.representation import FramewiseVideo


class ENeRVVideo(FramewiseVideo):
    """A network whose times include 1. Rendering computes its spatial tokens once for all frames."""

    network: ENeRV

    def times(self, index: Tensor) -> Tensor:
        """t = i / (N - 1), computed in double and rounded to float32; 0 in a clip of one frame."""
        return (index.double() / max(self.frames - 1, 1)).float()

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        tokens = self.network.tokens()
        for i in range(first, stop):
            yield self.visible(self.network(self.times(torch.tensor([i], device=self.device)), tokens))[0]
