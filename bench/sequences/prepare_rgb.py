"""Prepare a clip whose truth is RGB from a folder of frames.

| step | done by |
|---|---|
| read the frames, compare them with the row | `bench.sequences.frame_folder` |
| crop | a slice of the array |
| scale each of R, G and B | ffmpeg |
| write ``clip.rgb.npy`` | `bench.video.rgb_file` |
| convert to 8-bit 4:2:0 with the condition's colour, write ``clip.y4m`` | `bench.video.colour` |

The matrix, range and siting of ``clip.y4m`` are those of the conversion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.base.ffmpeg import ffmpeg_version, pipe_frames, raw_video_args
from bench.base.files import atomic_file, write_json
from bench.base.process import progress
from bench.sequences.frame_folder import FrameFolder, decoder_version
from bench.sequences.geometry import clip_geometry
from bench.sequences.lock_file import check_digest
from bench.sequences.row import SourceSequence
from bench.video.clip import Clip, ClipInfo
from bench.video.colour import conversion, to_yuv
from bench.video.rgb_file import read_rgb_frames, rgb_file_chunks
from bench.video.round_trip import round_trip_psnr_db
from bench.video.y4m import y4m_chunks

if TYPE_CHECKING:
    from bench.conditions.sections import ClipPlan


def prepare_rgb_clip(
    sequence: SourceSequence, steps: ClipPlan, *, name: str, colour: str, out_dir: Path
) -> Clip:
    """Write ``clip.rgb.npy``, ``clip.y4m`` and ``clip.json`` of a sequence of kind `frames`.

    Raises:
        BenchError: a missing or changed source, or steps that do not fit it.
    """
    geometry = clip_geometry(sequence, steps, where=f"clip {name}")
    target, json_path = conversion(colour), out_dir / "clip.json"
    json_path.unlink(missing_ok=True)  # an old one must not remain if this fails
    folder = FrameFolder(sequence)
    frames, chain = folder.frames(geometry.first, geometry.stop), []
    if steps.crop:
        frames = crop_rgb(frames, steps.crop)
        chain.append(f"crop to x, y, width, height = {', '.join(map(str, steps.crop))}")
    if steps.scale:
        before = steps.crop[2:] if steps.crop else (sequence.width, sequence.height)
        frames = scale_rgb(frames, before, steps.scale, steps.filter)
        chain.append(f"scale each of R, G and B to {steps.scale[0]}x{steps.scale[1]}: {steps.filter}")
    width, height, count = geometry.width, geometry.height, geometry.stop - geometry.first
    rgb_path = out_dir / "clip.rgb.npy"
    sha256 = _write(rgb_path, rgb_file_chunks(frames, count=count, width=width, height=height))
    check_digest(sequence.location, folder.sha256, sequence, "sha256")
    rgb = read_rgb_frames(rgb_path, count=count, width=width, height=height, first=0, stop=count)
    yuv = to_yuv(rgb, width=width, height=height, colour=colour)
    chunks = y4m_chunks(yuv, width=width, height=height, fps=sequence.fps)
    yuv_sha256 = _write(out_dir / "clip.y4m", chunks)
    for remark in folder.remarks:
        progress(f"prepare {name}")(remark)
    remarks = "".join(f"; {remark}" for remark in folder.remarks)
    info = ClipInfo(
        name=name,
        sequence=sequence.name,
        width=width,
        height=height,
        frames=count,
        fps=sequence.fps,
        matrix=target.matrix,
        range=target.range,
        siting=target.siting,
        truth="rgb",
        sha256=sha256,
        yuv_sha256=yuv_sha256,
        chain=(
            f"source frames {sequence.location} sha256 {folder.sha256}",
            *([f"note {sequence.note}"] if sequence.note.strip("-") else []),
            f"decoded by {decoder_version()}{remarks}",
            *chain,
            f"frames {geometry.first} to {geometry.stop} of {sequence.frames}",
            f"clip.y4m: ffmpeg {ffmpeg_version()}: {target.to_yuv_filter()}",
        ),
        colour=colour,
        licence=sequence.licence,
        citation=sequence.citation,
    )
    info = replace(info, round_trip_psnr_db=round_trip_psnr_db(Clip(info, out_dir / "clip.y4m")))
    write_json(json_path, info.to_json())
    return Clip.load(json_path)


def crop_rgb(frames: Iterable[np.ndarray], window: tuple[int, int, int, int]) -> Iterator[np.ndarray]:
    """Crop RGB frames to a window (x, y, width, height)."""
    x, y, width, height = window
    for frame in frames:
        yield frame[y : y + height, x : x + width]


def scale_rgb(
    frames: Iterable[np.ndarray], before: tuple[int, int], after: tuple[int, int], scaler: str
) -> Iterator[np.ndarray]:
    """Scale RGB frames from `before` to `after` (width, height), each of R, G and B alone.

    ffmpeg gets the three planes as 4:4:4 YUV, because its scaler converts RGB to YUV and back.

    Args:
        scaler: name of ffmpeg's filter kernel, such as "bicubic".
    """
    flags = f"{scaler}+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
    ranges = "in_range=full:out_range=full"
    planar = (np.ascontiguousarray(np.moveaxis(frame, 2, 0)) for frame in frames)
    command = [
        *("-filter_threads", "1"),
        *raw_video_args(pixel_format="yuv444p", width=before[0], height=before[1], fps=25),
        *("-vf", f"scale=w={after[0]}:h={after[1]}:{ranges}:flags={flags},format=yuv444p"),
        *("-sws_dither", "none", "-fps_mode", "passthrough"),
        *("-f", "rawvideo", "-pix_fmt", "yuv444p", "pipe:1"),
    ]
    size = 3 * after[0] * after[1]
    for planes in pipe_frames(command, frame_bytes=size, feed=planar, where="scaling of RGB frames"):
        yield np.moveaxis(planes.reshape(3, after[1], after[0]), 0, 2)


def _write(path: Path, chunks: Iterable[bytes | memoryview]) -> str:
    """Write a file and return its SHA-256."""
    digest = hashlib.sha256()
    with atomic_file(path) as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()
