"""Settings of the family `ffmpeg`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from baselines.ffmpeg.encoders import ENCODERS
from bench.base.strict_model import one_of
from bench.codec.search import Search
from bench.codec.settings import Settings

_Quantiser = Annotated[float, Field(ge=0, le=255)]


class FfmpegSettings(Settings):
    """An encoder of ffmpeg's. Which settings an encoder has is checked when it is chosen (`find_encoder`)."""

    encoder: Annotated[str, *one_of(ENCODERS)]
    """The encoder."""

    preset: Annotated[int, Field(ge=-2, le=13)] | Annotated[str, Field(min_length=1)]
    """The encoder's effort: a name, or for svtav1, aom and vp9 a number (higher is faster)."""

    crf: _Quantiser | None = None
    """Constant rate factor, for encoders that have one: higher is smaller and worse."""

    qp: _Quantiser | None = None
    """Quantisation parameter, in place of `crf`."""

    rate_bpp: Annotated[float, Field(gt=0, le=64)] | None = None
    """Target rate in bits per pixel, in place of `crf`: two passes with an average bit rate (x264, x265)."""

    bit_depth: Literal[8, 10] = 8
    """Bits of a sample within the encoder (x265). The decoded frames are rounded to 8 bit."""

    search: Search | None = None
    """Search of `crf` or `qp` that reaches a rate or a quality."""

    tune: str = ""
    """The encoder's tuning, such as `psnr` or `zerolatency`; empty for none."""

    keyint: Annotated[int, Field(ge=0)] = 0
    """Longest distance between keyframes in frames; 0 for the whole clip."""

    bframes: Annotated[int, Field(ge=-1, le=16)] = -1
    """B-frames in a row (x264, x265); -1 for the number of the preset."""

    scenecut: bool = True
    """Whether keyframes are also placed at scene cuts (x264, x265)."""
