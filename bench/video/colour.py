"""Colour conversion between 8-bit 4:2:0 YUV and RGB. All code that needs one of the two calls this module.

A conversion is named, because its result depends on four choices: the matrix, the range of the YUV samples,
the siting of the chroma samples, and the filters that scale chroma up and down. Networks are fitted to RGB
frames from here, and the RGB frames of their decoders return to YUV here, so all codecs are scored through
the same conversion.

With R, G, B in [0, 1] and the luma weights (Kr, Kb) of the matrix, (0.2126, 0.0722) for BT.709 and
(0.299, 0.114) for BT.601, the 8-bit limited-range samples are

    Y' = Kr R + (1 - Kr - Kb) G + Kb B
    Y  = 16 + 219 Y'
    U  = 128 + 112 (B - Y') / (1 - Kb)
    V  = 128 + 112 (R - Y') / (1 - Kr)

| name | matrix | chroma filter | use |
|---|---|---|---|
| ``bt709`` | BT.709 | bicubic, left siting | the default of the suite |
| ``bt601`` | BT.601 | bicubic, left siting | clips whose source is BT.601 |
| ``bt601-ffmpeg`` | BT.601 | nearest sample | what ``ffmpeg -i clip.yuv %04d.png`` does to untagged video |

Most published curves of NeRV-like codecs were measured on ``bt601-ffmpeg`` frames, some of whose samples are
a few levels off the formula. Their PSNR compares only with PSNR on such frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import pipe_frames, raw_video_args

#: Flags of swscale, ffmpeg's scaler, for exact conversion:
#: `bicubic` is the filter of chroma in both directions; `accurate_rnd` rounds instead of truncating;
#: `full_chroma_int` interpolates chroma for each RGB pixel (the default shares one sample between two);
#: `full_chroma_inp` averages the chroma of all RGB pixels (the default drops every other column);
#: `bitexact` gives the same result on every CPU.
EXACT_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


@dataclass(frozen=True)
class Conversion:
    """One conversion between 8-bit limited-range 4:2:0 YUV and full-range RGB, in both directions.

    Attributes:
        name: the value of `colour` in clips and conditions.
        matrix: "bt709" or "bt601".
        range: range of the YUV samples, always "limited" (Y 16 to 235, U and V 16 to 240).
        siting: position of a chroma sample among its four luma samples: "left" (between the two left ones, as
            in MPEG-2 and H.264) or "center" (MPEG-1, JPEG).
        sws_flags: flags of swscale; None selects ffmpeg's defaults for untagged video, which the other fields
            do not influence.
    """

    name: str
    matrix: str
    range: str
    siting: str
    sws_flags: str | None

    def to_rgb_filter(self) -> str:
        """The ffmpeg filter from yuv420p to the planes R, G and B of `rgb_format`."""
        if self.sws_flags is None:
            return "format=rgb24"
        yuv = f"in_color_matrix={self.matrix}:in_range={self.range}:in_chroma_loc={self.siting}"
        return f"scale={yuv}:out_range=full:flags={self.sws_flags},format=gbrp,shuffleplanes=2:0:1"

    @property
    def rgb_format(self) -> str:
        """ffmpeg's pixel format of `to_rgb_filter`.

        Planes take half the time of interleaved samples, with the same values. ffmpeg's defaults for untagged
        video are those of interleaved ones.
        """
        return "rgb24" if self.sws_flags is None else "gbrp"

    def to_yuv_filter(self) -> str:
        """The ffmpeg filter from rgb24 to yuv420p."""
        if self.sws_flags is None:
            return "format=yuv420p"
        yuv = f"out_color_matrix={self.matrix}:out_range={self.range}:out_chroma_loc={self.siting}"
        return f"scale=in_range=full:{yuv}:flags={self.sws_flags},format=yuv420p"

    def dither_args(self) -> list[str]:
        """Output arguments of ffmpeg that disable dithering, which would add a pattern of one level."""
        return [] if self.sws_flags is None else ["-sws_dither", "none"]


CONVERSIONS = {
    conversion.name: conversion
    for conversion in (
        Conversion("bt709", "bt709", "limited", "left", EXACT_FLAGS),
        Conversion("bt601", "bt601", "limited", "left", EXACT_FLAGS),
        Conversion("bt601-ffmpeg", "bt601", "limited", "left", None),
    )
}


def conversion(name: str) -> Conversion:
    """The conversion with this name.

    Raises:
        BenchError: unknown name. The error lists the known ones.
    """
    if name not in CONVERSIONS:
        raise BenchError(f"colour {name!r}", "unknown conversion", f"use one of {', '.join(CONVERSIONS)}")
    return CONVERSIONS[name]


def to_rgb(
    frames: Iterable[np.ndarray], *, width: int, height: int, colour: str = "bt709"
) -> Iterator[np.ndarray]:
    """Convert yuv420p frames to RGB. Frames stream through ffmpeg, so memory does not grow with the clip.

    Args:
        frames: flat uint8 arrays of width*height*3/2 values (Y, U, V planes).
        width, height: in pixels, both even.
        colour: name of the conversion.

    Yields:
        uint8 arrays (height, width, 3), 0 to 255. In memory their planes may lie one after the other.

    Raises:
        BenchError: unknown conversion, or ffmpeg failed. Errors of `frames` are raised unchanged.
    """
    chosen = conversion(colour)
    filters = ["-vf", chosen.to_rgb_filter(), *chosen.dither_args()]
    size = width * height * 3
    for frame in _convert(frames, "yuv420p", chosen.rgb_format, filters, width, height, size):
        if chosen.rgb_format == "gbrp":
            yield frame.reshape(3, height, width).transpose(1, 2, 0)
        else:
            yield frame.reshape(height, width, 3)


def to_yuv(
    frames: Iterable[np.ndarray], *, width: int, height: int, colour: str = "bt709"
) -> Iterator[np.ndarray]:
    """Convert RGB frames (height, width, 3) to flat yuv420p frames, the reverse of `to_rgb`.

    4:2:0 keeps a quarter of the chroma samples, so the round trip is not lossless. Its PSNR is the upper
    bound of the plane metrics of every RGB decoder; `bench.scoring.measure` records it.

    Args, Yields and Raises: as `to_rgb`, with the formats exchanged.
    """
    chosen = conversion(colour)
    filters = ["-vf", chosen.to_yuv_filter(), *chosen.dither_args()]
    size = width * height * 3 // 2
    yield from _convert(frames, "rgb24", "yuv420p", filters, width, height, size)


def _convert(
    frames: Iterable[np.ndarray],
    source: str,
    target: str,
    filters: Sequence[str],
    width: int,
    height: int,
    frame_bytes: int,
) -> Iterator[np.ndarray]:
    # The frame rate has no effect on colours. Passthrough neither drops nor repeats frames.
    args = [
        *("-filter_threads", "1"),
        *raw_video_args(pixel_format=source, width=width, height=height, fps=25),
        *(*filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", target, "pipe:1"),
    ]
    yield from pipe_frames(args, frame_bytes=frame_bytes, feed=frames, where="colour conversion")
