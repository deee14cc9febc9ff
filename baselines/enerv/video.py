"""A clip in an E-NeRV network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from baselines.enerv.model import ENeRV
from bench.inr.network.representation import FramewiseVideo


class ENeRVVideo(FramewiseVideo):
    """Frames of one network: its time reaches 1, and frames in a row share its tokens."""

    network: ENeRV

    def times(self, index: Tensor) -> Tensor:
        """t = i / (N - 1), computed in double and rounded to float32; 0 in a clip of one frame."""
        return (index.double() / max(self.frames - 1, 1)).float()

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        tokens = self.network.tokens()
        for i in range(first, stop):
            yield self.visible(self.network(self.times(torch.tensor([i], device=self.device)), tokens))[0]
