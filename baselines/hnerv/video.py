"""A clip as an HNeRV: the auto-encoder while it is fitted, embeddings and decoder afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.hnerv.model import CodedHNeRV, HNeRV
from bench.inr.network.losses import losses
from bench.inr.network.representation import Representation


class HNeRVVideo(Representation):
    """A clip as its decoder has it: every frame is a function of its stored embedding."""

    def __init__(self, network: CodedHNeRV, *, frames: int, height: int, width: int) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: CodedHNeRV = network

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Scored as they are: the embeddings are parameters like the rest."""
        frames = self.visible(self.network(index))
        return losses(loss, [frames], target)[0], frames.detach()

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        for i in range(first, stop):
            yield self.visible(self.network(torch.tensor([i], device=self.device)))[0]


class HNeRVFitting(Representation):
    """A clip while the encoder learns its embeddings with the decoder."""

    def __init__(self, network: HNeRV, *, frames: int, height: int, width: int) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: HNeRV = network
        self.finished: HNeRVVideo | None = None

    def padded(self, frames: Tensor) -> Tensor:
        """Frames in the size that the strides make, their last rows and columns repeated."""
        stride = self.network.config.downsampling
        right, below = -self.width % stride, -self.height % stride
        return F.pad(frames, (0, right, 0, below), mode="replicate") if right or below else frames

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        timed = self.network.encoder is None
        source = index.double() / self.frames if timed else self.padded(target)
        frames = self.visible(self.network(source))
        return losses(loss, [frames], target)[0], frames.detach()

    def prunable(self) -> list[nn.Parameter]:
        """The decoder's: the encoder is in no stream."""
        named = self.network.decoder.named_parameters()
        return [weight for name, weight in named if weight.ndim > 1 and not name.startswith("head.")]

    @torch.no_grad()
    def finish(self, frames: Iterable[Tensor]) -> nn.Module:
        """The embeddings of all frames and the decoder; the encoder has done its work."""
        embeddings = None
        if self.network.encoder is not None:
            sources = (self.padded(frame[None].to(torch.float32).div_(255)) for frame in frames)
            embeddings = torch.cat([self.network.encode(source) for source in sources])
        coded = CodedHNeRV(self.network.decoder, frames=self.frames, embeddings=embeddings)
        self.finished = HNeRVVideo(coded, frames=self.frames, height=self.height, width=self.width)
        return coded

    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        """After `finish`: before it the clip has no embeddings."""
        if self.finished is None:
            raise RuntimeError("an HNeRV is rendered after it is finished")
        return self.finished.render(first, stop)
