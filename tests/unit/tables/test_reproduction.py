"""Reproduction of published numbers, with cases computed by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import points_data
import pytest

from bench.analysis.published import Selector
from bench.analysis.rd_points import load_points
from bench.analysis.reproduction import CURVE, Row, reproduce
from bench.base.errors import BenchError
from bench.tables.reproduction import write_reproduction

METRIC = "psnr_rgb_db"


def measured(rates: list[float], values: list[float], **columns) -> pd.DataFrame:
    """A condition of one fitted codec."""
    row = {
        "condition": "c-v0", "clip": "small", "codec": "nerv-matched", "label": "NeRV", "kind": "fitted",
        "run": "seed0", "seed": 0, "reference": False, "epochs": 300, "parameters": 1_000_000.0,
    } | columns  # fmt: skip
    table = pd.DataFrame([row] * len(rates))
    return table.assign(
        point=[f"p{i}" for i in range(len(rates))],
        rate_bpp=rates,
        psnr_rgb_db=values,
        rate_bpp_paper=[0.9 * rate for rate in rates],
    )


def published(folder: Path, text: str, codec: str = "nerv-matched", label: str | None = None) -> Selector:
    path = folder / "published.csv"
    path.write_text(text)
    return Selector(source=str(path), label=label, codec=codec)


def curve_text(pairs: list[tuple[float, float]], clip: str = "") -> str:
    return "".join(f"NeRV,{clip},{rate},{value}\n" for rate, value in pairs)


HEAD = "label,clip,rate_bpp,psnr_rgb_db\n"
#: 3 dB for each doubling: a straight line over log rate.
LINE = [(0.1, 30.0), (0.2, 33.0), (0.4, 36.0), (0.8, 39.0)]


def table(folder: Path, rows: pd.DataFrame, *selectors: Selector, **options) -> list[Row]:
    rows.to_csv(folder / "rd_points.csv", index=False)
    result = load_points(folder / "rd_points.csv")
    return reproduce(result, selectors=selectors, metrics=(METRIC,), **options)


def test_points_are_compared_with_the_nearest_rate_by_ratio(tmp_path):
    # 0.285 is nearer to 0.4 by ratio (1.40 against 1.43), to 0.2 by difference.
    rows = table(
        tmp_path,
        measured([0.11, 0.285, 1.0], [29.0, 34.0, 41.0]),
        published(tmp_path, HEAD + curve_text(LINE)),
    )
    points = [row for row in rows if row.point != CURVE]
    assert [row.published_point for row in points] == ["r1", "r3", "r4"]
    first = points[0]
    assert (first.rate_bpp, first.published_rate_bpp) == (0.11, 0.1)
    assert first.rate_bpp_paper == pytest.approx(0.099)
    assert first.rate_percent == pytest.approx(10.0)
    assert (first.value, first.published_value, first.difference) == (29.0, 30.0, -1.0)
    assert points[1].rate_percent == pytest.approx(100 * (0.285 / 0.4 - 1))
    assert points[1].difference == pytest.approx(-2.0)


def test_the_published_curve_is_interpolated_at_equal_rate(tmp_path):
    rate = 0.2 * 2**0.5  # half a doubling over 33 dB, on a straight line: 34.5 dB
    rows = table(tmp_path, measured([rate, 0.9], [34.0, 40.0]), published(tmp_path, HEAD + curve_text(LINE)))
    assert rows[0].equal_rate_difference == pytest.approx(-0.5)
    assert rows[1].equal_rate_difference is None
    assert rows[1].remark == "NeRV has no points on both sides"


def test_the_bd_rate_of_a_curve_at_twice_the_rate_is_one_hundred_percent(tmp_path):
    twice = [2 * rate for rate, _ in LINE], [value for _, value in LINE]
    rows = table(tmp_path, measured(*twice), published(tmp_path, HEAD + curve_text(LINE)))
    (curve,) = [row for row in rows if row.point == CURVE]
    assert curve.bd_rate_percent == pytest.approx(100.0)
    assert curve.bd_quality == pytest.approx(-3.0)
    assert curve.remark == ""
    assert curve.value is None


def test_a_missing_bd_rate_has_a_reason(tmp_path):
    rows = table(tmp_path, measured([0.1, 0.2], [30, 33]), published(tmp_path, HEAD + curve_text(LINE)))
    assert rows[-1].bd_rate_percent is None
    assert rows[-1].remark == "NeRV, 300 epochs has 2 points, 4 needed"
    rows = table(
        tmp_path,
        measured([rate for rate, _ in LINE], [value for _, value in LINE]),
        published(tmp_path, HEAD + curve_text([*LINE[:2], (0.3, 32.0), LINE[3]])),
    )
    assert rows[-1].remark == "NeRV has 3 points, 4 needed; NeRV without r3, not monotonic in PSNR-RGB"


def test_representations_are_compared_at_equal_size_and_epochs(tmp_path):
    text = "label,parameters_m,epochs,psnr_rgb_db\nNeRV,0.35,300,27\nNeRV,0.9,300,29\nNeRV,1,600,31\n"
    (row,) = table(tmp_path, measured([0.3], [28.5]), published(tmp_path, text))
    assert (row.published_point, row.published_parameters, row.parameters) == (
        "0.9M-300ep",
        900_000,
        1_000_000,
    )
    assert row.parameters_percent == pytest.approx(100 / 9)
    assert row.difference == pytest.approx(-0.5)
    assert (row.published_rate_bpp, row.rate_percent, row.equal_rate_difference) == (None, None, None)
    assert row.remark == ""
    (row,) = table(tmp_path, measured([0.3], [28.5], epochs=150), published(tmp_path, text))
    assert (row.published_point, row.remark) == ("1M-600ep", "150 epochs against 300 or 600")


def test_a_codec_without_a_size_has_no_counterpart_of_equal_size(tmp_path):
    text = "label,parameters_m,psnr_rgb_db\nNeRV,1,31\n"
    rows = measured([0.3], [28.5], parameters=None, kind="classical", epochs=None)
    (row,) = table(tmp_path, rows, published(tmp_path, text))
    assert (row.remark, row.published_value) == ("no parameters measured", None)


def test_each_clip_and_the_mean_over_the_same_clips_are_compared(tmp_path):
    rows = pd.concat(
        [
            measured([0.1, 0.2], [30, 33]),
            measured([0.3, 0.4], [36, 39], clip="large"),
            measured([0.5], [40], codec="x264-medium", label="x264", kind="classical", epochs=None),
        ]
    )
    text = (
        HEAD + curve_text([(0.1, 31), (0.2, 34)], "seq-small") + curve_text([(0.3, 35), (0.4, 38)], "large")
    )
    text += curve_text([(9, 99), (10, 100)], "third") + curve_text([(9, 90), (10, 95)], "mean")
    result = table(
        tmp_path, rows, published(tmp_path, text), sequences={"small": "seq-small", "large": "seq-large"}
    )
    points = [(row.clip, row.point, row.difference) for row in result if row.point != CURVE]
    assert points == [
        *[("large", "p0", 1), ("large", "p1", 1), ("small", "p0", -1), ("small", "p1", -1)],
        *[("mean", "p0", 0), ("mean", "p1", 0)],
    ]
    mean = next(row for row in result if row.clip == "mean")
    assert (mean.rate_bpp, mean.published_rate_bpp) == (pytest.approx(0.2), pytest.approx(0.2))
    assert mean.remark == ""


def test_a_series_that_lacks_a_clip_has_no_mean(tmp_path):
    rows = pd.concat(
        [
            measured([0.1], [30]),
            measured([0.1], [30], codec="x264-medium", label="x264", kind="classical", clip="large"),
        ]
    )
    text = HEAD + curve_text([(0.1, 31)], "small") + curve_text([(0.3, 35)], "large")
    assert {row.clip for row in table(tmp_path, rows, published(tmp_path, text))} == {"small"}


def test_a_published_mean_has_a_remark(tmp_path):
    text = HEAD + curve_text(LINE, "mean")
    rows = table(
        tmp_path, measured([r for r, _ in LINE], [v - 1 for _, v in LINE]), published(tmp_path, text)
    )
    assert {row.remark for row in rows} == {"published as a mean over its data set"}
    assert rows[-1].bd_rate_percent == pytest.approx(100 * (2 ** (1 / 3) - 1))


def test_seeds_are_averaged_and_reference_fits_are_separate(tmp_path):
    rows = pd.concat(
        [
            measured([0.1], [30]),
            measured([0.1], [32], seed=1, run="seed1"),
            measured([0.1], [35], run="reference-seed0", reference=True, epochs=1200),
        ]
    )
    result = table(tmp_path, rows, published(tmp_path, HEAD + curve_text([(0.1, 30)])))
    points = {row.series: (row.label, row.difference) for row in result if row.point != CURVE}
    assert points == {
        "nerv-matched": ("NeRV, 300 epochs", 1.0),
        "nerv-matched (reference)": ("NeRV, reference fit, 1200 epochs", 5.0),
    }


def test_a_source_of_several_methods_needs_a_label(tmp_path):
    with pytest.raises(BenchError, match="has 3 methods; choose a label: E-NeRV, HNeRV, NeRV"):
        table(tmp_path, measured([0.1], [30]), Selector(source="hnerv-table-2", codec="nerv-matched"))
    bunny = Selector(source="hnerv-table-2", label="NeRV", codec="nerv-matched")
    (row,) = table(tmp_path, measured([0.1], [30]), bunny, sequences={"small": "bigbuckbunny"})
    assert (row.published_point, row.difference) == ("0.75M", pytest.approx(30 - 28.46))


def test_the_table_in_three_formats(tmp_path):
    points_data.rows().to_csv(tmp_path / "rd_points.csv", index=False)
    outs = [tmp_path / f"reproduction{suffix}" for suffix in (".csv", ".md", ".tex")]
    selectors = [
        Selector(source="ffnerv-table-11", codec="ffnerv-matched"),
        Selector(source="hnerv-table-2", label="NeRV", codec="nerv-matched"),
        Selector(source="hinerv-uvg", codec="nerv-matched"),
        Selector(source="c3"),
    ]
    sequences = {points_data.CLIP: "bigbuckbunny"}
    write_reproduction(tmp_path / "rd_points.csv", selectors=selectors, outputs=outs, sequences=sequences)
    with open(outs[0], newline="") as file:
        rows = list(csv.DictReader(file))
    # Four points of two series of two codecs, and the curves of the codec whose source has rates.
    assert len(rows) == 4 * 2 * 2 + 2
    assert {row["source"] for row in rows} == {"ffnerv-table-11", "hnerv-table-2"}
    first = rows[0]
    assert (first["point"], first["published_point"], first["published_rate_bpp"]) == (
        "bpp0.12",
        "r4",
        "0.131",
    )
    md, tex = outs[1].read_text(), outs[2].read_text()
    assert md.count("\n| ") == 1 + 16
    for text in (
        "0.1224 bpp",
        "0.35 M",
        "[1] published as a mean over its data set",
        "BD-rate of FFNeRV, reference fit, 150 epochs against FFNeRV as published, bunny-320x180, PSNR-RGB: ",
        "Chen et al. 2023, HNeRV (arXiv 2304.02633), Table 2: bunny; 1280x640, centre crop; PNG; frames: 132",
        "Nothing to compare: nerv-matched with HiNeRV of hinerv-uvg.",
    ):
        assert text in md
    assert r"Rate or size difference & Measured & Published & Difference & Difference at equal rate \\" in tex


def test_without_a_counterpart_the_table_has_a_note(tmp_path):
    points_data.rows().to_csv(tmp_path / "rd_points.csv", index=False)
    outs = [tmp_path / "reproduction.csv", tmp_path / "reproduction.md"]
    selectors = [Selector(source="nerv-uvg", codec="nerv-official")]
    write_reproduction(tmp_path / "rd_points.csv", selectors=selectors, outputs=outs)
    assert outs[0].read_text().startswith("condition,clip,series,codec,label,metric,source,")
    assert "- Nothing to compare: nerv-official with NeRV of nerv-uvg." in outs[1].read_text()
