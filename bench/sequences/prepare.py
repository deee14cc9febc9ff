"""Prepare a clip from a source sequence: find the file, check it, crop, scale, trim, write.

| step | done by |
|---|---|
| find the file of the sequence, check its SHA-256, compare its first frame with the row | `open_source` |
| decode, rotate, crop, scale, convert to 8-bit 4:2:0 | one ffmpeg process |
| trim to the clip's frames, check the number of all frames | `_trim` |
| check the log of the whole decode: damage, changes, frame rate | `bench.sequences.source_check` |
| write ``clip.y4m``, then ``clip.json`` with the exact ffmpeg arguments | `bench.video` |

A clip has the matrix, range and siting of the condition's colour. The colour ``bt601-ffmpeg`` is the
exception: plain ffmpeg does not convert the matrix, so the samples keep that of the source. Primaries and
transfer functions of standard dynamic range are not converted; ``clip.json`` has those of the source.
10-bit samples are rounded, not dithered. The flags `accurate_rnd` and `bitexact`
(`bench.video.colour.EXACT_FLAGS`) give the same bytes on every CPU and with any number of threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import ffmpeg_version, pipe_frames
from bench.base.files import atomic_file, write_json
from bench.base.process import progress
from bench.sequences.geometry import Geometry, clip_geometry
from bench.sequences.prepare_rgb import prepare_rgb_clip
from bench.sequences.probe import LOG_FILTER, STREAM_OPTIONS, DecodeLog
from bench.sequences.row import SourceSequence
from bench.sequences.source_check import check_decode, not_applied
from bench.sequences.source_file import Source, open_source
from bench.sequences.table import find_sequence
from bench.video.clip import Clip, ClipInfo
from bench.video.colour import conversion
from bench.video.round_trip import round_trip_psnr_db
from bench.video.y4m import y4m_chunks

if TYPE_CHECKING:
    from bench.conditions.condition import Condition
    from bench.conditions.sections import ClipPlan

#: Clockwise degrees -> filters of ffmpeg.
_ROTATIONS = {90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}


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
    json_path, video_path = out_dir / "clip.json", out_dir / "clip.y4m"
    for old in (json_path, out_dir / "clip.rgb.npy"):
        old.unlink(missing_ok=True)  # an old one must not remain if this fails, nor accompany new frames
    source, log = open_source(sequence), DecodeLog()
    command = [
        *("-filter_threads", "1", *source.args),
        *(STREAM_OPTIONS if source.path else ("-fps_mode", "passthrough")),
        *("-vf", _video_filter(sequence, steps, colour_tags)),
        *("-sws_dither", "none", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"),
    ]
    decoded = pipe_frames(
        command,
        frame_bytes=geometry.width * geometry.height * 3 // 2,
        feed=source.feed,
        where=source.path or f"sequence {sequence.name}",
        remedy=f"get the file again, or check the row of {sequence.name}",
        on_log=log.add,
    )
    frames = _checked(_trim(decoded, geometry, sequence, log), source, log)
    sha256 = _write_video(video_path, frames, geometry, sequence)
    notes = not_applied(log, sequence) if source.path else []
    for note in notes:
        progress(f"prepare {name}")(note)
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
        chain=_chain(sequence, geometry, command, source, log, notes),
        colour=colour,
        licence=sequence.licence,
        citation=sequence.citation,
    )
    info = replace(info, round_trip_psnr_db=round_trip_psnr_db(Clip(info, video_path)))
    write_json(json_path, info.to_json())
    return Clip.load(json_path)


def _colour_tags(sequence: SourceSequence, colour: str) -> dict[str, str]:
    """Matrix, range and siting of the clip: those of `colour`; with ffmpeg's defaults, the source's matrix.

    Range and siting are converted always: streams, y4m headers and the conversions to RGB have no others.
    """
    target = conversion(colour)
    matrix = sequence.matrix if target.sws_flags is None else target.matrix
    return {"matrix": matrix, "range": target.range, "siting": target.siting}


def _video_filter(sequence: SourceSequence, steps: ClipPlan, target: Mapping[str, str]) -> str:
    """ffmpeg's filters: rotate, crop, then scale together with the conversion to the clip's colour tags."""
    filters = [] if sequence.kind == "synthetic" else [LOG_FILTER]
    in_matrix, in_range, in_siting = sequence.matrix, sequence.range, sequence.siting
    exact = "accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
    if sequence.rotation or in_siting != target["siting"]:
        # Chroma is interpolated to 4:4:4 first. ffmpeg has no name for rotated left siting, and it does not
        # convert the siting between frames of the same size and format.
        filters.append(f"scale=in_chroma_loc={in_siting}:flags=bicubic+{exact},format=yuv444p16le")
    if sequence.rotation:
        filters.append(_ROTATIONS[sequence.rotation])
    if steps.crop:
        x, y, width, height = steps.crop
        filters.append(f"crop={width}:{height}:{x}:{y}:exact=1")
    size = f"w={steps.scale[0]}:h={steps.scale[1]}:" if steps.scale else ""
    colours = (
        f"in_color_matrix={in_matrix}:out_color_matrix={target['matrix']}"
        f":in_range={in_range}:out_range={target['range']}"
        f":in_chroma_loc={in_siting}:out_chroma_loc={target['siting']}"
    )
    filters.append(f"scale={size}{colours}:flags={steps.filter}+{exact}")
    return ",".join([*filters, "format=yuv420p"])


def _trim(
    frames: Iterable[np.ndarray], geometry: Geometry, sequence: SourceSequence, log: DecodeLog
) -> Iterator[np.ndarray]:
    """Frames `first` to `stop - 1`. All frames are decoded and counted, so a short source is an error."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        if geometry.first < count <= geometry.stop:
            yield frame
    if count != sequence.frames and not log.errors:
        problem = f"decodes to {count} frames, but {sequence.frames} in sequences.tsv"
        raise BenchError(f"sequence {sequence.name}", problem, "correct frames, or get the file again")


def _checked(frames: Iterable[np.ndarray], source: Source, log: DecodeLog) -> Iterator[np.ndarray]:
    """The frames, and checks of the whole decode and of the file after the last one."""
    yield from frames
    if source.path is not None:
        source.check_unchanged()
        check_decode(log, source.path)


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
    sequence: SourceSequence,
    geometry: Geometry,
    command: list[str],
    source: Source,
    log: DecodeLog,
    notes: list[str],
) -> tuple[str, ...]:
    """The steps of the preparation as text, without paths of this machine."""
    words = [Path(sequence.location).name if word == str(source.path) else word for word in command]
    return (
        f"source {sequence.kind} {sequence.location} sha256 {source.sha256 or 'unchecked'}",
        *([f"note {sequence.note}"] if sequence.note.strip("-") else []),
        *([f"frames of the file: {log.first.tags()}"] if log.first else []),
        *(f"note {note}" for note in notes),
        f"ffmpeg {ffmpeg_version()}: {' '.join(words)}",
        f"frames {geometry.first} to {geometry.stop} of {sequence.frames}",
    )
