"""BD-rates of real data: saturated, duplicate, crossing and non-monotonic points, against values by hand.

All curves here are lines over log10(rate), which PCHIP interpolates exactly. The anchor gains 3 dB for each
doubling of the rate: log10(rate) = log10(0.1) + (q - 30) / 3 * log10(2).
"""

from __future__ import annotations

from dataclasses import replace

import bjontegaard
import numpy as np
import pytest

from bench.analysis.bjontegaard import NotComparable, bd_quality, bd_rate, rate_differences
from bench.analysis.curves import Curve
from bench.analysis.usable_points import usable
from bench.scoring.metrics import describe

RATES, QUALITY = (0.1, 0.2, 0.4, 0.8), (30.0, 33.0, 36.0, 39.0)


def curve(
    rates: list[float] | tuple[float, ...],
    quality: list[float] | tuple[float, ...],
    *,
    label: str = "one",
    metric: str = "psnr_rgb_db",
) -> Curve:
    values = np.array(quality, float)
    return Curve(
        series=label, codec=label, label=label, kind="classical", reference=False, epochs=None,
        metric=describe(metric), points=tuple(f"p{i}" for i in range(len(rates))),
        rate_bpp=np.array(rates, float), quality=values, quality_low=values, quality_high=values,
        clips=("a",), seeds=1,
    )  # fmt: skip


ANCHOR = curve(RATES, QUALITY, label="anchor")


def test_a_duplicate_point_is_left_out_and_the_value_is_that_without_it():
    """Half the rate at each quality: -50 %."""
    twice = curve([0.05, 0.1, 0.1, 0.2, 0.4], [30.0, 33.0, 33.0, 36.0, 39.0])
    delta = bd_rate(ANCHOR, twice)
    assert delta.value == pytest.approx(-50)
    assert delta.notes == ("one without p2, duplicate",)
    assert bd_quality(ANCHOR, twice).value == pytest.approx(3)


def test_a_point_that_costs_more_and_is_worse_is_left_out_and_the_value_is_that_without_it():
    """Twice the rate at each quality: +100 %. p2 costs more than p1 and has 1 dB less."""
    dented = curve([0.2, 0.4, 0.5, 0.8, 1.6], [30.0, 33.0, 32.0, 36.0, 39.0])
    delta = bd_rate(ANCHOR, dented)
    assert delta.value == pytest.approx(100)
    assert delta.notes == ("one without p2, not monotonic in PSNR-RGB",)
    assert (delta.low, delta.high, delta.share) == (30, 39, 1)


def test_of_two_points_of_one_rate_the_better_one_is_used():
    kept, notes = usable(curve([0.1, 0.2, 0.2, 0.4], [30.0, 32.0, 33.0, 36.0]))
    assert kept.points == ("p0", "p2", "p3")
    assert notes == ("one without p1, not monotonic in PSNR-RGB",)


def test_crossing_curves_have_the_mean_of_both_signs():
    """The test gains 6 dB for each doubling from 0.2 bpp; the curves cross at 36 dB.

    log10 of the ratio of the rates is log10(2) * (1 - t) at q = 30 + 6t with t from 0 to 1.5, so its mean is
    log10(2) / 4: 18.92 %.
    """
    steep = curve([0.2, 0.2 * 2**0.5, 0.4, 0.4 * 2**0.5], [30.0, 33.0, 36.0, 39.0])
    assert bd_rate(ANCHOR, steep).value == pytest.approx(100 * (2**0.25 - 1))
    quality, percent = rate_differences(ANCHOR, steep, count=4)
    assert list(quality) == pytest.approx([30, 33, 36, 39])
    assert list(percent) == pytest.approx([100, 100 * (2**0.5 - 1), 0, 100 * (2**-0.5 - 1)])


