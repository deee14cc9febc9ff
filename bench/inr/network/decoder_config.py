"""Shape of the upsampling decoder that FFNeRV, NeRV and E-NeRV share. No torch import."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.inr.network.clip_check import check_whole

#: Activations by the names of the official command lines; `bench.inr.network.layers.ACTIVATIONS` has the
#: functions.
ACTIVATION_NAMES = (
    *("relu", "leaky", "leaky01", "relu6", "gelu", "swish", "softplus", "hardswish"),
    *("sin", "sin30", "none"),
)
#: Functions that bound RGB to [0, 1]: (tanh(x) + 1) / 2, as in the papers, or the sigmoid.
HEADS = ("tanh", "sigmoid")
#: Normalisations of a stage: none (all published results), instance norm, batch norm.
NORM_NAMES = ("none", "in", "bn")
#: Upsampling of a stage by stride s: a 3x3 convolution to s^2 times the channels and a pixel shuffle (all
#: published results); a transposed convolution of kernel and stride s; or bilinear interpolation and a
#: convolution of kernel 2s + 1.
UPSAMPLINGS = ("conv", "deconv", "bilinear")

#: Largest power of two in the frequencies of a positional encoding: float32 has 24 bits of precision and
#: overflows at 2^128.
_LARGEST_EXPONENT = 100


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Configuration of the upsampling decoder (NeRV section 3.2; FFNeRV section 3.3 has the same rule).

    A decoder maps a latent of `channels` x h0 x w0 through one stage per stride. Stage i has the output width

        c_0 = floor(channels * expansion),
        c_i = max(floor(c_{i-1} / reduction), lower_width), where a stride of 1 keeps the width.

    Attributes:
        base: (h0, w0) of the latent. The output has this size times the product of `strides`.
        channels: C0, channels of the latent.
        strides: upsampling factor of each stage.
        expansion: factor of the first stage's width.
        reduction: divisor of the width of every later stage whose stride is not 1.
        lower_width: minimum of the later stages' widths. It can also raise a width.
        activation: a name in `ACTIVATION_NAMES`.
        head: a name in `HEADS`.
        bias: whether the convolutions of stages and heads have a bias; all published networks have one.
        norm: a name in `NORM_NAMES`.

    Raises:
        ValueError: no network has these values.
    """

    base: tuple[int, int]
    channels: int
    strides: tuple[int, ...]
    expansion: float = 1.0
    reduction: int = 2
    lower_width: int = 12
    activation: str = "gelu"
    head: str = "tanh"
    bias: bool = True
    norm: str = "none"

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATION_NAMES)
        check_choice("head", self.head, HEADS)
        check_choice("norm", self.norm, NORM_NAMES)
        for name in ("base", "channels", "strides", "reduction"):
            check_whole(name, getattr(self, name))
        check_whole("lower_width", self.lower_width, least=0)
        if not math.isfinite(self.expansion):
            raise ValueError(f"expansion: {self.expansion} must be a finite number")
        if min(self.widths) < 1:
            raise ValueError(
                f"channels: {self.channels} times the expansion {self.expansion} leaves a stage without "
                "channels"
            )

    @property
    def widths(self) -> list[int]:
        """Output channels of every stage."""
        widths = [int(self.channels * self.expansion)]
        for stride in self.strides[1:]:
            widths.append(max(widths[-1] // (1 if stride == 1 else self.reduction), self.lower_width))
        return widths

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width of the output, which is cropped to the frame."""
        scale = math.prod(self.strides)
        return self.base[0] * scale, self.base[1] * scale

    @property
    def stages(self) -> list[tuple[int, int, int]]:
        """(channels in, channels out, stride) of every stage."""
        widths = self.widths
        return list(zip([self.channels, *widths[:-1]], widths, self.strides, strict=True))


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise ValueError if the value of a setting is not one of the known ones."""
    if value not in known:
        raise ValueError(f"{name}: unknown value {value!r}; use one of {', '.join(known)}")


def check_encoding(name: str, *encoding: Any) -> None:
    """Raise ValueError unless a positional encoding is (base above 0, number of frequencies from 0).

    The highest frequency base^count must also be a float32 number.
    """
    base, count = encoding if len(encoding) == 2 else (0, -1)
    if type(count) is not int or not (base > 0 and count >= 0):
        raise ValueError(f"{name}: {encoding} must be a base above 0 and a number of frequencies from 0")
    if count * math.log2(base) > _LARGEST_EXPONENT:
        raise ValueError(f"{name}: {encoding} has frequencies that float32 cannot represent")


def encoding_width(count: int) -> int:
    """Channels of a positional encoding with `count` frequencies.

    Each frequency has a sine and a cosine. Without frequencies the encoding is the time itself.
    """
    return 2 * count or 1
