"""Curves and Bjontegaard differences, compared with an independent implementation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bjontegaard
import numpy as np
import pandas as pd
import points_data
import pytest

from bench.analysis.bjontegaard import NotComparable, bd_quality, bd_rate, quality_at, rate_at
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import series_label
from bench.analysis.rd_points import comparable_rows, load_points, nearest_points, rows_of_most_series
from bench.base.errors import BenchError
from bench.scoring.metrics import Metric, describe

RATES = [0.05, 0.1, 0.2, 0.4, 0.8]
QUALITY = [30.0, 32.9, 35.6, 38.0, 40.1]


def curve(rates: list[float], quality: list[float], name: str = "one") -> Curve:
    points = tuple(f"p{index}" for index in range(len(rates)))
    values = np.asarray(quality, float)
    return Curve(
        series=name, codec=name, label=name, kind="classical", reference=False, epochs=None,
        metric=describe("psnr_rgb_db"), points=points, rate_bpp=np.asarray(rates, float), quality=values,
        quality_low=values, quality_high=values, clips=("clip",), seeds=1,
    )  # fmt: skip


def random_curve(random: np.random.Generator, n: int) -> Curve:
    rates = np.cumsum(random.uniform(0.03, 0.2, n))
    quality = random.uniform(30, 30.5) + np.cumsum(random.uniform(0.8, 2.0, n))
    return curve(list(rates), list(quality))


@pytest.mark.parametrize("seed", range(12))
def test_differences_match_the_bjontegaard_package(seed):
    random = np.random.default_rng(seed)
    anchor, test = random_curve(random, 4 + seed % 4), random_curve(random, 4 + seed % 3)
    data = anchor.rate_bpp, anchor.quality, test.rate_bpp, test.quality
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    assert bd_rate(anchor, test).value == pytest.approx(bjontegaard.bd_rate(*data, **options), rel=1e-9)
    assert bd_quality(anchor, test).value == pytest.approx(bjontegaard.bd_psnr(*data, **options), rel=1e-9)


def test_half_the_rate_everywhere_is_minus_fifty_percent():
    delta = bd_rate(curve(RATES, QUALITY), curve([rate / 2 for rate in RATES], QUALITY))
    assert delta.value == pytest.approx(-50)
    assert (delta.low, delta.high, delta.share, delta.remark) == (30.0, 40.1, pytest.approx(1), "")


def test_one_decibel_more_everywhere_is_one_decibel():
    delta = bd_quality(curve(RATES, QUALITY), curve(RATES, [value + 1 for value in QUALITY]))
    assert delta.value == pytest.approx(1)
    assert (delta.low, delta.high) == (pytest.approx(0.05), pytest.approx(0.8))


def test_three_points_are_not_comparable():
    with pytest.raises(NotComparable, match="short has 3 points, 4 needed"):
        bd_rate(curve(RATES, QUALITY), curve(RATES[:3], QUALITY[:3], "short"))


def test_curves_without_overlap_are_not_comparable():
    low = curve(RATES, [value - 20 for value in QUALITY])
    with pytest.raises(NotComparable) as error:
        bd_rate(curve(RATES, QUALITY), low)
    assert error.value.reason == "no overlap: 10.00 to 20.10 against 30.00 to 40.10 PSNR-RGB (dB)"
    far = curve([rate * 100 for rate in RATES], QUALITY)
    with pytest.raises(NotComparable, match=r"no overlap: 5 to 80 against 0\.05 to 0\.8 bpp"):
        bd_quality(curve(RATES, QUALITY), far)


def test_a_point_that_is_not_monotonic_is_left_out_and_named():
    """p2 costs more than p1 and is worse; p4 costs more than p3 and is not better."""
    dented = curve(RATES, [30.0, 32.9, 32.5, 38.0, 38.0], "dented")
    with pytest.raises(NotComparable) as error:
        bd_rate(curve(RATES, QUALITY), dented)
    note = "dented without p2, p4, not monotonic in PSNR-RGB"
    assert error.value.reason == f"dented has 3 points, 4 needed; {note}"


def test_a_rate_of_zero_is_not_comparable():
    with pytest.raises(NotComparable, match="rate of zero"):
        bd_rate(curve(RATES, QUALITY), curve([0.0, 0.1, 0.2, 0.4], QUALITY[:4]))


@pytest.mark.parametrize(("shift", "remark"), [(4.0, ""), (6.06, "partial overlap of qualities: 40 %")])
def test_a_small_overlap_has_a_value_and_a_remark(shift, remark):
    delta = bd_rate(curve(RATES, QUALITY), curve(RATES, [value - shift for value in QUALITY]))
    assert delta.remark == remark
    assert delta.value > 0


def test_a_narrow_curve_inside_a_wide_one_overlaps_fully():
    narrow = curve(RATES[:4], [33.0, 34.0, 35.0, 36.0])
    assert bd_rate(curve(RATES, QUALITY), narrow).share == pytest.approx(1)
    assert bd_rate(narrow, curve(RATES, QUALITY)).remark == ""


def test_quality_at_and_rate_at_are_inverse():
    one = curve(RATES, QUALITY)
    assert quality_at(one, 0.1) == pytest.approx(32.9)
    assert rate_at(one, 40.1) == pytest.approx(0.8)
    # The two interpolations are inverse only approximately.
    assert rate_at(one, quality_at(one, 0.3)) == pytest.approx(0.3, rel=0.01)


def test_there_are_no_values_outside_a_curve():
    for ask in (lambda: quality_at(curve(RATES, QUALITY), 0.9), lambda: rate_at(curve(RATES, QUALITY), 29.9)):
        with pytest.raises(NotComparable, match="no points on both sides"):
            ask()


def rows_of(**columns) -> pd.DataFrame:
    return points_data.rows().assign(**columns)


def write(folder: Path, rows: pd.DataFrame) -> Path:
    rows.to_csv(folder / "rd_points.csv", index=False)
    return folder / "rd_points.csv"


def test_points_of_reference_runs_are_a_separate_series(tmp_path):
    rows = load_points(write(tmp_path, points_data.rows().drop(columns="series")))
    result = {one.series: one for one in curves(rows, "psnr_rgb_db")}
    reference, short = result["ffnerv-matched (reference)"], result["ffnerv-matched"]
    assert (reference.reference, reference.epochs) == (True, 150)
    assert (short.reference, short.epochs) == (False, 18)
    assert reference.full_label == "FFNeRV, reference fit, 150 epochs"
    assert short.full_label == "FFNeRV, 18 epochs"
    assert list(reference.rate_bpp) == sorted(reference.rate_bpp)
    assert list(result)[:4] == list(points_data.CLASSICAL)


def test_a_point_is_the_mean_over_clips_of_the_mean_over_seeds(tmp_path):
    table = pd.concat([points_data.rows(seeds=3), points_data.rows(clip="other")])
    table.loc[table["clip"] == "other", "psnr_rgb_db"] -= 2
    rows = load_points(write(tmp_path, table))
    result = {one.series: one for one in curves(rows, "psnr_rgb_db")}["ffnerv-matched"]
    here = rows[(rows["codec"] == "ffnerv-matched") & ~rows["reference"] & (rows["point"] == "bpp0.12")]
    first = here[here["clip"] != "other"]["psnr_rgb_db"]
    second = here[here["clip"] == "other"]["psnr_rgb_db"].item()
    assert result.quality[0] == pytest.approx((first.mean() + second) / 2)
    assert result.quality_low[0] == pytest.approx((first.min() + second) / 2)
    assert result.quality_high[0] == pytest.approx((first.max() + second) / 2)
    assert (result.seeds, result.clips) == (3, (points_data.CLIP, "other"))


def test_a_point_missing_on_one_clip_is_not_in_the_mean_curve(tmp_path):
    table = pd.concat([points_data.rows(), points_data.rows(clip="other")])
    gone = (table["clip"] == "other") & (table["codec"] == "x264-medium") & (table["point"] == "crf23")
    rows = load_points(write(tmp_path, table[~gone]))
    result = {one.series: one for one in curves(rows, "psnr_rgb_db")}["x264-medium"]
    assert "crf23" not in result.points
    assert len(result.points) == 4
    alone = {one.series: one for one in curves(rows, "psnr_rgb_db", clip=points_data.CLIP)}["x264-medium"]
    assert "crf23" in alone.points


def test_series_are_compared_on_the_clips_that_they_share():
    """Means of a series that lacks a clip would stand beside means over other clips."""
    second = points_data.rows(clip="other")
    rows = pd.concat([points_data.rows(), second[second["codec"] != "nerv-matched"]])
    assert "nerv-matched" not in {curve.codec for curve in curves(rows, "vmaf")}
    assert "nerv-matched" in {curve.codec for curve in curves(rows, "vmaf", every_clip=False)}
    of_one, of_both = comparable_rows(rows)
    assert set(of_one["clip"]) == {points_data.CLIP}
    assert set(of_one["codec"]) == set(rows["codec"])
    assert set(of_both["clip"]) == {points_data.CLIP, "other"}
    assert set(of_both["codec"]) == set(rows["codec"]) - {"nerv-matched"}
    assert set(rows_of_most_series(rows)["clip"]) == {points_data.CLIP}
    controls = rows[rows["kind"] == "control"]
    assert len(comparable_rows(controls)) == 1


def test_points_without_a_value_are_left_out(tmp_path):
    table = points_data.rows()
    table.loc[table["codec"] == "x264-medium", "vmaf"] = None
    rows = load_points(write(tmp_path, table))
    assert "x264-medium" not in {one.series for one in curves(rows, "vmaf")}
    assert "x264-medium" in {one.series for one in curves(rows, "psnr_y_db")}


def test_ms_ssim_in_decibels(tmp_path):
    rows = load_points(write(tmp_path, rows_of(ms_ssim_rgb=0.99, ms_ssim_y=1.0)))
    assert rows["ms_ssim_rgb_db"].to_numpy() == pytest.approx(20.0)
    assert rows["ms_ssim_y_db"].isna().all()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such file; collect the records"),
        ("", "is not a CSV table"),
        ("\x00\n1,2\n3,4,5\n", "is not a CSV table|no column"),
        ("a,b\n1,2\n", "no column condition, clip"),
        ("condition,clip,codec,label,kind,point,run,seed,rate_bpp\n", "no points yet"),
    ],
)
def test_a_wrong_table_is_an_error_in_one_line(tmp_path, text, problem):
    path = tmp_path / "rd_points.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BenchError, match=problem):
        load_points(path)


def test_rows_of_two_conditions_are_an_error(tmp_path):
    table = pd.concat([points_data.rows(), points_data.rows().assign(condition="other-v1")])
    with pytest.raises(BenchError, match=r"2 conditions \(demo-v1, other-v1\)"):
        load_points(write(tmp_path, table))


def test_unknown_columns_and_clips_are_errors(tmp_path):
    rows = load_points(write(tmp_path, points_data.rows()))
    with pytest.raises(BenchError, match="no column psnr"):
        curves(rows, "psnr")
    with pytest.raises(BenchError, match=r"no clip bikes.*bunny-320x180"):
        curves(rows, "vmaf", clip="bikes")


def test_the_nearest_point_is_nearest_by_ratio_and_of_the_lowest_seed(tmp_path):
    rows = load_points(write(tmp_path, points_data.rows(seeds=2)))
    chosen = nearest_points(rows, clip=points_data.CLIP, rate_bpp=0.28)
    assert chosen.loc["ffnerv-matched", "point"] == "bpp0.27"
    assert chosen.loc["ffnerv-matched", "run"] == "seed0"
    assert chosen.loc["ffnerv-matched (reference)", "run"] == "reference-seed0"
    # 0.3983 bpp is nearer by ratio (1.42 against 1.45), though 0.1935 bpp is by difference.
    assert chosen.loc["x264-medium", "point"] == "crf28"
    assert not {"identity", "mean-frame"} & set(chosen["series"])
    assert list(chosen["series"]) == [
        s for s in rows["series"].drop_duplicates() if s in set(chosen["series"])
    ]


def test_labels_state_the_length_of_a_fit():
    assert series_label("A", kind="classical", reference=False, epochs=None) == "A"
    assert series_label("A", kind="fitted", reference=False, epochs=1) == "A, 1 epoch"
    assert series_label("A", kind="fitted", reference=True, epochs=None) == "A, reference fit"


ERROR = Metric(name="error", digits=1, higher_is_better=False, ceiling=0)


def error_curve(rates: list[float], errors: list[float]) -> Curve:
    return replace(curve(rates, errors), metric=ERROR)


def test_where_lower_values_are_better_differences_are_those_of_the_negative_metric():
    rates, errors = [rate * 0.7 for rate in RATES], [60 - value for value in QUALITY]
    anchor, test = error_curve(RATES, errors), error_curve(rates, [error - 1 for error in errors])
    mirrored = curve(RATES, QUALITY), curve(rates, [value + 1 for value in QUALITY])
    rate, quality = bd_rate(anchor, test), bd_quality(anchor, test)
    assert rate.value == pytest.approx(bd_rate(*mirrored).value)
    assert rate.value < -30  # fewer bits
    assert (rate.low, rate.high) == (pytest.approx(60 - 40.1), pytest.approx(60 - 31.0))
    assert quality.value == pytest.approx(-bd_quality(*mirrored).value)
    assert quality_at(anchor, 0.2) == pytest.approx(60 - 35.6)
    assert rate_at(anchor, 60 - 35.6) == pytest.approx(0.2)
    with pytest.raises(NotComparable, match="without p1, p2, p3, p4, not monotonic in error"):
        bd_rate(error_curve(RATES, QUALITY), test)


def test_points_at_the_ceiling_are_left_out_with_a_remark():
    vmaf = replace(curve([*RATES, 1.6, 3.2], [*QUALITY, 100.0, 100.0]), metric=describe("vmaf"))
    other = replace(curve([rate / 2 for rate in RATES], QUALITY, "other"), metric=describe("vmaf"))
    note = "one without p5, p6, at the ceiling of VMAF (100)"
    for delta in (bd_rate(vmaf, other), bd_quality(vmaf, other)):
        assert delta.notes == (note,)
        assert note in delta.remark
    assert bd_rate(vmaf, other).value == pytest.approx(-50)
    few = replace(curve(RATES, [30, 31, 32, 100, 100]), metric=describe("vmaf"))
    with pytest.raises(NotComparable) as raised:
        bd_rate(few, other)
    assert (
        raised.value.reason == "one has 3 points, 4 needed; one without p3, p4, at the ceiling of VMAF (100)"
    )
    # The best possible value of an error is its lowest one.
    errors = [60 - value for value in QUALITY[:-1]]
    exact = error_curve(RATES, [*errors, 0.0])
    assert bd_rate(exact, error_curve(RATES[:-1], errors)).value == pytest.approx(0)


def test_names_that_look_like_numbers_or_missing_values_stay_text(tmp_path):
    table = points_data.rows()
    names = dict(zip(table["point"].unique(), ("01", "0.10", "NA", "nan", "1e3", "None"), strict=False))
    table["point"] = table["point"].map(lambda point: names.get(point, point))
    table["clip"] = "007"
    rows = load_points(write(tmp_path, table))
    assert list(rows["point"]) == list(table["point"])
    assert set(rows["clip"]) == {"007"}
    assert rows["rate_bpp"].to_numpy() == pytest.approx(table["rate_bpp"].to_numpy())
    assert rows["parameters"].isna().sum() == table["parameters"].isna().sum()