def test_a_saturated_vmaf_ends_the_curve_as_in_the_common_test_conditions_of_aom():
    """The VMAF of p5 falls from 99.8 to 99.7: p5 and all points of higher rates are left out."""
    rates = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
    anchor = curve(rates[:5], [90, 92, 94, 96, 98], label="anchor", metric="vmaf")
    saturated = curve([r / 2 for r in rates], [90, 92, 94, 96, 99.8, 99.7, 99.9], metric="vmaf")
    kept, notes = usable(saturated)
    assert kept.points == ("p0", "p1", "p2", "p3", "p4")
    assert notes == ("one without p5, p6, where VMAF is saturated",)
    # p4 costs as much as the anchor's p3 and is 3.8 better; below 96 both are lines with half the rate.
    low = replace(saturated, **{n: getattr(saturated, n)[:4] for n in ("points", "rate_bpp", "quality")})
    assert bd_rate(anchor, low).value == pytest.approx(-50)
    assert bd_rate(anchor, saturated).notes == notes


def test_a_falling_vmaf_below_saturation_is_only_not_monotonic():
    kept, notes = usable(curve([0.1, 0.2, 0.4, 0.8], [90, 89, 95, 98], metric="vmaf"))
    assert kept.points == ("p0", "p2", "p3")
    assert notes == ("one without p1, not monotonic in VMAF",)


def test_points_at_the_ceiling_and_above_saturation_have_their_notes():
    kept, notes = usable(curve([1, 2, 4, 8, 16], [98, 99.6, 99.5, 100, 100], metric="vmaf"))
    assert kept.points == ("p0", "p1")
    assert notes == (
        "one without p3, p4, at the ceiling of VMAF (100)",
        "one without p2, where VMAF is saturated",
    )


def test_the_upper_hull_leaves_out_points_below_it():
    """p1 lies 1 dB below the line from p0 to p2 over log10(rate)."""
    dip = curve([0.05, 0.1, 0.2, 0.4, 0.8], [30.0, 32.0, 36.0, 38.5, 40.0])
    kept, notes = usable(dip, upper_hull=True)
    assert kept.points == ("p0", "p2", "p3", "p4")
    assert notes == ("one without p1, below the upper hull",)
    assert usable(dip)[0].points == dip.points
    hull = bd_rate(ANCHOR, dip, upper_hull=True)
    assert hull.notes == notes
    assert hull.value < bd_rate(ANCHOR, dip).value


def test_fewer_than_four_usable_points_are_not_comparable_and_the_reason_names_them():
    with pytest.raises(NotComparable) as error:
        bd_rate(ANCHOR, curve(RATES, [30.0, 33.0, 32.0, 39.0]))
    assert error.value.reason == ("one has 3 points, 4 needed; one without p2, not monotonic in PSNR-RGB")


def test_the_bjontegaard_package_agrees_on_the_usable_points():
    random = np.random.default_rng(0)
    for _ in range(20):
        rates = np.sort(random.uniform(0.05, 1.0, 8))
        one = curve(list(rates), list(30 + 3 * np.log2(rates / 0.1) + random.normal(0, 1.5, 8)))
        kept = usable(one)[0]
        if len(kept.points) < 4:
            continue
        expected = bjontegaard.bd_rate(
            ANCHOR.rate_bpp, ANCHOR.quality, kept.rate_bpp, kept.quality,
            method="pchip", require_matching_points=False, min_overlap=0,
        )  # fmt: skip
        assert bd_rate(ANCHOR, one).value == pytest.approx(expected, rel=1e-6)


def test_relative_differences_average_to_the_bd_rate():
    test = curve([0.08, 0.15, 0.35, 0.9], [30.5, 32.0, 36.5, 39.5])
    quality, percent = rate_differences(ANCHOR, test, count=20001)
    mean = np.log10(1 + percent / 100).mean()  # at equally spaced qualities
    assert 100 * (10**mean - 1) == pytest.approx(bd_rate(ANCHOR, test).value, rel=1e-3)
    assert (quality[0], quality[-1]) == (30.5, 39)
