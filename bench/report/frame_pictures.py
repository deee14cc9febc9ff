"""Decoded frames of the report page: each stream is decoded once, and chosen frames are stored without loss.

A folder for one clip has::

    frames.json                         index: chosen frames, pictures, bytes
    source/<frame>.webp                 frames of the clip
    <codec>-<point>-<run>/<frame>.webp  decoded frames
    <codec>-<point>-<run>/<frame>-<part>.webp   parts of a network's frame, such as a flow (lossy)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bench.analysis.labels import label_of
from bench.analysis.point_files import frame_values
from bench.analysis.rd_points import nearest_points, rows_of_clip
from bench.base.files import atomic_folder, write_json
from bench.base.result_files import RunKey, file_of_record
from bench.codec.container import read_stream
from bench.codec.decoder_process import decode_process
from bench.conditions.condition import Condition
from bench.conditions.sections import ReportPlan
from bench.figures.optical_flow import flow_colours
from bench.report.frame_choice import choose_frames, mean_changes
from bench.report.run_data import run_id
from bench.scoring.metrics import METRICS, describe
from bench.video.clip import Clip, ClipInfo, planes
from bench.video.colour import to_rgb

#: Clips with more pixels a frame are shown by a region of at most this size, so that a report stays small.
LARGEST = (640, 360)
#: Frames that are converted to RGB at a time.
_BATCH = 16

#: Part -> image (3, H, W) or map (H, W) in [0, 1], or flow (2, H, W) in pixels.
Parts = Mapping[str, np.ndarray]
#: Parts of chosen frames of a stream; empty for a codec whose frames have none.
PartsOf = Callable[[Path, Sequence[int]], Mapping[int, Parts]]
Region = tuple[int, int, int, int]


def write_pictures(
    out: Path,
    *,
    condition: Condition,
    clip: Clip,
    rows: pd.DataFrame,
    records: Mapping[RunKey, Path],
    device: str,
    parts_of: PartsOf,
    progress: Callable[[str], None],
) -> None:
    """Write the folder of one clip. Each series is shown at its point nearest to the condition's rate.

    Raises:
        BenchError: `out` has files, the clip has no points, or a stream cannot be decoded.
    """
    info, plan = clip.info, condition.report
    rate_bpp = condition.strip_rate_bpp or float(rows["rate_bpp"].median())
    shown = nearest_points(rows_of_clip(rows, info.name), clip=info.name, rate_bpp=rate_bpp)
    chosen = _chosen(plan, condition.headline, clip, shown, records)
    region = _region(condition, info)
    with atomic_folder(out) as folder:
        source: dict[str, Any] = {"id": "source", "label": "Source", "folder": "source"}
        pictures = [source | _save(folder / "source", _wanted(clip.rgb(), chosen), region)]
        for _, row in shown.iterrows():
            key = RunKey.of(row)
            stream = file_of_record(records[key], "stream.bin")
            progress(f"decode {run_id(key)}")
            name = "-".join((key.codec, key.point, key.run))
            frames = _decoded(stream, info, chosen, device)
            entry: dict[str, Any] = {"id": run_id(key), "label": label_of(row.to_frame().T), "folder": name}
            entry |= {"series": row["series"], "point": key.point, "rate": row["rate_bpp"]}
            entry |= _save(folder / name, frames, region)
            if parts := parts_of(stream, list(chosen)):
                entry["parts"] = _save_parts(folder / name, parts)
            pictures.append(entry)
        index = {
            "clip": info.name,
            "frames": [{"frame": frame, "reasons": reasons} for frame, reasons in chosen.items()],
            "fps": float(info.fps),
            "width": info.width,
            "height": info.height,
            "region": region,
            "excerpt": plan.excerpt,
            "pictures": pictures,
        }
        write_json(folder / "frames.json", index)


def _chosen(
    plan: ReportPlan, headline: str, clip: Clip, shown: pd.DataFrame, records: Mapping[RunKey, Path]
) -> dict[int, list[str]]:
    """The chosen frames and those of the excerpt, each with its reasons."""
    info, metric = clip.info, describe(headline)
    worst = {}
    for _, row in shown.iterrows():
        values = frame_values(file_of_record(records[RunKey.of(row)], "frames.csv"), metric.frame_column)
        if len(values):
            sign = metric.direction if metric.frame_column == metric.name else -1  # of an MSE: the largest
            worst[label_of(row.to_frame().T)] = int(values["frame"].iloc[(sign * values["value"]).argmin()])
    luma = (planes(frame, info.width, info.height)[0] for frame in clip.frames())
    chosen = choose_frames(
        plan.frames,
        count=info.frames,
        even=plan.even,
        most=plan.most,
        motion=mean_changes(luma),
        worst=worst,
    )
    if plan.excerpt:
        for frame in range(plan.excerpt[0], min(plan.excerpt[1], info.frames)):
            chosen.setdefault(frame, []).append("excerpt")
    return dict(sorted(chosen.items()))


def _region(condition: Condition, info: ClipInfo) -> Region:
    """x, y, width and height of the pictures: the whole frame, or a part of a larger one."""
    if condition.report.region:
        x, y, width, height = condition.report.region
        if x + width <= info.width and y + height <= info.height:
            return x, y, width, height
    width, height = min(info.width, LARGEST[0]), min(info.height, LARGEST[1])
    centre_x, centre_y = info.width // 2, info.height // 2
    if condition.strip:
        left, top, wide, high = condition.strip.crop
        centre_x, centre_y = left + wide // 2, top + high // 2
    x = min(max(centre_x - width // 2, 0), info.width - width)
    y = min(max(centre_y - height // 2, 0), info.height - height)
    return x, y, width, height


def _wanted(frames: Iterable[np.ndarray], chosen: Mapping[int, Any]) -> Iterator[tuple[int, np.ndarray]]:
    return ((index, frame) for index, frame in enumerate(frames) if index in chosen)


def _decoded(
    stream: Path, info: ClipInfo, chosen: Mapping[int, Any], device: str
) -> Iterator[tuple[int, np.ndarray]]:
    """The chosen frames as RGB, decoded in a process that has the stream and nothing else."""
    header = read_stream(stream).header
    with decode_process(stream, header, device) as process:
        kept = list(_wanted(process.frames(), chosen))
    if header.pixel_format == "rgb24":
        yield from kept
        return
    for at in range(0, len(kept), _BATCH):
        batch = kept[at : at + _BATCH]
        yuv = (frame for _, frame in batch)
        rgb = to_rgb(yuv, width=info.width, height=info.height, colour=info.colour)
        yield from zip((index for index, _ in batch), rgb, strict=True)


def _save(folder: Path, frames: Iterable[tuple[int, np.ndarray]], region: Region) -> dict[str, Any]:
    """Write lossless pictures of a region. Return the number of their bytes."""
    folder.mkdir(parents=True)
    x, y, width, height = region
    size = 0
    for index, frame in frames:
        path = folder / f"{index}.webp"
        picture = Image.fromarray(np.ascontiguousarray(frame[y : y + height, x : x + width]))
        picture.save(path, lossless=True, quality=80, method=4)
        size += path.stat().st_size
    return {"bytes": size}


def _save_parts(folder: Path, frames: Mapping[int, Parts]) -> dict[str, Any]:
    """Write pictures of the parts of frames. Flows of all frames have a common scale."""
    flows = [part for parts in frames.values() for part in parts.values() if _is_flow(part)]
    longest = max((float(np.percentile(np.hypot(*flow), 99)) for flow in flows), default=1.0)
    names = {}
    for index, parts in frames.items():
        for position, part in enumerate(parts.values()):
            picture = part
            if _is_flow(part):
                picture = flow_colours(part, largest=longest)
            elif part.ndim == 3:
                picture = part.transpose(1, 2, 0)
            levels = np.round(255 * picture.clip(0, 1)).astype(np.uint8)
            Image.fromarray(levels).save(folder / f"{index}-{position}.webp", quality=85, method=4)
        names[index] = list(parts)
    return {"names": names, "longest_flow": longest if flows else None}


def _is_flow(part: np.ndarray) -> bool:
    return part.ndim == 3 and len(part) == 2


def frame_series(
    index: Mapping[str, Any], records: Mapping[RunKey, Path], metrics: Sequence[str]
) -> dict[str, dict[str, list[float]]]:
    """Metric -> id of a run -> value of each frame, for the runs of an index."""
    by_id = {run_id(key): path for key, path in records.items()}
    table: dict[str, dict[str, list[float]]] = {}
    for name in metrics:
        metric = METRICS.get(name)
        if metric is None or metric.frame_column != name:
            continue
        for picture in index["pictures"]:
            if picture["id"] in by_id:
                values = frame_values(file_of_record(by_id[picture["id"]], "frames.csv"), name)
                if len(values):
                    column = [round(float(value), metric.digits + 1) for value in values["value"]]
                    table.setdefault(name, {})[picture["id"]] = column
    return table
