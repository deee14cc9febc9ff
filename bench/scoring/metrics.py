"""Registry of metrics: one description of each (`METRICS`), and how it is computed (`SCORERS`).

This module imports no torch, so that conditions, tables and figures can use the descriptions.
`bench.scoring.psnr`, `ms_ssim`, `flicker`, `ffmpeg_metrics` and `color_video_vdp` hold the computations;
`bench.scoring.score` imports them.

To add a metric, write a function of a `FramePair` and register it. Its value for a clip is the mean over all
frames unless `pool` computes another one, and frames.csv gets a column of it::

    @frame_metric("max_error_y", tolerance=1, higher_is_better=False, ceiling=0)
    def max_error_y(pair: FramePair) -> float:
        reference, decoded = pair.reference_planes[0], pair.decoded_planes[0]
        return float(np.abs(reference.astype(int) - decoded).max())

It is computed where a condition lists it under `metrics`. A metric that needs the whole clip describes itself
in `METRICS` and adds a function that creates its `Scorer` to `SCORERS`. Metrics with the same function share
one scorer, as those of ffmpeg do.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bench.base.errors import BenchError
from bench.scoring.frame_pair import FramePair
from bench.video.clip import Clip, ClipInfo
from bench.video.psnr import PSNR_CAP_DB, psnr_db

#: Suffixes of means over the frames that a fit was trained on, and over those that it never saw.
FITTED, HELD_OUT = "_fitted", "_held_out"
#: PSNR of the clip's own frames after conversion to the other form and back: a ceiling of decoders of that
#: form. RGB decoders have it in PSNR-YUV where the truth is YUV; YUV decoders in PSNR-RGB where it is RGB.
ROUND_TRIP_PREFIX = "round_trip_"
ROUND_TRIP = f"{ROUND_TRIP_PREFIX}psnr_yuv_db"
ROUND_TRIP_RGB = f"{ROUND_TRIP_PREFIX}psnr_rgb_db"
#: Reason why a record has no value of a metric that its condition does not list.
NOT_LISTED = "not among the condition's metrics"
_PSNR_TOLERANCE_DB, _MS_SSIM_TOLERANCE = 0.02, 1e-3


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Description of a quality metric.

    Attributes:
        name: key in records and column in tables. A metric in decibels ends with `_db`.
        label, unit, digits: text for readers, unit (empty: none) and decimal places.
        tolerance: largest difference between two measurements of one stream on different machines. A
            network's frames differ in a few pixels by one level, and the metric's own arithmetic rounds
            differently. None: a count that one changed pixel changes. It must be equal for a codec that
            decodes in integers, and is not compared for a network.
        ceiling: best possible value, the highest one or, where lower is better, the lowest one; None where
            there is none. BD-rates leave out points at the ceiling.
        worst: worst possible value; None where there is none, or none is known.
        higher_is_better: direction of quality: False for an error.
        full_reference: whether it compares with the source, as BD-rates do. CAMBI also counts banding of the
            source.
        frame_column: column of the values of single frames in frames.csv; default: `name`.
        is_mean: whether the value of a clip is the mean over its frames.
        always: whether it is computed for every record, not only where a condition lists it.
        min_side, min_long_side: smallest frame sides, in pixels, that the metric is defined for.
        min_frames: smallest number of frames that the metric is defined for.
        ffmpeg_filter: filter that ffmpeg must have; empty: none.
        model: name of libvmaf's model, which records state; empty: none.
        package: Python package that must be installed; empty: none.
        has_decibels: whether `<name>_db` = -10 log10(1 - value) is derived from it.
    """

    name: str
    label: str = ""
    unit: str = ""
    digits: int = 4
    tolerance: float | None = None
    ceiling: float | None = None
    worst: float | None = None
    higher_is_better: bool = True
    full_reference: bool = True
    frame_column: str = ""
    is_mean: bool = True
    always: bool = False
    min_side: int = 0
    min_long_side: int = 0
    min_frames: int = 1
    ffmpeg_filter: str = ""
    model: str = ""
    package: str = ""
    has_decibels: bool = False

    def __post_init__(self) -> None:
        defaults = {"label": self.name, "frame_column": self.name}
        if self.name.endswith("_db"):
            defaults["unit"] = "dB"
        for field, default in defaults.items():
            object.__setattr__(self, field, getattr(self, field) or default)

    @property
    def direction(self) -> int:
        """1 where higher values are better, -1 where lower values are better."""
        return 1 if self.higher_is_better else -1

    @property
    def axis(self) -> str:
        """Label with unit, for an axis or a table header: "PSNR-RGB (dB)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float) -> str:
        """A value with its unit, for a sentence: "34.12 dB"."""
        return f"{value:.{self.digits}f} {self.unit}".rstrip()

    def unavailable(self, info: ClipInfo) -> str | None:
        """Reason why the metric has no value for a clip on this machine; None where it has one."""
        short, long = sorted((info.width, info.height))
        if short < self.min_side:
            return f"needs frame sides of at least {self.min_side} pixels; the smaller one has {short}"
        if long < self.min_long_side:
            return f"needs a frame side of at least {self.min_long_side} pixels; the larger one has {long}"
        if info.frames < self.min_frames:
            return f"needs at least {self.min_frames} frames; the clip has {info.frames}"
        if self.ffmpeg_filter:
            from bench.base.ffmpeg import has_component

            if not has_component("filter", self.ffmpeg_filter):
                return f"ffmpeg has no filter {self.ffmpeg_filter}"
        return None


def _psnr(name: str, label: str, **values: Any) -> Metric:
    common = {"digits": 2, "tolerance": _PSNR_TOLERANCE_DB, "ceiling": PSNR_CAP_DB, "worst": 0.0}
    return Metric(name=name, label=label, **common | {"always": True} | values)


def _ms_ssim(name: str, label: str, *, min_side: int = 161) -> Metric:
    # Five scales halve the frame four times; an 11 x 11 window must fit into the coarsest one.
    return Metric(
        name=name, label=label, tolerance=_MS_SSIM_TOLERANCE, ceiling=1.0, worst=0.0, min_side=min_side,
        has_decibels=True,
    )  # fmt: skip


def _vmaf(name: str, label: str, model: str, **values: Any) -> Metric:
    return Metric(
        name=name, label=label, model=model, digits=2, tolerance=0.1, ceiling=100.0, worst=0.0,
        ffmpeg_filter="libvmaf", **{"min_side": 32} | values,
    )  # fmt: skip


def _of_ffmpeg(name: str, label: str, ffmpeg_filter: str = "libvmaf", **values: Any) -> Metric:
    common = {"digits": 2, "tolerance": _PSNR_TOLERANCE_DB, "ceiling": PSNR_CAP_DB, "min_side": 32}
    return Metric(name=name, label=label, ffmpeg_filter=ffmpeg_filter, **common | values)


#: All metrics that the suite computes, by name, in the order of records.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _psnr("psnr_rgb_db", "PSNR-RGB"),
        _psnr("psnr_rgb_pooled_db", "PSNR-RGB (pooled)", frame_column="mse_rgb", is_mean=False),
        _psnr("psnr_y_db", "PSNR-Y"),
        _psnr("psnr_u_db", "PSNR-U"),
        _psnr("psnr_v_db", "PSNR-V"),
        _psnr("psnr_yuv_db", "PSNR-YUV 6:1:1"),
        _psnr("psnr_yuv_mse_db", "PSNR-YUV 6:1:1 (MSE)"),
        _psnr("psnr_yuv_411_db", "PSNR-YUV 4:1:1"),
        _psnr("psnr_yuv_411_mse_db", "PSNR-YUV 4:1:1 (MSE)"),
        _psnr("psnr_y_pooled_db", "PSNR-Y (pooled)", frame_column="mse_y", is_mean=False),
        # The largest difference of differences is 510 levels.
        _psnr("flicker_psnr_y_db", "Flicker PSNR-Y", worst=psnr_db(510**2), min_frames=2),
        _ms_ssim("ms_ssim_rgb", "MS-SSIM (RGB)"),
        _ms_ssim("ms_ssim_y", "MS-SSIM (Y)"),
        # Chroma planes have half of each side.
        _ms_ssim("ms_ssim_u", "MS-SSIM (U)", min_side=322),
        _ms_ssim("ms_ssim_v", "MS-SSIM (V)", min_side=322),
        _ms_ssim("ms_ssim_yuv", "MS-SSIM (YUV 6:1:1)", min_side=322),
        Metric(
            name="identical_frames", label="Identical frames", digits=0, worst=0.0, frame_column="identical",
            is_mean=False, always=True,
        ),
        _vmaf("vmaf", "VMAF", "vmaf_v0.6.1"),
        _vmaf("vmaf_neg", "VMAF-NEG", "vmaf_v0.6.1neg"),
        # Its features SpEED and CAMBI need these sides.
        _vmaf("vmaf_v1", "VMAF v1", "vmaf_v1.0.16_3d0h", min_side=160, min_long_side=216),
        _vmaf("vmaf_4k", "VMAF 4K", "vmaf_4k_v0.6.1"),
        _of_ffmpeg("psnr_hvs_db", "PSNR-HVS"),
        _of_ffmpeg("ciede2000", "CIEDE2000", worst=0.0),
        _of_ffmpeg(
            "cambi", "CAMBI", digits=3, tolerance=0.05, higher_is_better=False, ceiling=0.0, min_side=0,
            min_long_side=216, full_reference=False,
        ),
        _of_ffmpeg("xpsnr_y_db", "XPSNR-Y", "xpsnr", is_mean=False),
        _of_ffmpeg("xpsnr_u_db", "XPSNR-U", "xpsnr", is_mean=False),
        _of_ffmpeg("xpsnr_v_db", "XPSNR-V", "xpsnr", is_mean=False),
        Metric(
            name="cvvdp", label="ColorVideoVDP", unit="JOD", digits=3, tolerance=0.02, ceiling=10.0,
            is_mean=False, package="cvvdp",
        ),
    )
}  # fmt: skip

#: Metrics of published curves that this suite does not compute (baselines/reported/README.md).
PUBLISHED_METRICS = ("psnr_yuv_411_pooled_db",)

#: Value of a clip, and of each frame; None for a frame that has none.
Scored = tuple[float, Sequence[float | int | None]]


class Scorer(Protocol):
    """Scores one stream by one or more metrics: takes its frame pairs in order, then returns the values."""

    def add(self, pair: FramePair) -> None:
        """Add the next frame."""

    def finish(self) -> dict[str, Scored]:
        """Value of the clip and of each frame, by metric; called once, after the last frame."""

    def close(self) -> None:
        """Release all resources. Called last, also after an error."""


#: Metric name -> function of a clip and of the names of its metrics that starts to score one stream.
SCORERS: dict[str, Callable[[Clip, Sequence[str]], Scorer]] = {}


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return float(np.mean(values))


def frame_metric(
    name: str,
    *,
    pool: Callable[[Sequence[float]], float] = mean,
    **description: Any,
) -> Callable[[Callable[[FramePair], float]], Callable[[FramePair], float]]:
    """Decorator that registers a function of one frame as the computation of a metric.

    Args:
        name: a metric of `METRICS`, or a new one.
        pool: computes the value of the clip from those of its frames; default: their mean.
        description: of a new metric: attributes of `Metric`.

    Raises:
        ValueError: the metric has a computation already.
    """

    def decorate(function: Callable[[FramePair], float]) -> Callable[[FramePair], float]:
        if name in SCORERS:
            raise ValueError(f"metric {name} is registered already")
        METRICS.setdefault(name, Metric(name=name, is_mean=pool is mean, **description))
        SCORERS[name] = lambda clip, names: FrameScorer(name, function, pool)
        return function

    return decorate


class FrameScorer:
    """Scores frames one by one: their `function` may run in any thread, in any order."""

    def __init__(
        self, name: str, function: Callable[[FramePair], float], pool: Callable[[Sequence[float]], float]
    ):
        self.name, self.function, self.pool = name, function, pool
        self.values: list[float] = []

    def add(self, pair: FramePair) -> None:
        self.values.append(self.function(pair))

    def finish(self) -> dict[str, Scored]:
        return {self.name: (self.pool(self.values), self.values)}

    def close(self) -> None:
        pass


def check_metrics(names: Iterable[str]) -> None:
    """Check that this installation can compute metrics.

    Raises:
        BenchError: a name is unknown, or a package that its metric needs is not installed.
    """
    for name in names:
        if name not in METRICS:
            raise BenchError(f"metric {name!r}", "is unknown", f"use one of {', '.join(METRICS)}")
        package = METRICS[name].package
        if package and not list(importlib.metadata.distributions(name=package)):
            problem = f"needs the package {package}, which is not installed"
            raise BenchError(f"metric {name}", problem, f"pip install '.[{package}]', or leave it out")


def metric_of(name: str) -> Metric | None:
    """Description of the metric that a value is of, or is derived from; None for an unknown name.

    Derived names are `round_trip_<metric>`, `<metric>_fitted`, `<metric>_held_out`, and `<metric>_db` of a
    metric that `has_decibels`. Only the last one differs from its metric in unit, digits and ceiling.
    """
    base = name.removeprefix(ROUND_TRIP_PREFIX).removesuffix(FITTED).removesuffix(HELD_OUT)
    if base in METRICS:
        return METRICS[base]
    linear = METRICS.get(base.removesuffix("_db"))
    if linear is None or not linear.has_decibels:
        return None
    return dataclasses.replace(
        linear, name=base, unit="dB", digits=2, tolerance=None, ceiling=None, has_decibels=False
    )


def describe(name: str) -> Metric:
    """`metric_of`; a column that the registry does not have is described by its name."""
    return metric_of(name) or Metric(name=name)


@frame_metric("identical_frames", pool=sum)
def identical_frames(pair: FramePair) -> int:
    """1 where decoded and reference frame are equal, else 0; the value of a clip is their number."""
    return int(pair.identical)
