"""Prepare a clip from a source sequence: find the file, check it, crop, scale, trim, write.

| step | done by |
|---|---|
| find the file of the sequence, check its SHA-256 | `bench.sequences.source_file` |
| decode, crop, scale, convert to 8-bit 4:2:0 | one ffmpeg process |
| trim to the clip's frames, check the number of all frames | `_trim` |
| write ``clip.y4m``, then ``clip.json`` with the exact ffmpeg arguments | `bench.video` |

A clip has the matrix, range and siting of the condition's colour. The colour ``bt601-ffmpeg`` is the
exception: plain ffmpeg does not convert the matrix, so the samples keep that of the source. 10-bit samples
are rounded, not dithered. The flags `accurate_rnd` and `bitexact` (`bench.video.colour.EXACT_FLAGS`) give the
same bytes on every CPU and with any number of threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import ffmpeg_version, pipe_frames, raw_video_args
from bench.base.files import atomic_file, write_json
from bench.sequences.geometry import Geometry, clip_geometry
from bench.sequences.prepare_rgb import prepare_rgb_clip
from bench.sequences.source_file import checked_sha256, find_source_file, raw_pixel_format
from bench.sequences.table import SourceSequence, find_sequence
from bench.video.clip import Clip, ClipInfo
from bench.video.colour import conversion
from bench.video.synthetic import GENERATORS
from bench.video.y4m import y4m_chunks

if TYPE_CHECKING:
    from bench.conditions.condition import ClipPlan, Condition


def prepare(condition: Condition, clip_name: str, out_dir: Path) -> Clip:
    """Prepare the clip `clip_name` of a condition: write ``clip.y4m`` and ``clip.json`` to `out_dir`.

    Raises:
        BenchError: unknown clip or sequence, a missing or changed source, or steps that do not fit it.
    """
    steps = condition.clip(clip_name)
    sequence = find_sequence(steps.sequence)
    return prepare_clip(sequence, steps, name=clip_name, colour=condition.colour, out_dir=Path(out_dir))


def prepare_clip(sequence: SourceSequence, steps: ClipPlan, *, name: str, colour: str, out_dir: Path) -> Clip:
    """Prepare one clip from a sequence (see `prepare`). The same arguments give the same bytes."""
    if sequence.kind == "frames":
        return prepare_rgb_clip(sequence, steps, name=name, colour=colour, out_dir=out_dir)
    geometry = clip_geometry(sequence, steps, where=f"clip {name}")
    colour_tags = _colour_tags(sequence, colour)
    source, digest = None, ""
    if sequence.kind != "synthetic":
        source = find_source_file(sequence)
        digest = checked_sha256(source, sequence)
    command = [
        *("-filter_threads", "1", *_input_args(sequence, source)),
        *("-vf", _video_filter(sequence, steps, colour_tags)),
        *("-sws_dither", "none", "-fps_mode", "passthrough", "-an"),
        *("-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"),
    ]
    frames = pipe_frames(
        command,
        frame_bytes=geometry.width * geometry.height * 3 // 2,
        feed=_synthetic_frames(sequence) if source is None else None,
        where=source or f"sequence {sequence.name}",
        remedy=f"check the row of {sequence.name}",
    )
    json_path, video_path = out_dir / "clip.json", out_dir / "clip.y4m"
    for old in (json_path, out_dir / "clip.rgb.npy"):
        old.unlink(missing_ok=True)  # an old one must not describe or accompany new frames
    sha256 = _write_video(video_path, _trim(frames, geometry, sequence), geometry, sequence)
    info = ClipInfo(
        name=name,
        sequence=sequence.name,
        width=geometry.width,
        height=geometry.height,
        frames=geometry.stop - geometry.first,
        fps=sequence.fps,
        matrix=colour_tags["matrix"],
        range=colour_tags["range"],
        siting=colour_tags["siting"],
        sha256=sha256,
        chain=_chain(sequence, geometry, command, source, digest),
        colour=colour,
        licence=sequence.licence,
        citation=sequence.citation,
    )
    write_json(json_path, info.to_json())
    return Clip.load(json_path)


def _colour_tags(sequence: SourceSequence, colour: str) -> dict[str, str]:
    """Matrix, range and siting of the clip: those of `colour`; for ffmpeg's defaults, those of the source."""
    target = conversion(colour)
    origin = sequence if target.sws_flags is None else target
    return {"matrix": origin.matrix, "range": origin.range, "siting": origin.siting}


