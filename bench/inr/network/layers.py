"""What the networks of the NeRV family share: the decoder's shape, activations, the output head."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]

#: Names as the official command lines spell them; `gelu` is the exact erf form.
ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "leaky": F.leaky_relu,
    "leaky01": lambda x: F.leaky_relu(x, 0.1),
    "relu6": F.relu6,
    "gelu": F.gelu,
    "swish": F.silu,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "sin": torch.sin,
    "sin30": lambda x: torch.sin(30 * x),  # E-NeRV's code calls this one `sin`
    "none": lambda x: x,
}


HEADS = ("tanh", "sigmoid")


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The upsampling decoder that the family shares (NeRV section 3; the same rule in FFNeRV).

    Attributes:
        base: (h0, w0) of the latent; times the product of `strides` it is the output size.
        channels: C0, channels of the latent.
        strides: one a stage.
        expansion: the first stage multiplies the channels by it (truncated).
        reduction: every later stage divides them by it, unless its stride is 1.
        lower_width: a floor of the divided widths; it can also raise one.
        activation: a key of `ACTIVATIONS`.
        head: `tanh` (the papers' default) or `sigmoid`, what bounds RGB to [0, 1].
        bias: of the stages' convolutions and the heads; all published networks have it.
        norm: of a stage, after its upsampling: `none` (published), `in` or `bn`.
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
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("head", self.head, HEADS)
        check_choice("norm", self.norm, NORMS)
        if self.reduction < 1:
            raise ValueError(f"reduction: {self.reduction} is less than 1")
        if self.widths[0] < 1:
            raise ValueError(f"channels: {self.channels} times {self.expansion} leave the first stage none")

    @property
    def widths(self) -> list[int]:
        """Output channels of every stage."""
        widths = [int(self.channels * self.expansion)]
        for stride in self.strides[1:]:
            widths.append(max(widths[-1] // (1 if stride == 1 else self.reduction), self.lower_width))
        return widths

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the output (the padded frame)."""
        scale = math.prod(self.strides)
        return self.base[0] * scale, self.base[1] * scale

    @property
    def stages(self) -> list[tuple[int, int, int]]:
        """(channels in, channels out, stride) of every stage."""
        widths = self.widths
        return list(zip([self.channels, *widths[:-1]], widths, self.strides, strict=True))

    @property
    def peak_channels(self) -> float:
        """Floats per output pixel in the largest stage's output: what bounds a decoder's memory."""
        strides = self.strides
        return max(width / math.prod(strides[i + 1 :]) ** 2 for i, width in enumerate(self.widths))


#: Normalisations after a pixel shuffle by their official names; all published results have none.
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "in": nn.InstanceNorm2d,
    "bn": nn.BatchNorm2d,
}


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raises ValueError where a setting's value is none of the known ones."""
    if value not in known:
        raise ValueError(f"{name}: {value!r} is none of {', '.join(known)}")


#: A 3x3 convolution to s^2 times the channels, then pixel shuffle (all published results); a transposed
#: convolution of kernel and stride s; or bilinear interpolation, then a convolution of 2s + 1.
UPSAMPLINGS = ("conv", "deconv", "bilinear")


def upsampling(
    before: int, after: int, stride: int, *, kind: str = "conv", bias: bool = True
) -> nn.Sequential:
    """(B, before, h, w) to (B, after, s*h, s*w), by one of `UPSAMPLINGS`."""
    if kind == "deconv":  # with a bias in any case, as the official codes have it
        return nn.Sequential(nn.ConvTranspose2d(before, after, stride, stride))
    if kind == "bilinear":
        larger = nn.Upsample(scale_factor=float(stride), mode="bilinear", align_corners=True)
        return nn.Sequential(larger, nn.Conv2d(before, after, 2 * stride + 1, padding=stride, bias=bias))
    return nn.Sequential(
        nn.Conv2d(before, after * stride**2, 3, padding=1, bias=bias), nn.PixelShuffle(stride)
    )


def check_encoding(name: str, *encoding: Any) -> None:
    """Raises ValueError where base and count make no frequencies, or some that float32 cannot hold."""
    base, count = encoding if len(encoding) == 2 else (0, -1)
    if type(count) is not int or not (base > 0 and count >= 0):
        raise ValueError(f"{name}: {encoding} is no base above 0 and number of frequencies")
    if count * math.log2(base) > 100:
        raise ValueError(f"{name}: {encoding} has frequencies that float32 cannot hold")


def encoding_width(count: int) -> int:
    """Numbers that `positional_encoding` makes of one."""
    return 2 * count or 1


def positional_encoding(time: Tensor, base: float, count: int) -> Tensor:
    """[sin p_0, cos p_0, sin p_1, ...] with p_k = t * base^k * pi, (B,) to (B, 2 * count).

    Of no frequencies it is the time itself, (B, 1). base^k is taken in double and rounded when multiplied,
    as the official codes of NeRV and E-NeRV do.
    """
    if not count:
        return time[:, None]
    phases = time[:, None] * _powers(base, count, time.dtype, time.device) * math.pi
    return torch.stack([phases.sin(), phases.cos()], dim=2).flatten(1)


@functools.lru_cache(maxsize=16)
def _powers(base: float, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copied to the device once: a copy in every step would make the host wait for it."""
    return torch.tensor([base**k for k in range(count)], dtype=dtype, device=device)


def rgb_head(raw: Tensor, kind: str) -> Tensor:
    """Map an unbounded (B, 3, H, W) to RGB in [0, 1]: `tanh` (the papers' default) or `sigmoid`."""
    return torch.sigmoid(raw) if kind == "sigmoid" else (torch.tanh(raw) + 1) / 2


def padded_base(height: int, width: int, strides: Sequence[int]) -> tuple[int, int]:
    """The smallest latent (h0, w0) whose upsampling by `strides` covers height x width."""
    scale = math.prod(strides)
    return -(-height // scale), -(-width // scale)
