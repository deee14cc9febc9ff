"""Configuration of the HNeRV networks, and its defaults in the stream format. No torch import."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.inr.network.clip_check import MOST_LAYERS, check_whole
from bench.inr.network.decoder_config import ACTIVATION_NAMES, HEADS, check_choice

_POSITIONAL = re.compile(r"pe_(\d{1,4}(?:\.\d{1,9})?)_(\d{1,4})")
#: Largest base^L of a positional encoding. float32 phases overflow at about 3e38.
_LARGEST_PHASE = 1e30

#: Value of each field that a stream of format 1 leaves out. Never edit: streams would decode differently.
WIRE_DEFAULTS: Mapping[str, Any] = {
    "encoder_strides": (),
    "embed": "",
    "embedding_channels": 16,
    "encoder_width": 64,
    "encoder_blocks": 1,
    "kernels": (1, 5),
    "reduction": 1.2,
    "lower_width": 12,
    "decoder_blocks": 1,
    "activation": "gelu",
    "head": "tanh",
}


@dataclass(frozen=True, kw_only=True)
class HNeRVConfig:
    """A decoder, and the source of its input (HNeRV section 3.1).

    HNeRV embeds every frame with an encoder; a stream holds the embeddings and the decoder. An embedding of
    `embedding_channels` x h x w has the frame's size divided by the product of the encoder's strides. The
    decoder's stem enlarges it to `base`, if the encoder downsamples further than the decoder upsamples.

    Attributes:
        base: (h, w) of the first stage's input. The output has this size times the product of
            `decoder_strides`.
        channels: channels of the first stage's input (`fc_dim` in the official code).
        decoder_strides: upsampling factor of each decoder stage.
        encoder_strides: downsampling factor of each encoder stage. Their product must be a multiple of the
            decoder's. Empty with `embed`.
        embed: `pe_b_L`, a positional encoding of time that replaces the encoder: the "NeRV" that the paper
            compares with. Empty for HNeRV.
        embedding_channels: channels of a frame's embedding.
        encoder_width, encoder_blocks: channels of the encoder's inner stages, and blocks per stage.
        kernels: (first, last): stage i has a kernel of min(first + 2i, last).
        reduction: divisor of the channels of every stage; -1: the square root of the stage's stride.
        lower_width: minimum of the stages' widths. It can also raise a width.
        decoder_blocks: convolutions per stage; all but the first have stride 1.
        activation: a name in `decoder_config.ACTIVATION_NAMES`.
        head: `tanh`, `sigmoid`, or a number that is added to the last convolution's output.

    Raises:
        ValueError: no network has these values.
    """

    base: tuple[int, int]
    channels: int
    decoder_strides: tuple[int, ...]
    encoder_strides: tuple[int, ...] = ()
    embed: str = ""
    embedding_channels: int = 16
    encoder_width: int = 64
    encoder_blocks: int = 1
    kernels: tuple[int, int] = (1, 5)
    reduction: float = 1.2
    lower_width: int = 12
    decoder_blocks: int = 1
    activation: str = "gelu"
    head: str = "tanh"

    def __post_init__(self) -> None:
        for name in ("base", "channels", "decoder_strides", "kernels", "embedding_channels"):
            check_whole(name, getattr(self, name))
        for name in ("encoder_width", "lower_width"):
            check_whole(name, getattr(self, name))
        for name in ("encoder_blocks", "decoder_blocks"):
            check_whole(name, getattr(self, name), most=MOST_LAYERS)
        if self.encoder_strides:
            check_whole("encoder_strides", self.encoder_strides)
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels: {list(self.kernels)} must be odd numbers")
        if not (0 < self.reduction < math.inf or self.reduction == -1):
            raise ValueError(f"reduction: {self.reduction} must be a number above 0, or -1")
        check_choice("activation", self.activation, ACTIVATION_NAMES)
        if self.head not in HEADS and not math.isfinite(float(self.head)):
            raise ValueError(f"head: {self.head} must be tanh, sigmoid or a finite number")
        if bool(self.embed) == bool(self.encoder_strides):
            raise ValueError("encoder_strides: give either an encoder or a positional encoding (embed)")
        if self.embed:
            base, count = self.positional
            if not base > 0 or count < 1 or count * math.log(max(base, 1)) > math.log(_LARGEST_PHASE):
                raise ValueError(f"embed: {self.embed!r} has frequencies that float32 cannot represent")
        elif self.downsampling % self.upsampling or any(side % self.stem_scale[0] for side in self.base):
            raise ValueError(
                f"encoder_strides: the product of {list(self.encoder_strides)} must be a multiple of the "
                f"product of the decoder's strides {list(self.decoder_strides)}"
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides that decide the padding: the padded frame is a multiple of their product."""
        return self.encoder_strides or self.decoder_strides

    @property
    def upsampling(self) -> int:
        """Output size of the decoder over `base`."""
        return math.prod(self.decoder_strides)

    @property
    def downsampling(self) -> int:
        """Frame size over embedding size."""
        return math.prod(self.strides)

    @property
    def positional(self) -> tuple[float, int]:
        """b and L of `embed`."""
        match = _POSITIONAL.fullmatch(self.embed)
        if not match:
            raise ValueError(f"embed: {self.embed!r} must be of the form pe_b_L, such as pe_1.25_80")
        return float(match[1]), int(match[2])

    @property
    def stem_scale(self) -> tuple[int, int]:
        """Factors (vertical, horizontal) by which the stem enlarges an embedding."""
        if self.embed:
            return self.base
        return self.downsampling // self.upsampling, self.downsampling // self.upsampling

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the decoder's input for one frame."""
        if self.embed:
            return 2 * self.positional[1], 1, 1
        scale = self.stem_scale
        return self.embedding_channels, self.base[0] // scale[0], self.base[1] // scale[1]

    @property
    def widths(self) -> list[int]:
        """Output channels of every stage."""
        widths: list[int] = []
        for stride in self.decoder_strides:
            divisor = math.sqrt(stride) if self.reduction == -1 else self.reduction
            width = round((widths[-1] if widths else self.channels) / divisor)  # half to even
            widths.append(max(width, self.lower_width))
        return widths

    @property
    def kernel_sizes(self) -> list[int]:
        """Kernel of every stage."""
        first, last = self.kernels
        return [min(first + 2 * i, last) for i in range(len(self.decoder_strides))]

    @property
    def blocks(self) -> list[tuple[int, int, int, int]]:
        """(channels in, channels out, stride, kernel) of every block of the decoder."""
        blocks, before = [], self.channels
        for after, stride, kernel in zip(self.widths, self.decoder_strides, self.kernel_sizes, strict=True):
            blocks.append((before, after, stride, kernel))
            blocks += [(after, after, 1, kernel)] * (self.decoder_blocks - 1)
            before = after
        return blocks

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width of the output, which is cropped to the frame."""
        return self.base[0] * self.upsampling, self.base[1] * self.upsampling
