"""Configuration of the HiNeRV network, and its defaults in the stream format. No torch import."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.inr.network.clip_check import UnsuitableClip, check_whole

#: Side of every convolution, of the stem and of the blocks.
KERNEL = 3
#: Upper limits for a stream's configuration. Published networks have at most 5 blocks and 3 levels.
_MOST_BLOCKS, _MOST_LEVELS = 16, 8

#: Value of each field that a stream of format 1 leaves out. Never edit: streams would decode differently.
WIRE_DEFAULTS: Mapping[str, Any] = {
    "strides": (5, 2, 2, 2),
    "depths": (3, 3, 3, 1),
    "expansions": (4.0, 4.0, 4.0, 1.0),
    "reduction": 2.0,
    "lower_width": 1,
    "base_length": 40,
    "base_channels": 2,
    "base_levels": 2,
    "local_channels": 4,
    "local_levels": 3,
    "upsample_norm": True,
    "patch": None,
}


@dataclass(frozen=True)
class StageShape:
    """Shape of one stage: `channels_in` at the coarser resolution, upsampled by `stride`, to `channels_out`.

    Attributes:
        hidden: the blocks' inner width; blocks: their number.
        local_channels: c, features of the local grids' finest level at each of the stride^2 positions.
    """

    channels_in: int
    channels_out: int
    stride: int
    hidden: int
    blocks: int
    local_channels: int


@dataclass(frozen=True, kw_only=True)
class HiNeRVConfig:
    """Everything that a decoder needs to rebuild the network, besides the clip's length.

    Attributes:
        base: (h0, w0) of the base grids. The output has this size times the product of `strides`.
        channels: C, the width of the stem and of the first stage.
        strides, depths, expansions: of each stage: upsampling factor, number of blocks, and the ratio of a
            block's inner width to its outer one.
        reduction: divisor of the width of every later stage; lower_width: minimum of these widths.
        base_length: temporal length of the finest base grid; None: one entry per frame.
        base_channels, base_levels: channels of the finest base grid, and number of grids. Each level has half
            the length and twice the channels of the one before.
        local_channels, local_levels: the same for the local grids. Each stage has half the channels of the
            one before, at least one.
        upsample_norm: whether a stage normalises before upsampling (all published networks except the
            b-variants).
        patch: (height, width) of the patches that a fit computes; None: whole frames. Decoders do not use it.

    Raises:
        ValueError: no network has these values; UnsuitableClip: patches do not divide the frame.
    """

    base: tuple[int, int]
    channels: int
    strides: tuple[int, ...] = (5, 2, 2, 2)
    depths: tuple[int, ...] = (3, 3, 3, 1)
    expansions: tuple[float, ...] = (4.0, 4.0, 4.0, 1.0)
    reduction: float = 2.0
    lower_width: int = 1
    base_length: int | None = 40
    base_channels: int = 2
    base_levels: int = 2
    local_channels: int = 4
    local_levels: int = 3
    upsample_norm: bool = True
    patch: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        count = len(self.strides)
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not (values and all(x is None or check(x) for x in values)):
                raise ValueError(f"{name}: {value!r} is out of range")
        for name in _WHOLE:
            value = getattr(self, name)
            if value is not None:
                check_whole(name, value)
        for name in ("depths", "expansions"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name}: {len(getattr(self, name))} values for {count} strides")
        scale = math.prod(self.strides)
        if self.patch and any(side % scale for side in self.patch):
            raise ValueError(
                f"patch: {list(self.patch)} must be multiples of {scale}, the product of the strides"
            )
        if self.patch and any(n % p for p, n in zip(self.patch, self.padded_size, strict=True)):
            height, width = self.padded_size
            raise UnsuitableClip(f"patch: {list(self.patch)} must divide the frame of {height}x{width}")

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width of the output, which is cropped to the frame."""
        scale = math.prod(self.strides)
        return self.base[0] * scale, self.base[1] * scale

    @property
    def stages(self) -> list[StageShape]:
        """Shape of every stage. The first keeps the width."""
        shapes, before = [], self.channels
        for i, stride in enumerate(self.strides):
            after = max(int(before // self.reduction), self.lower_width) if i else before
            hidden = int(after * self.expansions[i])
            local = max(self.local_channels // 2**i, 1)
            shapes.append(StageShape(before, after, stride, hidden, self.depths[i], local))
            before = after
        return shapes

    @property
    def margins(self) -> list[int]:
        """Pixels around a patch that its centre depends on: at the stem's input, then at each stage's output.

        From the last stage back, every 3x3 convolution adds one pixel. An upsampling by s divides the margin
        by s, rounded half to even as in Python, and adds one source pixel for the interpolation.
        """
        reach, margins = 0, []
        for stride, depth in zip(reversed(self.strides), reversed(self.depths), strict=True):
            reach += depth * (KERNEL - 1) // 2
            margins.append(reach)
            reach = round(reach / stride) + (stride > 1)
        margins.append(reach + KERNEL // 2)
        return margins[::-1]

    def check_clip(self, *, frames: int, height: int, width: int) -> None:
        """Raise UnsuitableClip if a clip of this size cannot be fitted.

        Level j of a grid has floor(T / 2^j) entries in time, so the last of J levels needs T >= 2^(J-1).
        """
        least = 2 ** (self.base_levels - 1)
        if self.base_length is not None and self.base_length < least:
            raise ValueError(
                f"base_length: {self.base_length} must be {least} or more for {self.base_levels} base_levels"
            )
        levels = {"local_levels": self.local_levels}
        if self.base_length is None:
            levels["base_levels"] = self.base_levels
        for name, count in levels.items():
            if frames < 2 ** (count - 1):
                raise UnsuitableClip(
                    f"{name}: {count} levels need {2 ** (count - 1)} frames, the clip has {frames}"
                )
        if self.patch and self.padded_size != (height, width):
            padded = "x".join(map(str, self.padded_size))
            raise UnsuitableClip(
                f"patch: the frame of {height}x{width} must not need padding to {padded}; set patch to null"
            )

    def prunable_share(self, frames: int) -> float:
        """Fraction of all parameters that can be pruned: the weights of stem, blocks and head."""
        shapes, base = (
            self.stages,
            level_shapes(self.base_length or frames, self.base_channels, self.base_levels),
        )
        grid_channels = sum(channels for _, channels in base)
        other = sum(length * channels for length, channels in base) * math.prod(self.base) + self.channels
        prunable = KERNEL**2 * grid_channels * self.channels
        for shape in shapes:
            local = level_shapes(frames, shape.local_channels, self.local_levels)
            other += sum(length * channels for length, channels in local) * shape.stride**2
            other += (sum(channels for _, channels in local) + 1) * shape.channels_in
            widths = [shape.channels_in, *[shape.channels_out] * shape.blocks]
            for before, after in pairwise(widths):
                prunable += KERNEL**2 * before + before * shape.hidden + shape.hidden * after
        prunable, other = prunable + 3 * shapes[-1].channels_out, other + 3
        return prunable / (prunable + other)


def _up_to(largest: int) -> Callable[[Any], bool]:
    return lambda x: 1 <= x <= largest


_WHOLE = (
    *("base", "channels", "strides", "depths", "lower_width", "base_length", "base_channels", "base_levels"),
    *("local_channels", "local_levels", "patch"),
)
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "reduction": lambda x: x >= 1,
    "depths": _up_to(_MOST_BLOCKS),
    "expansions": lambda x: 0 < x < 1 << 10,
    "base_levels": _up_to(_MOST_LEVELS),
    "local_levels": _up_to(_MOST_LEVELS),
}


def level_shapes(length: int, channels: int, levels: int) -> Sequence[tuple[int, int]]:
    """(entries in time, channels) of each level: half the length and twice the channels of the one before."""
    return [(length // 2**j, channels * 2**j) for j in range(levels)]
