"""HNeRV as the representation of a clip: the auto-encoder in a fit, embeddings and decoder in a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.hnerv.model import CodedHNeRV, HNeRV
from bench.inr.network.losses import losses
from bench.inr.network.representation import Representation


class HNeRVVideo(Representation):
    """The representation of a stream: every frame is decoded from its stored embedding."""

    def __init__(self, network: CodedHNeRV, *, frames: int, height: int, width: int) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: CodedHNeRV = network

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        frames = self.visible(self.network(index))
        return losses(loss, [frames], target)[0], frames.detach()

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        for i in range(first, stop):
            yield self.visible(self.network(torch.tensor([i], device=self.device)))[0]


class HNeRVFitting(Representation):
    """The representation of a fit: encoder and decoder are trained together."""

    def __init__(self, network: HNeRV, *, frames: int, height: int, width: int) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: HNeRV = network
        self.finished: HNeRVVideo | None = None

    def padded(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, H, W) padded to multiples of the strides' product; the last row and column repeat."""
        stride = self.network.config.downsampling
        right, below = -self.width % stride, -self.height % stride
        return F.pad(frames, (0, right, 0, below), mode="replicate") if right or below else frames

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        timed = self.network.encoder is None
        source = index.double() / self.frames if timed else self.padded(target)
        frames = self.visible(self.network(source))
        return losses(loss, [frames], target)[0], frames.detach()

    def prunable(self) -> list[nn.Parameter]:
        """The decoder's weights; a stream does not hold the encoder."""
        named = self.network.decoder.named_parameters()
        return [weight for name, weight in named if weight.ndim > 1 and not name.startswith("head.")]

    def matrices(self) -> list[nn.Parameter]:
        """The decoder's and the encoder's, which held the decoder back when Adam trained it."""
        encoder = [] if self.network.encoder is None else self.network.encoder.parameters()
        return [*(weight for weight in encoder if weight.ndim > 1), *self.prunable()]

    @torch.no_grad()
    def finish(self, frames: Iterable[Tensor]) -> nn.Module:
        """The embeddings of all frames and the decoder."""
        embeddings = None
        if self.network.encoder is not None:
            sources = (self.padded(frame[None].to(torch.float32).div_(255)) for frame in frames)
            embeddings = torch.cat([self.network.encode(source) for source in sources])
        coded = CodedHNeRV(self.network.decoder, frames=self.frames, embeddings=embeddings)
        self.finished = HNeRVVideo(coded, frames=self.frames, height=self.height, width=self.width)
        return coded

    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        """Render the finished network; before `finish` there are no embeddings."""
        if self.finished is None:
            raise RuntimeError("call `finish` before `render`")
        return self.finished.render(first, stop)
