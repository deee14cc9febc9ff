"""Metrics of 8-bit frames, and their registry.

A metric is one function of a `FramePair` and its registration; its value for a clip is the mean
over the frames unless `pool` says otherwise, and frames.csv has a column of it::

    @frame_metric("max_error_y")
    def max_error_y(pair: FramePair) -> float:
        reference, decoded = pair.reference_planes[0], pair.decoded_planes[0]
        return float(np.abs(reference.astype(int) - decoded).max())

It is computed where a condition lists it under `metrics` (`always=True`: in every record). One that
must see the clip as a whole registers a `Metric` with a `Scorer` of its own, as `bench.scoring.vmaf` does.

All are functions of rounded 8-bit frames. PSNR is capped at 100 dB, the value of an identical frame,
which is counted in `identical_frames`: JSON has no infinity, and a mean no use for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bench.video.clip import Clip, ClipInfo, planes

PSNR_CAP_DB = 100.0
#: Weights of Y, U and V in the 6:1:1 mean of the planes' dB.
YUV_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@dataclass(frozen=True, kw_only=True)
class FramePair:
    """One decoded frame beside the true one, both as YUV and as RGB.

    `native` is the decoder's pixel format; the decoded frame's other form was made by
    `bench.video.colour`, as the true frame's RGB was.

    Attributes:
        reference_yuv, decoded_yuv: flat yuv420p; reference_rgb, decoded_rgb: (height, width, 3).
    """

    index: int
    width: int
    height: int
    native: str
    reference_yuv: np.ndarray
    decoded_yuv: np.ndarray
    reference_rgb: np.ndarray
    decoded_rgb: np.ndarray

    @cached_property
    def reference_planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Y (height, width), U and V (height/2, width/2) of the true frame."""
        return planes(self.reference_yuv, self.width, self.height)

    @cached_property
    def decoded_planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The planes of the decoded frame."""
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
    def identical(self) -> bool:
        """Whether the decoder gave exactly the true frame, in its own pixel format."""
        return self.mse_rgb == 0 if self.native == "rgb24" else not any(self.mse_yuv)


class Scorer(Protocol):
    """Scores one stream: takes its pairs in order, then tells the result."""

    def add(self, pair: FramePair) -> None:
        """Take the next frame."""

    def finish(self) -> tuple[float, Sequence[float | int | None]]:
        """The value of the clip and that of each frame, after the last frame."""

    def close(self) -> None:
        """Let go of what is held, also where scoring broke off; may be called after `finish`."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A registered metric.

    Attributes:
        name: in records and tables, with its unit.
        column: of the per-frame values in frames.csv.
        open: begins to score one stream of a clip.
        skip: why the metric has no value for a clip (it is then null, with this reason).
        always: whether it is computed without being asked for.
    """

    name: str
    column: str
    open: Callable[[Clip], Scorer]
    skip: Callable[[ClipInfo], str | None] = lambda info: None
    always: bool = False


#: All metrics by name, in the order of records.
METRICS: dict[str, Metric] = {}


def register(metric: Metric) -> None:
    """Add a metric; its name must be new."""
    if metric.name in METRICS:
        raise ValueError(f"metric {metric.name} is registered already")
    METRICS[metric.name] = metric


def frame_metric(
    name: str,
    *,
    column: str | None = None,
    pool: Callable[[Sequence[float]], float] = lambda values: float(np.mean(values)),
    skip: Callable[[ClipInfo], str | None] = lambda info: None,
    always: bool = False,
) -> Callable[[Callable[[FramePair], float]], Callable[[FramePair], float]]:
    """Register a function of one frame as a metric; `pool` makes the clip's value of all frames'."""

    def decorate(function: Callable[[FramePair], float]) -> Callable[[FramePair], float]:
        def open_(clip: Clip) -> Scorer:
            return _FrameScorer(function, pool)

        register(Metric(name=name, column=column or name, open=open_, skip=skip, always=always))
        return function

    return decorate


class _FrameScorer:
    def __init__(self, function: Callable[[FramePair], float], pool: Callable[[Sequence[float]], float]):
        self.function, self.pool = function, pool
        self.values: list[float] = []

    def add(self, pair: FramePair) -> None:
        self.values.append(self.function(pair))

    def finish(self) -> tuple[float, Sequence[float]]:
        return self.pool(self.values), self.values

    def close(self) -> None:
        pass


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error of two uint8 arrays of one shape, exact: the sum is one of integers below 2**53."""
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    difference = np.subtract(a, b, dtype=np.float64).ravel()
    return float(difference @ difference) / difference.size


