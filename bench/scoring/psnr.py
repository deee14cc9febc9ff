"""PSNR of 8-bit frames, over RGB channels and over YUV planes.

    PSNR = 10 log10(255^2 / MSE) dB,    MSE = mean squared error of the samples,

capped at 100 dB (`PSNR_CAP_DB`). The value of a clip is the mean over its frames of their PSNR, as papers on
video compression report it. The `pooled` variants are the PSNR of the mean MSE of all frames, which is at
most that mean where no frame reaches the cap (Jensen's inequality).

PSNR-YUV joins the planes of a frame in one of four ways:

| metric | weights of Y, U, V | weighted mean of |
|---|---|---|
| `psnr_yuv_db` | 6:1:1 (Ohm et al., IEEE TCSVT 2012, Eq. 2) | the planes' PSNR in dB |
| `psnr_yuv_mse_db` | 6:1:1 | the planes' MSE, of which the PSNR is taken |
| `psnr_yuv_411_db` | 4:1:1 | the planes' PSNR in dB |
| `psnr_yuv_411_mse_db` | 4:1:1 | the planes' MSE, of which the PSNR is taken |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import frame_metric
from bench.video.psnr import YUV_WEIGHTS, psnr_db, weighted_yuv_db

#: Weights of Y, U and V that are in proportion to their samples in 4:2:0.
YUV_411_WEIGHTS = (4 / 6, 1 / 6, 1 / 6)


def pooled_psnr_db(errors: Sequence[float]) -> float:
    """PSNR in dB of the mean of the frames' mean squared errors."""
    return psnr_db(float(np.mean(errors)))


@frame_metric("psnr_rgb_db")
def psnr_rgb_db(pair: FramePair) -> float:
    """PSNR over all three RGB channels, in dB."""
    return psnr_db(pair.mse_rgb)


@frame_metric("psnr_rgb_pooled_db", pool=pooled_psnr_db)
def mse_rgb(pair: FramePair) -> float:
    """Mean squared error over all three RGB channels."""
    return pair.mse_rgb


@frame_metric("psnr_y_db")
def psnr_y_db(pair: FramePair) -> float:
    """PSNR of the luma plane, in dB."""
    return psnr_db(pair.mse_yuv[0])


@frame_metric("psnr_u_db")
def psnr_u_db(pair: FramePair) -> float:
    """PSNR of the U plane, in dB."""
    return psnr_db(pair.mse_yuv[1])


@frame_metric("psnr_v_db")
def psnr_v_db(pair: FramePair) -> float:
    """PSNR of the V plane, in dB."""
    return psnr_db(pair.mse_yuv[2])


@frame_metric("psnr_yuv_db")
def psnr_yuv_db(pair: FramePair) -> float:
    """The 6:1:1 weighted mean of the PSNR of the planes, in dB."""
    return weighted_yuv_db(*(psnr_db(error) for error in pair.mse_yuv))


@frame_metric("psnr_yuv_mse_db")
def psnr_yuv_mse_db(pair: FramePair) -> float:
    """PSNR of the 6:1:1 weighted mean of the MSE of the planes, in dB."""
    return psnr_db(float(np.dot(YUV_WEIGHTS, pair.mse_yuv)))


@frame_metric("psnr_yuv_411_db")
def psnr_yuv_411_db(pair: FramePair) -> float:
    """The 4:1:1 weighted mean of the PSNR of the planes, in dB."""
    return float(np.dot(YUV_411_WEIGHTS, [psnr_db(error) for error in pair.mse_yuv]))


@frame_metric("psnr_yuv_411_mse_db")
def psnr_yuv_411_mse_db(pair: FramePair) -> float:
    """PSNR of the 4:1:1 weighted mean of the MSE of the planes, in dB: of all samples of the frame."""
    return psnr_db(float(np.dot(YUV_411_WEIGHTS, pair.mse_yuv)))


@frame_metric("psnr_y_pooled_db", pool=pooled_psnr_db)
def mse_y(pair: FramePair) -> float:
    """Mean squared error of the luma plane."""
    return pair.mse_yuv[0]
