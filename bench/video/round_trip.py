"""The round trip of a clip: its frames, converted to the other form and back (`bench.video.clip`)."""

from __future__ import annotations

import numpy as np

from bench.video.clip import Clip, planes
from bench.video.colour import to_rgb, to_yuv
from bench.video.psnr import mse, psnr_db, weighted_yuv_db


def round_trip_psnr_db(clip: Clip) -> float:
    """PSNR (mean over frames, dB) of the clip's own frames after conversion to the other form and back.

    PSNR-YUV (6:1:1) where the truth is YUV, PSNR-RGB where it is RGB.
    """
    info = clip.info
    values = []
    if info.truth == "rgb":
        converted = to_rgb(clip.frames(), width=info.width, height=info.height, colour=info.colour)
        for frame, round_trip in zip(clip.rgb(), converted, strict=True):
            values.append(psnr_db(mse(frame, round_trip)))
        return float(np.mean(values))
    converted = to_yuv(clip.rgb(), width=info.width, height=info.height, colour=info.colour)
    for frame, round_trip in zip(clip.frames(), converted, strict=True):
        pairs = zip(*(planes(one, info.width, info.height) for one in (frame, round_trip)), strict=True)
        values.append(weighted_yuv_db(*(psnr_db(mse(a, b)) for a, b in pairs)))
    return float(np.mean(values))
