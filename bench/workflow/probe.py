"""Short measurements behind an estimate: a few frames coded, decoded and scored, at a fraction of their size.

The frames are made up (`bench.video.synthetic`), so nothing has to be downloaded for them. What a pixel takes
there is what it is taken to take in the real clip: a rough guide for encoders, which work harder on some
pictures than on others. That a program has to start is counted in, too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.container import Header, PixelFormat, read_stream, write_stream
from bench.codec.contract import EncodeJob
from bench.conditions.condition import ClipPlan
from bench.scoring.score import score
from bench.sequences.prepare import prepare_clip
from bench.sequences.table import SourceSequence
from bench.video.clip import Clip, ClipInfo

#: Frames of a probe's clip, and the most pixels of one.
FRAMES, MOST_PIXELS = 8, 1 << 18


@dataclass(frozen=True, kw_only=True)
class CodecTime:
    """Seconds a pixel of one codec."""

    encode_s: float
    decode_s: float


def probe_clip(info: ClipInfo, out_dir: Path) -> Clip:
    """A few made-up frames of a planned clip, its sides divided by the same whole number."""
    divisor = next(n for n in range(1, 64) if info.width * info.height <= MOST_PIXELS * n * n)
    width, height = (max(2, side // divisor // 2 * 2) for side in (info.width, info.height))
    colour: dict[str, Any] = {"matrix": info.matrix, "range": info.range, "siting": info.siting}
    sequence = SourceSequence(
        name="probe",
        kind="synthetic",
        location="moving-discs",
        sha256="",
        width=width,
        height=height,
        fps=info.fps,
        frames=min(FRAMES, info.frames),
        licence="",
        citation="",
        note="",
        **colour,
    )
    steps = ClipPlan(sequence=sequence.name)
    return prepare_clip(sequence, steps, name=info.name, colour=info.colour, out_dir=out_dir)


def time_codec(config: CodecConfig, settings: Mapping[str, Any], clip: Clip, *, device: str) -> CodecTime:
    """Code a clip and decode it again, for what a pixel takes.

    Raises:
        BenchError: the codec cannot code it.
    """
    codec = registry.load_family(config.family)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder, "stream.bin")
        job = EncodeJob(
            settings=settings,
            threads=config.threads,
            device=device,
            state_dir=Path(folder),
            progress=lambda line: None,
            clock=StageClock(),
        )
        began = time.perf_counter()
        encoded = codec.encode(clip, job)
        header = Header.of_clip(clip.info, family=config.family, pixel_format=encoded.pixel_format)
        write_stream(path, header, encoded.payload)
        coded = time.perf_counter()
        for _ in codec.decode(read_stream(path), device=device, clock=StageClock()):
            pass
        decoded = time.perf_counter()
    pixels = clip.info.pixels
    return CodecTime(encode_s=(coded - began) / pixels, decode_s=(decoded - coded) / pixels)


def time_scoring(clip: Clip, pixel_format: PixelFormat, metrics: Sequence[str]) -> float:
    """Seconds a pixel to score frames of that format against their clip: here the clip's own."""
    frames = clip.rgb() if pixel_format == "rgb24" else clip.frames()
    began = time.perf_counter()
    score(frames, clip, pixel_format=pixel_format, metrics=metrics)
    return (time.perf_counter() - began) / clip.info.pixels
