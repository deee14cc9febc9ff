"""SI and TI of ITU-T P.910, against values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bench.video.siti import sobel, spatial_temporal


def test_a_ramp_has_a_constant_gradient_and_no_si():
    """One level a column: the horizontal gradient is 8 everywhere, so its standard deviation is 0."""
    ramp = np.tile(np.arange(10, dtype=np.uint8), (6, 1))
    assert (sobel(ramp.astype(float)) == 8).all()
    one = spatial_temporal([ramp, ramp])
    assert (one.si, one.ti) == (0, 0)


def test_an_edge_has_the_si_of_two_columns_by_hand():
    """0 and 100 beside each other: the gradient is 400 in 2 of 6 inner columns and 0 in the others."""
    edge = np.repeat([[0, 0, 0, 0, 100, 100, 100, 100]], 5, axis=0).astype(np.uint8)
    mean = 2 * 400 / 6
    assert spatial_temporal([edge]).si == pytest.approx(np.sqrt(2 * 400**2 / 6 - mean**2))


def test_the_gradient_is_that_of_scipy():
    plane = np.random.default_rng(0).uniform(0, 255, (12, 17))
    expected = np.hypot(ndimage.sobel(plane, axis=0), ndimage.sobel(plane, axis=1))[1:-1, 1:-1]
    assert sobel(plane) == pytest.approx(expected)


def test_ti_is_the_maximum_and_the_mean_over_frames():
    """Half of the pixels rise by 20, then by 40: standard deviations of 10 and 20."""
    frames = [np.zeros((4, 4)) for _ in range(3)]
    frames[1][:2] = 20
    frames[2][:2] = 60
    one = spatial_temporal(frames)
    assert (one.ti, one.ti_mean) == (20, 15)
    assert spatial_temporal(frames[:1]).ti == 0
