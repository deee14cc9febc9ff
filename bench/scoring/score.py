"""Scores of decoded frames against their clip. Memory holds a few frames at a time.

Every metric gets each frame in both forms, yuv420p and RGB. A clip has one form as its truth
(`bench.video.clip`), a decoder yields one form; the same conversion gives the other one. An RGB decoder's
frames are compared with the frames of a clip whose truth is RGB without any conversion.

A conversion loses quality, so a decoder of the form that is not the truth has a ceiling, which records state:

| truth | decoder | ceiling |
|---|---|---|
| yuv420p | rgb24 | `round_trip_psnr_yuv_db` |
| rgb | yuv420p | `round_trip_psnr_rgb_db` |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np

# Each of these modules registers its scorers.
import bench.scoring.color_video_vdp
import bench.scoring.ffmpeg_metrics
import bench.scoring.flicker
import bench.scoring.ms_ssim
import bench.scoring.psnr  # noqa: F401
from bench.base.errors import BenchError
from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import (
    FITTED,
    HELD_OUT,
    METRICS,
    NOT_LISTED,
    ROUND_TRIP,
    ROUND_TRIP_RGB,
    SCORERS,
    FrameScorer,
    Scored,
    Scorer,
    check_metrics,
)
from bench.video.clip import Clip
from bench.video.colour import to_rgb, to_yuv
from bench.video.round_trip import round_trip_psnr_db

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of one stream.

    Attributes:
        values: metric name -> value of the clip, None where it has none.
        reasons: metric name -> why it has no value.
        rows: one row a frame with `frame` (from 0) and the metrics' values of that frame.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    rows: list[dict[str, Any]] = field(repr=False)


def score(
    frames: Iterable[np.ndarray],
    clip: Clip,
    *,
    pixel_format: str,
    metrics: Sequence[str] = (),
    on_frame: Callable[[FramePair], None] = lambda pair: None,
    threads: int = 1,
) -> Scores:
    """Score decoded frames against their clip.

    Args:
        frames: in order, flat yuv420p or RGB (height, width, 3) as `pixel_format` states, uint8.
        metrics: names of metrics to compute besides those that are computed always.
        on_frame: called with every frame pair, in order.
        threads: number of frames that are scored at a time. The scores do not depend on it.

    Raises:
        BenchError: an unknown metric, or a number of frames that differs from the clip's.
    """
    check_metrics(metrics)
    reasons = {}
    for name, metric in METRICS.items():
        if not metric.always and name not in metrics:
            reasons[name] = NOT_LISTED
        elif reason := metric.unavailable(clip.info):
            reasons[name] = reason
    with ExitStack() as stack:
        names_of: dict[Callable[[Clip, Sequence[str]], Scorer], list[str]] = {}
        for name in METRICS:
            if name not in reasons:
                names_of.setdefault(SCORERS[name], []).append(name)
        scorers = []
        for create, names in names_of.items():
            scorers.append(create(clip, names))
            stack.callback(scorers[-1].close)
        frame_scorers = [scorer for scorer in scorers if isinstance(scorer, FrameScorer)]

        def compute(pair: FramePair) -> list[float]:
            return [scorer.function(pair) for scorer in frame_scorers]

        pairs = pair_frames(frames, clip, pixel_format=pixel_format)
        for pair, values_of_frame in _in_order(compute, pairs, threads):
            on_frame(pair)
            for frame_scorer, of_frame in zip(frame_scorers, values_of_frame, strict=True):
                frame_scorer.values.append(of_frame)
            for scorer in scorers:
                if not isinstance(scorer, FrameScorer):
                    scorer.add(pair)
        results: dict[str, Scored] = {}
        for scorer in scorers:
            results |= scorer.finish()
    values = {name: results[name][0] if name in results else None for name in METRICS}
    ceiling = ROUND_TRIP_RGB if clip.info.truth == "rgb" else ROUND_TRIP
    native = "RGB" if pixel_format == "rgb24" else "YUV"
    if (clip.info.truth == "rgb") == (native == "RGB"):
        values[ceiling], reasons[ceiling] = None, f"the decoder yields {native}"
    else:
        stated = clip.info.round_trip_psnr_db
        values[ceiling] = round_trip_psnr_db(clip) if stated is None else stated
    rows: list[dict[str, Any]] = [{"frame": index} for index in range(clip.info.frames)]
    for name in filter(results.get, METRICS):
        for row, value in zip(rows, results[name][1], strict=True):
            row[METRICS[name].frame_column] = value
    return Scores(values=values, reasons=reasons, rows=rows)


def _in_order(
    compute: Callable[[FramePair], _Value], pairs: Iterable[FramePair], threads: int
) -> Iterator[tuple[FramePair, _Value]]:
    """Yield every pair with its computed value, in order. `threads` pairs are computed at a time."""
    if threads == 1:
        for pair in pairs:
            yield pair, compute(pair)
        return
    waiting: deque[tuple[FramePair, Future[_Value]]] = deque()
    with ThreadPoolExecutor(threads) as executor:
        for pair in pairs:
            waiting.append((pair, executor.submit(compute, pair)))
            if len(waiting) > threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def held_out_means(scores: Scores, *, fit_every: int, metrics: Sequence[str]) -> dict[str, float | None]:
    """Means over the frames 0, n, 2n, ... that were fitted, and over the held-out frames between them.

    Args:
        fit_every: n. The result is empty for 1, which holds no frame out.
        metrics: names of metrics whose value of a clip is the mean of its frames'.

    Returns:
        `<metric>_fitted` and `<metric>_held_out` -> mean, None where a frame has no value.
    """
    if fit_every == 1:
        return {}
    means: dict[str, float | None] = {}
    for name in metrics:
        values = np.array([row.get(METRICS[name].frame_column) for row in scores.rows], dtype=float)
        fitted = np.arange(len(values)) % fit_every == 0
        for suffix, part in ((FITTED, values[fitted]), (HELD_OUT, values[~fitted])):
            complete = part.size and np.isfinite(part).all()
            means[f"{name}{suffix}"] = float(part.mean()) if complete else None
    return means


def pair_frames(frames: Iterable[np.ndarray], clip: Clip, *, pixel_format: str) -> Iterator[FramePair]:
    """Yield every decoded frame with its reference frame.

    Raises:
        BenchError: there are fewer or more decoded frames than reference frames.
    """
    info = clip.info
    references = zip(clip.frames(), clip.rgb(), strict=True)
    pairs = zip_longest(_both_forms(frames, clip, pixel_format), references)
    for index, (decoded, reference) in enumerate(pairs):
        if decoded is None or reference is None:
            problem = f"{'fewer' if decoded is None else 'more'} frames were decoded than its {info.frames}"
            raise BenchError(clip.path, problem, "score a stream of this clip")
        yield FramePair(
            index=index,
            width=info.width,
            height=info.height,
            native=pixel_format,
            truth=info.truth,
            reference_yuv=reference[0],
            decoded_yuv=decoded[0],
            reference_rgb=reference[1],
            decoded_rgb=decoded[1],
        )


def _both_forms(
    frames: Iterable[np.ndarray], clip: Clip, pixel_format: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each frame as (yuv420p, RGB). The converter's pipes bound how many frames are in memory."""
    info = clip.info
    pending: deque[np.ndarray] = deque()  # frames in the converter; its writer thread appends

    def feed() -> Iterator[np.ndarray]:
        for frame in frames:
            pending.append(frame)
            yield frame

    convert = to_yuv if pixel_format == "rgb24" else to_rgb
    for converted in convert(feed(), width=info.width, height=info.height, colour=info.colour):
        native = pending.popleft()
        yield (converted, native) if pixel_format == "rgb24" else (native, converted)
