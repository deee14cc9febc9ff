"""Intervals of BD-rates: what is drawn, and that the curves drawn are compared as all others are."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import points_data
import pytest

from bench.analysis.bjontegaard import Refusal, bd_rate
from bench.analysis.bootstrap import (
    RESAMPLES,
    bd_rates,
    generator,
    interval_of,
    mean_interval,
    resample_seeds,
)
from bench.analysis.curves import Curve
from bench.scoring.metrics import describe
from bench.tables.bd_rate import compare, overall, write_bd_rate

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
    """Points of the one curve, each with a seed of every factor of its rate."""
    rates = zip(RATES, QUALITY, strict=True)
    return [np.array([[rate * factor, quality] for factor in factors]) for rate, quality in rates]


def one_by_one(anchor: np.ndarray, test: np.ndarray) -> float:
    """The BD-rate of two curves (points, 2); NaN where it is refused."""
    try:
        return bd_rate(curve(*anchor.T), curve(*test.T)).value
    except Refusal:
        return float("nan")


@pytest.mark.parametrize("points", [(4, 4), (4, 7), (6, 5)])
def test_many_curves_at_once_are_compared_like_one(points: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    batch = []
    for n in points:
        rates = np.cumsum(random.uniform(0.02, 0.3, (50, n)), axis=1)
        # Steps of quality that differ by up to 40 times, so that the ends' slopes are held at zero too.
        quality = 30 + random.uniform(0, 1, (50, 1)) + np.cumsum(random.uniform(0.05, 2.0, (50, n)), axis=1)
        batch.append(np.stack([rates, quality], axis=-1))
    anchor, test = batch
    wanted = [one_by_one(a, b) for a, b in zip(anchor, test, strict=True)]
    assert np.isnan(wanted).sum() < 25  # a few share no quality
    assert bd_rates(anchor, test) == pytest.approx(wanted, rel=1e-10, nan_ok=True)


def test_what_cannot_be_compared_is_no_number() -> None:
    sound = np.column_stack([RATES, QUALITY])
    falls = np.column_stack([RATES, QUALITY[[0, 2, 1, 3]]])
    free = np.column_stack([RATES * [0, 1, 1, 1], QUALITY])
    apart = np.column_stack([RATES, QUALITY + 20])
    test = np.array([sound, falls, free, apart])
    found = bd_rates(np.broadcast_to(sound, test.shape), test)
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found[1:]).all()
    assert np.isnan([one_by_one(sound, one) for one in test[1:]]).all()


def test_seeds_of_the_same_result_have_an_interval_of_no_width() -> None:
    drawn = resample_seeds(seeds(1), seeds(0.5, 0.5, 0.5), generator())
    assert drawn.shape == (RESAMPLES,)
    assert interval_of(drawn) == pytest.approx((-50, -50))


def test_drawn_seeds_are_means_of_each_points_own() -> None:
    """One point has seeds that differ: its mean of three draws is one of four factors of its rate."""
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
    # Twice in three the lower one is drawn.
    low, high = min(expected), max(expected)
    assert np.mean(np.isclose(drawn, low)) == pytest.approx((2 / 3) ** 3, abs=0.04)
    assert np.mean(np.isclose(drawn, high)) == pytest.approx((1 / 3) ** 3, abs=0.02)


def test_too_few_seeds_or_seeds_that_cross_have_no_interval() -> None:
    assert resample_seeds(seeds(1), seeds(1, 1.1), generator()) is None
    few = seeds(1, 1.1, 1.2)
    few[1] = few[1][:2]
    assert resample_seeds(seeds(1), few, generator()) is None
    crossing = seeds(1, 1, 1)
    crossing[1][0, 0] = 0.5  # a draw of it alone is above the rate of the next point
    assert resample_seeds(seeds(1), crossing, generator()) is None
    # An anchor that was fitted is drawn too.
    assert resample_seeds(seeds(1, 1, 1), seeds(0.5), generator()) == pytest.approx(-50)


def test_the_mean_over_three_clips_draws_clips() -> None:
    """All means of three draws of three values are known, and with them their percentiles."""
    values = [-30.0, -20.0, 10.0]
    every = sorted(np.mean(three) for three in product(values, repeat=3))
    low, high = mean_interval(values, [None] * 3, generator())
    assert (low, high) == (every[0], every[-1])
    assert mean_interval(values[:2], [None] * 2, generator()) is None
    same = [-20.0, -20.0, -20.0]
    assert mean_interval(same, [None] * 3, generator()) == pytest.approx((-20, -20))


def test_the_mean_over_two_clips_with_seeds_draws_seeds_alone() -> None:
    spread = np.linspace(-11.0, -9.0, RESAMPLES)
    low, high = mean_interval([-10.0, 30.0], [spread, None], generator())
    assert (low, high) == pytest.approx((9.525, 10.475), abs=0.001)


def test_a_clips_draw_is_one_of_its_seeds_draws() -> None:
    narrow = mean_interval([0.0] * 3, [None] * 3, generator())
    wide = mean_interval([0.0] * 3, [np.linspace(-1, 1, RESAMPLES)] * 3, generator())
    assert narrow == (0, 0)
    # The mean of three even draws from -1 to 1 has a standard deviation of a third.
    assert wide == pytest.approx((-0.65, 0.65), abs=0.06)


def clips(n: int, **more: int) -> pd.DataFrame:
    """So many clips; on each, x265 medium is cheaper by another factor."""
    tables = []
    for index in range(n):
        table = points_data.rows(clip=f"clip{index}", references=False, **more)
        table.loc[table["codec"] == "x265-medium", "rate_bpp"] *= 1 - 0.1 * index
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def of_series(table: pd.DataFrame, series: str, clip: str):
    found = compare(table, anchor="x264-medium", metric="psnr_rgb_db")
    (one,) = (one for one in found if (one.series, one.clip) == (series, clip))
    return one


def test_intervals_are_there_from_three_clips_or_three_seeds_on() -> None:
    two, three = clips(2), clips(3)
    assert of_series(two, "x265-medium", "mean").interval is None
    mean = of_series(three, "x265-medium", "mean")
    each = [of_series(three, "x265-medium", f"clip{index}") for index in range(3)]
    assert [one.interval for one in each] == [None] * 3
    assert mean.interval == pytest.approx((min(e.rate.value for e in each), max(e.rate.value for e in each)))
    # The made-up fits lie below the anchor's lowest quality: raised, so that they share some.
    raised = clips(1, seeds=3)
    raised.loc[raised["kind"] == "fitted", "psnr_rgb_db"] += 5
    one = of_series(raised, "ffnerv-matched", "clip0")
    assert one.interval[0] < one.rate.value < one.interval[1]
    assert of_series(raised, "x265-medium", "clip0").interval is None
    assert overall([mean, *each]) == [mean]
    assert overall([one]) == [one]


def test_the_interval_is_written_and_the_same_every_time(tmp_path: Path) -> None:
    clips(4).to_csv(tmp_path / "rd_points.csv", index=False)
    written = []
    for name in ("one", "two"):
        outs = [tmp_path / f"{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
        np.random.seed(len(name) + len(written))  # noqa: NPY002 - what is global must not count
        write_bd_rate(tmp_path / "rd_points.csv", anchor="x264-medium", metrics=["psnr_rgb_db"], outs=outs)
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
