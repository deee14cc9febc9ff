"""The shape of a HiNeRV: widths, margins of patches, and what is checked of a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

#: Side of every convolution, of the stem and of the blocks.
KERNEL = 3
#: Beyond any published network (5 blocks, 3 levels); what a stream may ask for at most.
_MOST_BLOCKS, _MOST_LEVELS = 16, 8


@dataclass(frozen=True)
class StageShape:
    """One stage: `channels_in` at the coarser resolution, upsampled by `stride`, to `channels_out`.

    Attributes:
        hidden: the blocks' inner width; blocks: their number.
        local_channels: c, features of the local grids' finest level at each of the stride^2 places.
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
        base: (h0, w0) of the base grids; times the product of `strides` it is the output size.
        channels: C, the width of the stem and of the first stage.
        strides, depths, expansions: one a stage: upsampling, blocks, and a block's inner width as a
            multiple of its outer one.
        reduction: every later stage divides the width by it; lower_width: but not below this.
        base_length: temporal length of the finest base grid; None: one entry a frame.
        base_channels, base_levels: each level has half the length and twice the channels of the one before.
        local_channels, local_levels: the same of the local grids; each stage has half the channels
            of the one before, one at least.
        upsample_norm: normalise before upsampling (all published networks but the b-variants).
        patch: (height, width) of the patches that the fit computes; None: whole frames. A decoder
            never needs it.
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
        for name in ("depths", "expansions"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name}: {len(getattr(self, name))} values for {count} strides")
        scale = math.prod(self.strides)
        if self.patch and any(p % scale or n % p for p, n in zip(self.patch, self.size, strict=True)):
            height, width = self.size
            raise ValueError(
                f"patch: {list(self.patch)} must be multiples of {scale} that divide {height}x{width}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the output (the padded frame)."""
        scale = math.prod(self.strides)
        return self.base[0] * scale, self.base[1] * scale

    @property
    def stages(self) -> list[StageShape]:
        """The stages in order; the first keeps the width."""
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
        """Pixels around a patch that its centre depends on: of the stem's input, then of each stage.

        A block reaches one pixel further on every side, an upsampling one source pixel beyond the
        quotient, which is rounded half to even as Python does.
        """
        reach, margins = 0, []
        for stride, depth in zip(reversed(self.strides), reversed(self.depths), strict=True):
            reach += depth * (KERNEL - 1) // 2
            margins.append(reach)
            reach = round(reach / stride) + (stride > 1)
        margins.append(reach + KERNEL // 2)
        return margins[::-1]

    @property
    def peak_channels(self) -> float:
        """Floats per output pixel in the largest layer's output: what bounds a decoder's memory."""
        peaks = []
        for i, stage in enumerate(self.stages):
            widest = max(stage.channels_in, stage.hidden, stage.channels_out)
            peaks.append(widest / math.prod(self.strides[i + 1 :]) ** 2)
        return max(peaks)

    def check_clip(self, *, frames: int, height: int, width: int) -> None:
        """Raises ValueError where a clip of this size cannot be fitted."""
        for levels, length, name in (
            (self.local_levels, frames, "local_levels"),
            (self.base_levels, self.base_length or frames, "base_levels"),
        ):
            if length < 2 ** (levels - 1):
                raise ValueError(
                    f"{name}: {levels} levels need {2 ** (levels - 1)} frames, there are {length}"
                )
        if self.patch and self.size != (height, width):
            made = "x".join(map(str, self.size))
            raise ValueError(f"patch: the network makes {made}, the frame is {height}x{width}; leave it out")


def _at_least_one(x: Any) -> bool:
    return x >= 1


def _up_to(largest: int) -> Callable[[Any], bool]:
    return lambda x: 1 <= x <= largest


_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("base", "channels", "strides", "lower_width", "reduction"), _at_least_one),
    **dict.fromkeys(("base_length", "base_channels", "local_channels", "patch"), _at_least_one),
    "depths": _up_to(_MOST_BLOCKS),
    "expansions": lambda x: 0 < x < 1 << 10,
    "base_levels": _up_to(_MOST_LEVELS),
    "local_levels": _up_to(_MOST_LEVELS),
}


def level_shapes(length: int, channels: int, levels: int) -> Iterable[tuple[int, int]]:
    """(entries in time, channels) of each level: half as long and twice as wide as the one before."""
    return [(length // 2**j, channels * 2**j) for j in range(levels)]