def psnr_db(error: float) -> float:
    """PSNR in dB of a mean squared error of 8-bit samples, at most `PSNR_CAP_DB`."""
    return PSNR_CAP_DB if error <= 0 else min(PSNR_CAP_DB, 10 * math.log10(255**2 / error))


def pooled_psnr_db(errors: Sequence[float]) -> float:
    """PSNR of the mean of mean squared errors (the frames' own, not the mean of their dB)."""
    return psnr_db(float(np.mean(errors)))


def weighted_yuv_db(y_db: float, u_db: float, v_db: float) -> float:
    """The 6:1:1 mean of three planes' PSNR in dB."""
    return sum(weight * db for weight, db in zip(YUV_WEIGHTS, (y_db, u_db, v_db), strict=True))


def ssim(a: np.ndarray, b: np.ndarray, *, window: int = 11) -> float:
    """SSIM of two uint8 images (height, width) or (height, width, channels), Gaussian window, sigma 1.5.

    The mean over channels; no padding, so the map is smaller by window - 1.
    """
    import pytorch_msssim

    with _OneThread():
        return float(pytorch_msssim.ssim(_tensor(a), _tensor(b), data_range=255, win_size=window))


def ms_ssim(a: np.ndarray, b: np.ndarray, *, window: int = 11) -> float:
    """MS-SSIM of two uint8 images (Wang 2003): five scales, Gaussian window, sigma 1.5, mean over channels.

    The shorter side must be greater than 16 * (window - 1).
    """
    import pytorch_msssim

    with _OneThread():
        value = pytorch_msssim.ms_ssim(
            _tensor(a), _tensor(b), data_range=255, win_size=window, weights=list(_MS_SSIM_WEIGHTS)
        )
    return float(value)


class _OneThread:
    """Torch with one thread: sums in one order, so the same digits on any number of cores."""

    def __enter__(self) -> None:
        import torch

        self.threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        import torch

        torch.set_num_threads(self.threads)


def _tensor(image: np.ndarray) -> Any:
    """The image as float32, (1, channels, height, width), 0 to 255."""
    import torch

    channels = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    return torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))[None]


def _too_small_for_ms_ssim(info: ClipInfo) -> str | None:
    side = min(info.width, info.height)
    return None if side > 160 else f"five scales of an 11x11 window need sides above 160, one is {side}"


@frame_metric("psnr_rgb_db", always=True)
def psnr_rgb_db(pair: FramePair) -> float:
    """PSNR over the three channels against the converted source, in dB."""
    return psnr_db(pair.mse_rgb)


@frame_metric("psnr_rgb_pooled_db", column="mse_rgb", pool=pooled_psnr_db, always=True)
def mse_rgb(pair: FramePair) -> float:
    """Mean squared error in RGB, pooled to the PSNR of its mean over the clip."""
    return pair.mse_rgb


@frame_metric("psnr_y_db", always=True)
def psnr_y_db(pair: FramePair) -> float:
    """PSNR of the luma plane in dB."""
    return psnr_db(pair.mse_yuv[0])


@frame_metric("psnr_u_db", always=True)
def psnr_u_db(pair: FramePair) -> float:
    """PSNR of the U plane in dB."""
    return psnr_db(pair.mse_yuv[1])


@frame_metric("psnr_v_db", always=True)
def psnr_v_db(pair: FramePair) -> float:
    """PSNR of the V plane in dB."""
    return psnr_db(pair.mse_yuv[2])


@frame_metric("psnr_yuv_db", always=True)
def psnr_yuv_db(pair: FramePair) -> float:
    """The 6:1:1 mean of the planes' PSNR in dB."""
    return weighted_yuv_db(*(psnr_db(error) for error in pair.mse_yuv))


@frame_metric("psnr_y_pooled_db", column="mse_y", pool=pooled_psnr_db, always=True)
def mse_y(pair: FramePair) -> float:
    """Mean squared error in luma, pooled to the PSNR of its mean over the clip."""
    return pair.mse_yuv[0]


@frame_metric("ms_ssim_rgb", skip=_too_small_for_ms_ssim)
def ms_ssim_rgb(pair: FramePair) -> float:
    """MS-SSIM of the RGB frame: the mean over its channels."""
    return ms_ssim(pair.reference_rgb, pair.decoded_rgb)


@frame_metric("ms_ssim_y", skip=_too_small_for_ms_ssim)
def ms_ssim_y(pair: FramePair) -> float:
    """MS-SSIM of the luma plane."""
    return ms_ssim(pair.reference_planes[0], pair.decoded_planes[0])


@frame_metric("identical_frames", column="identical", pool=sum, always=True)
def identical_frames(pair: FramePair) -> int:
    """1 where the decoded frame is exactly the true one; the clip's value is their number."""
    return int(pair.identical)
