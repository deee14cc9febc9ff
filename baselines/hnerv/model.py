"""HNeRV's networks (section 3.1): the decoder, the auto-encoder that is fitted, and the network of a stream.

A fit trains encoder and decoder together: frame -> embedding y_t = E(x_t) -> frame D(y_t). A stream holds
the embeddings of all frames and the decoder. The embeddings make HNeRV content-adaptive where NeRV has a
positional encoding of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.hnerv.config import HNeRVConfig
from baselines.hnerv.encoder import Encoder
from bench.inr.network.layers import ACTIVATIONS, rgb_head


def positional_encoding(time: Tensor, base: float, count: int) -> Tensor:
    """All sines, then all cosines, of pi b^k t, k < count: (B,) to (B, 2 * count, 1, 1), float32.

    Unlike NeRV's, the frequencies are rounded to float32 before the multiplication. Phases have the type of
    the times, which are double in the official code.
    """
    frequencies = base ** torch.arange(count, device=time.device) * math.pi
    phases = time[:, None] * frequencies
    return torch.cat([phases.sin(), phases.cos()], dim=1).float()[:, :, None, None]


def enlarge(x: Tensor, scale: tuple[int, int]) -> Tensor:
    """A pixel shuffle by one factor per side: (B, C * s_h * s_w, h, w) to (B, C, h * s_h, w * s_w)."""
    if scale == (1, 1):
        return x
    batch, _, height, width = x.shape
    x = x.reshape(batch, -1, *scale, height, width).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(batch, -1, height * scale[0], width * scale[1])


class Decoder(nn.Module):
    """Maps embeddings (B, C, h, w) to frames (B, 3, H, W) (section 3.1).

    Kernels grow with the resolution and widths shrink slowly, which distributes the parameters over the
    stages. NeRV has most of its parameters in the first stage.
    """

    def __init__(self, config: HNeRVConfig) -> None:
        super().__init__()
        self.config = config
        self.activation = ACTIVATIONS[config.activation]
        stem = config.channels * math.prod(config.stem_scale)
        self.stem = nn.Conv2d(config.latent_shape[0], stem, 1)
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after * stride**2, kernel, padding=kernel // 2)
            for before, after, stride, kernel in config.blocks
        )
        self.head = nn.Conv2d(config.widths[-1], 3, 3, padding=1)

    def features(self, embedding: Tensor) -> Iterator[Tensor]:
        """The enlarged output of the stem, then the output of every block."""
        x = self.activation(self.stem(embedding.contiguous(memory_format=torch.channels_last)))
        x = enlarge(x, self.config.stem_scale).contiguous(memory_format=torch.channels_last)
        yield x
        for conv, (_, _, stride, _) in zip(self.stages, self.config.blocks, strict=True):
            x = self.activation(F.pixel_shuffle(conv(x), stride))
            yield x

    def forward(self, embedding: Tensor) -> Tensor:
        for x in self.features(embedding):  # noqa: B007 - only the last is used
            pass
        return self.to_rgb(x)

    def to_rgb(self, x: Tensor) -> Tensor:
        """Frames from the output of the last block."""
        raw, head = self.head(x), self.config.head
        return rgb_head(raw, head) if head in ("tanh", "sigmoid") else raw + float(head)


class HNeRV(nn.Module):
    """The auto-encoder that is fitted; with `embed`, a decoder behind a positional encoding of time."""

    def __init__(self, config: HNeRVConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = None if config.embed else Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, source: Tensor) -> Tensor:
        """Embeddings (B, C, h, w) of frames (B, 3, H, W) in [0, 1], or of times (B,), float64."""
        if self.encoder is None:
            return positional_encoding(source, *self.config.positional)
        return self.encoder(source)

    def forward(self, source: Tensor) -> Tensor:
        """Frames (B, 3, H, W) from the inputs of `encode`."""
        return self.decoder(self.encode(source))


class CodedHNeRV(nn.Module):
    """The network of a stream: the embeddings of all frames, and the decoder.

    Args:
        frames: N, frames of the clip.
        embeddings: (N, C, h, w); None with a positional encoding.
    """

    def __init__(self, decoder: Decoder, *, frames: int, embeddings: Tensor | None) -> None:
        super().__init__()
        self.config, self.frames = decoder.config, frames
        self.embeddings = None if embeddings is None else nn.Parameter(embeddings)
        self.decoder = decoder

    def forward(self, index: Tensor) -> Tensor:
        """Frames (B, 3, H, W) of the numbers (B,), int64."""
        if self.embeddings is None:
            time = index.double() / self.frames
            return self.decoder(positional_encoding(time, *self.decoder.config.positional))
        return self.decoder(self.embeddings[index])
