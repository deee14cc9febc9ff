"""The only place where YUV becomes RGB and RGB becomes YUV.

A conversion is named by what decides its result: matrix, range, chroma siting, and the filters
that bring chroma up and down. Networks are fitted to RGB frames made here, and an RGB decoder's
frames come back to planes here, so no two codecs are scored through different colours.

``bt709`` is the suite's own. ``bt601-ffmpeg`` is what a plain ``ffmpeg -i clip.yuv %04d.png``
does to a clip without tags (BT.601, nearest chroma, some levels off): most published NeRV-like
curves were measured on such frames, and their PSNR may be compared with no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import pipe_frames, raw_video_args

#: swscale's flags: bicubic chroma in both directions, rounded rightly, the same on every CPU.
EXACT_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


@dataclass(frozen=True)
class Conversion:
    """One way between 8-bit limited 4:2:0 YUV and full-range RGB.

    Attributes:
        name: what clips and conditions call it.
        matrix: "bt709" or "bt601".
        range: range of the YUV side, always "limited".
        siting: where a chroma sample sits among its four luma samples: "left" (MPEG-2, H.264) or
            "center" (MPEG-1, JPEG).
        sws_flags: swscale's flags; None leaves everything to ffmpeg's defaults for untagged video.
    """

    name: str
    matrix: str
    range: str
    siting: str
    sws_flags: str | None

    def to_rgb_filter(self) -> str:
        """The ffmpeg filter that turns yuv420p into rgb24."""
        if self.sws_flags is None:
            return "format=rgb24"
        yuv = f"in_color_matrix={self.matrix}:in_range={self.range}:in_chroma_loc={self.siting}"
        return f"scale={yuv}:out_range=full:flags={self.sws_flags},format=rgb24"

    def to_yuv_filter(self) -> str:
        """The ffmpeg filter that turns rgb24 into yuv420p."""
        if self.sws_flags is None:
            return "format=yuv420p"
        yuv = f"out_color_matrix={self.matrix}:out_range={self.range}:out_chroma_loc={self.siting}"
        return f"scale=in_range=full:{yuv}:flags={self.sws_flags},format=yuv420p"

    def dither_args(self) -> list[str]:
        """ffmpeg's output arguments that turn dithering off."""
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
    """The conversion of that name.

    Raises:
        BenchError: there is none; the known names are listed.
    """
    if name not in CONVERSIONS:
        raise BenchError(f"colour {name!r}", "is no known conversion", f"use one of {', '.join(CONVERSIONS)}")
    return CONVERSIONS[name]


def to_rgb(
    frames: Iterable[np.ndarray], *, width: int, height: int, colour: str = "bt709"
) -> Iterator[np.ndarray]:
    """Turn yuv420p frames into RGB, a few frames at a time.

    Args:
        frames: flat uint8 arrays of width*height*3/2 bytes (Y, U, V planes); both sides are even.
        colour: name of the conversion.

    Yields:
        uint8 arrays (height, width, 3), full range.
    """
    chosen = conversion(colour)
    filters = ["-vf", chosen.to_rgb_filter(), *chosen.dither_args()]
    size = width * height * 3
    for frame in _convert(frames, "yuv420p", "rgb24", filters, width, height, size):
        yield frame.reshape(height, width, 3)


def to_yuv(
    frames: Iterable[np.ndarray], *, width: int, height: int, colour: str = "bt709"
) -> Iterator[np.ndarray]:
    """Turn RGB frames (height, width, 3) into flat yuv420p frames: the way back of `to_rgb`.

    4:2:0 keeps a quarter of the chroma, so the trip there and back is not lossless; its PSNR
    is the ceiling of every RGB decoder's plane metrics (`bench.scoring.measure` records it).
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
    # The frame rate does nothing to colours; passthrough keeps every frame.
    args = [
        *("-filter_threads", "1"),
        *raw_video_args(pixel_format=source, width=width, height=height, fps=25),
        *(*filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", target, "pipe:1"),
    ]
    yield from pipe_frames(args, frame_bytes=frame_bytes, feed=frames, where="colour conversion")
