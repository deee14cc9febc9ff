"""Mean squared error and PSNR of 8-bit samples.

PSNR = 10 log10(255^2 / MSE) dB, at most 100 dB.
"""

from __future__ import annotations

import math

import numpy as np

#: PSNR of an identical frame in dB. JSON has no infinity, and an infinite value would dominate every mean.
PSNR_CAP_DB = 100.0
#: Weights of Y, U and V in PSNR-YUV.
YUV_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
#: Samples that `mse` converts at a time.
_BLOCK = 1 << 16


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error of two uint8 arrays of equal shape, in squared levels (0 to 65,025).

    The result is exact before its division: a sum of 256 squares is an integer below 2**24, which float32
    holds exactly in any order of addition, and the sum of these sums is one below 2**53.

    Raises:
        ValueError: the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    if a.ndim == 3:  # planes, as `bench.video.colour.to_rgb` stores them: no copy
        a, b = (np.moveaxis(image, 2, 0) for image in (a, b))
    total, a, b = 0.0, a.ravel(), b.ravel()
    for start in range(0, a.size, _BLOCK):  # blocks stay in a core's cache
        difference = np.subtract(a[start : start + _BLOCK], b[start : start + _BLOCK], dtype=np.float32)
        whole = difference.size // 256 * 256
        rows, rest = difference[:whole].reshape(-1, 256), difference[whole:]
        total += float(np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64)) + float(rest @ rest)
    return total / a.size


def psnr_db(error: float) -> float:
    """PSNR in dB (0 to 100) of a mean squared error of 8-bit samples."""
    return PSNR_CAP_DB if error <= 0 else min(PSNR_CAP_DB, 10 * math.log10(255**2 / error))


def weighted_yuv_db(y_db: float, u_db: float, v_db: float) -> float:
    """The 6:1:1 weighted mean of the PSNR of three planes, in dB."""
    return sum(weight * db for weight, db in zip(YUV_WEIGHTS, (y_db, u_db, v_db), strict=True))
