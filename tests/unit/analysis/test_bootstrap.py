"""Bootstrap intervals of BD-rates: what is drawn, and against direct computation."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import points_data
import pytest

from bench.analysis.bjontegaard import NotComparable, bd_rate
from bench.analysis.bootstrap import (
    RESAMPLES,
    generator,
    interval_of,
    mean_interval,
    resample_seeds,
)
from bench.analysis.comparison import Comparison, compare, overall
from bench.analysis.curves import Curve
from bench.scoring.metrics import describe
from bench.tables.bd_rate import write_bd_rate

RATES = np.array([0.1, 0.2, 0.4, 0.8])
QUALITY = np.array([30.0, 33.0, 35.5, 37.5])


def curve(rates: np.ndarray, quality: np.ndarray) -> Curve:
    names = tuple(f"p{index}" for index in range(len(rates)))
    return Curve(
        series="one", codec="one", label="one", kind="classical", reference=False, epochs=None,
        metric=describe("psnr_rgb_db"), points=names, rate_bpp=rates, quality=quality, quality_low=quality,
        quality_high=quality, clips=("clip",), seeds=1,
    )  # fmt: skip


def seeds(*factors: float) -> list[np.ndarray]:
    """Points of the curve, each with one seed for every factor of its rate."""
    rates = zip(RATES, QUALITY, strict=True)
    return [np.array([[rate * factor, quality] for factor in factors]) for rate, quality in rates]


@pytest.mark.parametrize("points", [(4, 4), (4, 7), (6, 5)])
def test_resamples_are_bd_rates_of_the_drawn_curves(points: tuple[int, int]) -> None:
    """One seed of one point differs, so there are four resampled curves, which are computed directly."""
    random = np.random.default_rng(3)
    curves = []
    for n in points:
        rates = np.cumsum(random.uniform(0.1, 0.3, n))
        # Steps of quality differ by up to 40 times, so that PCHIP limits the slopes at the ends too.
        quality = 30 + random.uniform(0, 1) + np.cumsum(random.uniform(0.05, 2.0, n))
        curves.append(np.column_stack([rates, quality]))
    anchor, test = curves
    seeds_of_test = [np.array([point] * 3) for point in test]
    middle, step = len(test) // 2, np.array([0.05, 0.02])
    seeds_of_test[middle][2] += step
    drawn = resample_seeds([point[None] for point in anchor], seeds_of_test, generator())
    assert drawn is not None
    expected = []
    for count in range(4):  # how often the differing seed is drawn
        curve_of_draw = test.copy()
        curve_of_draw[middle] += step * count / 3
        expected.append(bd_rate(curve(*anchor.T), curve(*curve_of_draw.T)).value)
    distance = np.abs(drawn[:, None] - np.array(expected)).min(axis=1)
    assert distance.max() < 1e-9
    assert {int(np.abs(value - np.array(expected)).argmin()) for value in drawn} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("rates", "quality"),
    [(RATES, QUALITY[[0, 2, 1, 3]]), (RATES * [0, 1, 1, 1], QUALITY), (RATES, QUALITY + 20)],
    ids=["falling", "rate of zero", "no overlap"],
)
def test_curves_that_are_not_comparable_have_no_resamples(rates: np.ndarray, quality: np.ndarray) -> None:
    with pytest.raises(NotComparable, match=r"not monotonic|rate of zero|no overlap"):
        bd_rate(curve(RATES, QUALITY), curve(rates, quality))
    points = [np.array([[rate, value]] * 3) for rate, value in zip(rates, quality, strict=True)]
    assert resample_seeds(seeds(1), points, generator()) is None


def test_equal_seeds_have_an_interval_of_width_zero() -> None:
    drawn = resample_seeds(seeds(1), seeds(0.5, 0.5, 0.5), generator())
    assert drawn is not None
    assert drawn.shape == (RESAMPLES,)
    assert interval_of(drawn) == pytest.approx((-50, -50))


def test_resamples_are_means_of_drawn_seeds_at_each_point() -> None:
    """One point has different seeds. The mean of three draws is one of four factors of its rate."""
    test = seeds(1, 1, 1)
    test[2][:, 0] *= [0.9, 0.9, 1.2]
    drawn = resample_seeds(seeds(1), test, generator())
    sound = np.column_stack([RATES, QUALITY])
    expected = set()
    for high in range(4):
        one = sound * [1, 1]
        one[2, 0] *= (0.9 * (3 - high) + 1.2 * high) / 3
        expected.add(round(bd_rate(curve(*sound.T), curve(*one.T)).value, 9))
    assert {round(value, 9) for value in drawn} == expected
    # The lower rate is drawn with probability 2/3.
    low, high = min(expected), max(expected)
    assert np.mean(np.isclose(drawn, low)) == pytest.approx((2 / 3) ** 3, abs=0.04)
    assert np.mean(np.isclose(drawn, high)) == pytest.approx((1 / 3) ** 3, abs=0.02)


def test_few_seeds_and_crossing_points_have_no_interval() -> None:
    assert resample_seeds(seeds(1), seeds(1, 1.1), generator()) is None
    few = seeds(1, 1.1, 1.2)
    few[1] = few[1][:2]
    assert resample_seeds(seeds(1), few, generator()) is None
    crossing = seeds(1, 1, 1)
    crossing[1][0, 0] = 0.5  # drawn three times, its rate exceeds that of the next point
    assert resample_seeds(seeds(1), crossing, generator()) is None
    # The seeds of the anchor are drawn too.
    assert resample_seeds(seeds(1, 1, 1), seeds(0.5), generator()) == pytest.approx(-50)


def test_the_interval_of_a_mean_over_three_clips_draws_clips() -> None:
    """All 27 means of three draws of three values are known, and so are their percentiles."""
    values = [-30.0, -20.0, 10.0]
    every = sorted(np.mean(three) for three in product(values, repeat=3))
    low, high = mean_interval(values, [None] * 3, generator())
    assert (low, high) == (every[0], every[-1])
    assert mean_interval(values[:2], [None] * 2, generator()) is None
    same = [-20.0, -20.0, -20.0]
    assert mean_interval(same, [None] * 3, generator()) == pytest.approx((-20, -20))


def test_the_interval_of_a_mean_over_two_clips_draws_only_seeds() -> None:
    spread = np.linspace(-11.0, -9.0, RESAMPLES)
    low, high = mean_interval([-10.0, 30.0], [spread, None], generator())
    assert (low, high) == pytest.approx((9.525, 10.475), abs=0.001)


def test_a_drawn_clip_has_the_value_of_a_drawn_resample() -> None:
    narrow = mean_interval([0.0] * 3, [None] * 3, generator())
    wide = mean_interval([0.0] * 3, [np.linspace(-1, 1, RESAMPLES)] * 3, generator())
    assert narrow == (0, 0)
    # The mean of three uniform draws from -1 to 1 has a standard deviation of 1/3.
    assert wide == pytest.approx((-0.65, 0.65), abs=0.06)


def clips(n: int, **more: int) -> pd.DataFrame:
    """n clips; x265 medium has another factor of rate on each."""
    tables = []
    for index in range(n):
        table = points_data.rows(clip=f"clip{index}", references=False, **more)
        table.loc[table["codec"] == "x265-medium", "rate_bpp"] *= 1 - 0.1 * index
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def of_series(table: pd.DataFrame, series: str, clip: str) -> Comparison:
    comparisons = compare(table, anchor="x264-medium", metric="psnr_rgb_db")
    (one,) = (one for one in comparisons if (one.series, one.clip) == (series, clip))
    return one


@pytest.mark.slow
def test_intervals_need_three_clips_or_three_seeds() -> None:
    two, three = clips(2), clips(3)
    assert of_series(two, "x265-medium", "mean").interval is None
    mean = of_series(three, "x265-medium", "mean")
    each = [of_series(three, "x265-medium", f"clip{index}") for index in range(3)]
    assert [one.interval for one in each] == [None] * 3
    assert mean.interval == pytest.approx((min(e.rate.value for e in each), max(e.rate.value for e in each)))
    # Raised, so that the fits have qualities in common with the anchor.
    raised = clips(1, seeds=3)
    raised.loc[raised["kind"] == "fitted", "psnr_rgb_db"] += 5
    one = of_series(raised, "ffnerv-matched", "clip0")
    assert one.interval[0] < one.rate.value < one.interval[1]
    assert of_series(raised, "x265-medium", "clip0").interval is None
    without = compare(three, anchor="x264-medium", metric="psnr_rgb_db", intervals=False)
    assert all(one.interval is None for one in without)
    assert overall([mean, *each]) == [mean]
    assert overall([one]) == [one]


def test_the_interval_is_written_and_reproducible(tmp_path: Path) -> None:
    clips(4).to_csv(tmp_path / "rd_points.csv", index=False)
    written = []
    for name in ("one", "two"):
        outs = [tmp_path / f"{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
        np.random.seed(len(name) + len(written))  # noqa: NPY002 - the global generator must not matter
        write_bd_rate(tmp_path / "rd_points.csv", anchor="x264-medium", metrics=["psnr_rgb_db"], outputs=outs)
        written.append([out.read_bytes() for out in outs])
    assert written[0] == written[1]
    rows = {(row["series"], row["clip"]): row for row in csv.DictReader(outs[0].open())}
    mean = rows["x265-medium", "mean"]
    ends = [float(mean[name]) for name in ("bd_rate_low", "bd_rate_percent", "bd_rate_high")]
    assert ends == sorted(ends)
    assert rows["x265-medium", "clip0"]["bd_rate_low"] == ""
    minus = "\N{MINUS SIGN}"
    shown = f"{ends[1]:.1f} [{ends[0]:.1f}, {ends[2]:.1f}]".replace("-", minus)
    md = outs[1].read_text()
    assert shown in md
    assert "95 % interval" in md
    assert "{[}$-$" in outs[2].read_text()
