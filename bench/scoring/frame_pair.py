"""One decoded frame and its reference frame, as YUV planes and as RGB."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bench.video.clip import Truth, planes
from bench.video.psnr import mse


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePair:
    """One decoded frame and its reference frame, each as yuv420p and as RGB. All arrays are uint8.

    The decoder yields one of the two forms; `bench.video.colour` converts it to the other one. The clip has
    one form of the reference too, its truth; the other one comes from the same conversion.

    Attributes:
        index: frame number from 0.
        native: pixel format of the decoder, "yuv420p" or "rgb24".
        truth: of the clip, "yuv420p" or "rgb".
        reference_yuv, decoded_yuv: flat yuv420p, shape (height * width * 3 / 2,).
        reference_rgb, decoded_rgb: shape (height, width, 3).
        shared: values that several metrics of this pair share, by a name of theirs.
    """

    index: int
    width: int
    height: int
    native: str
    truth: Truth = "yuv420p"
    reference_yuv: np.ndarray
    decoded_yuv: np.ndarray
    reference_rgb: np.ndarray
    decoded_rgb: np.ndarray
    shared: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def reference_planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Y (height, width), U and V (height / 2, width / 2) of the reference frame."""
        return planes(self.reference_yuv, self.width, self.height)

    @cached_property
    def decoded_planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Y, U and V of the decoded frame, shapes as in `reference_planes`."""
        return planes(self.decoded_yuv, self.width, self.height)

    @cached_property
    def mse_rgb(self) -> float:
        """Mean squared error over all three channels."""
        return mse(self.reference_rgb, self.decoded_rgb)

    @cached_property
    def mse_yuv(self) -> tuple[float, float, float]:
        """Mean squared error of each plane."""
        y, u, v = map(mse, self.reference_planes, self.decoded_planes)
        return y, u, v

    @property
    def decoded(self) -> np.ndarray:
        """The decoded frame in the decoder's pixel format."""
        return self.decoded_rgb if self.native == "rgb24" else self.decoded_yuv

    @property
    def identical(self) -> bool:
        """Whether decoded and reference frame are equal: in RGB if either of them is RGB, else in YUV."""
        in_rgb = self.native == "rgb24" or self.truth == "rgb"
        return self.mse_rgb == 0 if in_rgb else not any(self.mse_yuv)
