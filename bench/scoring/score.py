"""From decoded frames and their clip to metrics, a few frames at a time.

Every metric sees each frame in both forms. A YUV decoder's frame becomes RGB by the clip's own
conversion; an RGB decoder's frame goes back to planes by the same one, and the price of that trip
is stated: `round_trip_psnr_yuv_db` is what a perfect RGB decoder would reach.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

import bench.scoring.vmaf  # noqa: F401 - registers itself
from bench.base.errors import BenchError
from bench.scoring.metrics import METRICS, FramePair, Metric, mse, psnr_db, weighted_yuv_db
from bench.video.clip import Clip, planes
from bench.video.colour import to_rgb, to_yuv

ROUND_TRIP = "round_trip_psnr_yuv_db"
#: What a metric's name ends with where it is a mean over the frames that a fit saw, or did not.
FITTED, HELD_OUT = "_fitted", "_held_out"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of one stream.

    Attributes:
        metrics: name -> value, null where it has none; reasons: name -> why it has none.
        rows: one a frame: its index and the metrics' columns.
    """

    metrics: dict[str, float | None]
    reasons: dict[str, str]
    rows: list[dict[str, Any]] = field(repr=False)


def check_names(names: Iterable[str]) -> None:
    """Refuse metrics that are not registered; the known ones are listed."""
    known = [*METRICS, ROUND_TRIP]
    for name in names:
        if name not in known:
            raise BenchError(f"metric {name!r}", "is not registered", f"use {', '.join(known)}")


def score(
    frames: Iterable[np.ndarray],
    clip: Clip,
    *,
    pixel_format: str,
    metrics: Sequence[str] = (),
    see: Callable[[FramePair], None] = lambda pair: None,
) -> Scores:
    """Score decoded frames against their clip.

    Args:
        frames: flat yuv420p or (height, width, 3) RGB frames, as `pixel_format` says, in order.
        metrics: names of metrics to compute besides those that always are.
        see: called with every pair of frames.

    Raises:
        BenchError: an unknown metric, or another number of frames than the clip has.
    """
    check_names(metrics)
    wanted, reasons = _choose(metrics, clip)
    with ExitStack() as stack:
        scorers = {metric: metric.open(clip) for metric in wanted}
        for scorer in scorers.values():
            stack.callback(scorer.close)
        for pair in pair_frames(frames, clip, pixel_format=pixel_format):
            see(pair)
            for scorer in scorers.values():
                scorer.add(pair)
        results = {metric: scorer.finish() for metric, scorer in scorers.items()}
    rows: list[dict[str, Any]] = [{"frame": index} for index in range(clip.info.frames)]
    for metric, (_, values) in results.items():
        for row, value in zip(rows, values, strict=True):
            row[metric.column] = value
    found: dict[str, float | None] = {metric.name: value for metric, (value, _) in results.items()}
    found[ROUND_TRIP] = round_trip_psnr_yuv_db(clip) if pixel_format == "rgb24" else None
    if pixel_format != "rgb24":
        reasons[ROUND_TRIP] = "the decoder yields YUV"
    names = [*METRICS, ROUND_TRIP]
    return Scores(metrics={name: found.get(name) for name in names}, reasons=reasons, rows=rows)


def held_out_means(scores: Scores, *, fit_every: int, metrics: Sequence[str]) -> dict[str, float | None]:
    """Means over the frames 0, n, 2n, ... that a fit saw, and over those it did not (frame interpolation).

    Args:
        fit_every: n; nothing comes back for 1, which holds no frame out.
        metrics: those whose value for a clip is the mean of its frames'.
    """
    if fit_every == 1:
        return {}
    means: dict[str, float | None] = {}
    for name in metrics:
        values = np.array([row.get(METRICS[name].column) for row in scores.rows], dtype=float)
        seen = np.arange(len(values)) % fit_every == 0
        for part, chosen in ((FITTED, values[seen]), (HELD_OUT, values[~seen])):
            known = chosen.size and np.isfinite(chosen).all()
            means[f"{name}{part}"] = float(chosen.mean()) if known else None
    return means


def pair_frames(frames: Iterable[np.ndarray], clip: Clip, *, pixel_format: str) -> Iterator[FramePair]:
    """Yield every decoded frame with the true one.

    Raises:
        BenchError: there are fewer or more decoded frames than true ones.
    """
    info = clip.info
    truth = zip(clip.frames(), clip.rgb(), strict=True)
    pairs = zip_longest(_both_forms(frames, clip, pixel_format), truth)
    for index, (decoded, true) in enumerate(pairs):
        if decoded is None or true is None:
            problem = f"{'fewer' if decoded is None else 'more'} frames were decoded than its {info.frames}"
            raise BenchError(clip.path, problem, "score a stream of this clip")
        (yuv, rgb), (true_yuv, true_rgb) = decoded, true
        yield FramePair(
            index=index,
            width=info.width,
            height=info.height,
            native=pixel_format,
            reference_yuv=true_yuv,
            decoded_yuv=yuv,
            reference_rgb=true_rgb,
            decoded_rgb=rgb,
        )


def round_trip_psnr_yuv_db(clip: Clip) -> float:
    """PSNR (6:1:1, mean over the frames, dB) of the clip's own frames after the trip to RGB and back."""
    info = clip.info
    back = to_yuv(clip.rgb(), width=info.width, height=info.height, colour=info.colour)
    values = []
    for true, there_and_back in zip(clip.frames(), back, strict=True):
        pairs = zip(
            planes(true, info.width, info.height),
            planes(there_and_back, info.width, info.height),
            strict=True,
        )
        values.append(weighted_yuv_db(*(psnr_db(mse(a, b)) for a, b in pairs)))
    return float(np.mean(values))


def _both_forms(
    frames: Iterable[np.ndarray], clip: Clip, pixel_format: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(yuv420p, rgb24) of each frame; memory holds what ffmpeg's pipes hold."""
    info = clip.info
    waiting: deque[np.ndarray] = deque()  # filled by the converter's writer, emptied here

    def feed() -> Iterator[np.ndarray]:
        for frame in frames:
            waiting.append(frame)
            yield frame

    convert = to_yuv if pixel_format == "rgb24" else to_rgb
    for other in convert(feed(), width=info.width, height=info.height, colour=info.colour):
        own = waiting.popleft()
        yield (other, own) if pixel_format == "rgb24" else (own, other)


def _choose(names: Sequence[str], clip: Clip) -> tuple[list[Metric], dict[str, str]]:
    wanted, reasons = [], {}
    for metric in METRICS.values():
        if not metric.always and metric.name not in names:
            reasons[metric.name] = "not among the condition's metrics"
        elif reason := metric.skip(clip.info):
            reasons[metric.name] = reason
        else:
            wanted.append(metric)
    return wanted, reasons