def _input_args(sequence: SourceSequence, source: Path | None) -> list[str]:
    """Arguments with which ffmpeg reads the source: a headerless file, standard input, or a container."""
    if source is not None and source.suffix.lower() != ".yuv":
        return ["-noautorotate", "-flags", "bitexact", "-i", str(source), "-map", "0:v:0"]
    return raw_video_args(
        pixel_format="yuv420p" if source is None else raw_pixel_format(source, sequence),
        width=sequence.width,
        height=sequence.height,
        fps=sequence.fps,
        source="pipe:0" if source is None else str(source),
    )


def _video_filter(sequence: SourceSequence, steps: ClipPlan, target: Mapping[str, str]) -> str:
    """ffmpeg's filter chain: crop, then scale together with the conversion to the clip's colour tags."""
    filters = []
    if steps.crop:
        x, y, width, height = steps.crop
        filters.append(f"crop={width}:{height}:{x}:{y}:exact=1")
    size = f"w={steps.scale[0]}:h={steps.scale[1]}:" if steps.scale else ""
    colours = (
        f"in_color_matrix={sequence.matrix}:out_color_matrix={target['matrix']}"
        f":in_range={sequence.range}:out_range={target['range']}"
        f":in_chroma_loc={sequence.siting}:out_chroma_loc={target['siting']}"
    )
    flags = f"{steps.filter}+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
    filters.append(f"scale={size}{colours}:flags={flags}")
    return ",".join([*filters, "format=yuv420p"])


def _synthetic_frames(sequence: SourceSequence) -> Iterator[np.ndarray]:
    if sequence.location not in GENERATORS:
        problem = f"unknown location {sequence.location!r}"
        raise BenchError(f"sequence {sequence.name}", problem, f"use {', '.join(GENERATORS)}")
    generate = GENERATORS[sequence.location]
    return generate(width=sequence.width, height=sequence.height, frames=sequence.frames)


def _trim(frames: Iterable[np.ndarray], geometry: Geometry, sequence: SourceSequence) -> Iterator[np.ndarray]:
    """Frames `first` to `stop - 1`. All frames are decoded and counted, so a short source is an error."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        if geometry.first < count <= geometry.stop:
            yield frame
    if count != sequence.frames:
        problem = f"decodes to {count} frames, but {sequence.frames} in sequences.tsv"
        raise BenchError(f"sequence {sequence.name}", problem, "correct frames, or get the file again")


def _write_video(
    path: Path, frames: Iterable[np.ndarray], geometry: Geometry, sequence: SourceSequence
) -> str:
    """Write a y4m file and return its SHA-256."""
    digest = hashlib.sha256()
    with atomic_file(path) as file:
        for chunk in y4m_chunks(frames, width=geometry.width, height=geometry.height, fps=sequence.fps):
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _chain(
    sequence: SourceSequence, geometry: Geometry, command: list[str], source: Path | None, digest: str
) -> tuple[str, ...]:
    """The steps of the preparation as text, without paths of this machine."""
    words = [Path(sequence.location).name if word == str(source) else word for word in command]
    return (
        f"source {sequence.kind} {sequence.location} sha256 {digest or 'unchecked'}",
        *([f"note {sequence.note}"] if sequence.note else []),
        f"ffmpeg {ffmpeg_version()}: {' '.join(words)}",
        f"frames {geometry.first} to {geometry.stop} of {sequence.frames}",
    )
