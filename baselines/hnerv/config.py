"""What an HNeRV looks like: everything that its networks are built from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bench.inr.network.layers import ACTIVATIONS, check_choice

_POSITIONAL = re.compile(r"pe_(\d{1,4}(?:\.\d{1,9})?)_(\d{1,4})")
#: Largest base^k of a positional encoding: beyond it float32 phases are no numbers.
_LARGEST_PHASE = 1e30


@dataclass(frozen=True, kw_only=True)
class HNeRVConfig:
    """A decoder, and where its input comes from (HNeRV section 3.1).

    Attributes:
        base: (h, w) of the decoder's first stage; times the product of `decoder_strides` it is the
            output's size.
        channels: channels of the first stage's input (`fc_dim` of the official code).
        decoder_strides: one a stage of the decoder.
        encoder_strides: one an encoder stage; their product is a multiple of the decoder's. Empty
            with `embed`.
        embed: `pe_b_L`: a positional encoding of time in place of the encoder, the «NeRV» that the
            paper compares with. Empty for HNeRV itself.
        embedding_channels: channels of a frame's embedding.
        encoder_width, encoder_blocks: channels of the encoder's inner stages, blocks in each.
        kernels: (first, last): the kernel grows from the first by two a stage, up to the last.
        reduction: every stage divides the channels by it; -1 by the root of its stride.
        lower_width: a floor of the divided widths; it can also raise one.
        decoder_blocks: convolutions a stage; all but its first have stride 1.
        activation: a key of `bench.inr.network.layers.ACTIVATIONS`.
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
        counts = (*self.base, *self.decoder_strides, *self.encoder_strides, *self.kernels)
        counts += (self.channels, self.embedding_channels, self.encoder_width, self.encoder_blocks)
        counts += (self.lower_width, self.decoder_blocks)
        if not self.decoder_strides or any(type(count) is not int or count < 1 for count in counts):
            raise ValueError("every size, stride, width and number of blocks is a whole number from 1")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels {self.kernels}: odd numbers are possible")
        if not (self.reduction > 0 or self.reduction == -1):
            raise ValueError(f"reduction {self.reduction}: a number above 0, or -1, is possible")
        check_choice("activation", self.activation, ACTIVATIONS)
        if self.head not in ("tanh", "sigmoid") and not math.isfinite(float(self.head)):
            raise ValueError(f"head {self.head}: tanh, sigmoid or a number is possible")
        if bool(self.embed) == bool(self.encoder_strides):
            raise ValueError("an encoder (encoder_strides) or a positional encoding (embed): one of the two")
        if self.embed:
            base, count = self.positional
            if not base > 0 or count < 1 or count * math.log(max(base, 1)) > math.log(_LARGEST_PHASE):
                raise ValueError(f"embed {self.embed!r}: its frequencies are out of range")
        elif self.downsampling % self.upsampling or any(side % self.stem_scale[0] for side in self.base):
            raise ValueError(
                f"encoder strides {self.encoder_strides}, decoder strides {self.decoder_strides}: "
                "the product of the first must be a multiple of the other's"
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """Those to a multiple of whose product frames are padded."""
        return self.encoder_strides or self.decoder_strides

    @property
    def upsampling(self) -> int:
        return math.prod(self.decoder_strides)

    @property
    def downsampling(self) -> int:
        """Frame size over embedding size."""
        return math.prod(self.strides)

    @property
    def positional(self) -> tuple[float, int]:
        """b and L of `embed`."""
        found = _POSITIONAL.fullmatch(self.embed)
        if not found:
            raise ValueError(f"embed {self.embed!r}: pe_b_L is possible, such as pe_1.25_80")
        return float(found[1]), int(found[2])

    @property
    def stem_scale(self) -> tuple[int, int]:
        """By how much the stem enlarges an embedding before the first stage."""
        if self.embed:
            return self.base
        return self.downsampling // self.upsampling, self.downsampling // self.upsampling

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of what the decoder is given for one frame."""
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
    def size(self) -> tuple[int, int]:
        """Height and width of the output (the padded frame)."""
        return self.base[0] * self.upsampling, self.base[1] * self.upsampling

    @property
    def peak_channels(self) -> float:
        """Floats per output pixel in the largest stage's output: what bounds a decoder's memory."""
        widths = [self.channels, *self.widths]  # the stem's output comes before the first stride
        return max(width / math.prod(self.decoder_strides[i:]) ** 2 for i, width in enumerate(widths))
