"""Tables at matched points and over frames, the Pareto front, and ranks by each metric."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import points_data
import pytest

from bench.analysis.frame_statistics import frame_statistics
from bench.analysis.matched import matched_series, pareto_mask
from bench.analysis.metric_ranks import metric_ranks
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.figures.metrics_agree import draw_metrics_agree
from bench.figures.rate_difference import draw_rate_difference
from bench.scoring.metrics import describe
from bench.tables.bd_rate import write_bd_rate
from bench.tables.frame_statistics import write_frame_statistics
from bench.tables.matched import write_matched


def line(codec: str, offset: float, seconds: float, clip: str = "a") -> list[dict]:
    """A curve of 3 dB for each doubling of the rate, `offset` dB above 30 dB at 0.1 bpp.

    The encode time is `seconds` at 0.1 bpp and proportional to the rate.
    """
    common = {"condition": "test-v1", "clip": clip, "codec": codec, "label": codec, "kind": "classical"}
    common |= {"run": "seed0", "seed": 0, "reference": False, "epochs": None, "series": codec, "frames": 10}
    return [
        common
        | {"point": f"p{i}", "rate_bpp": 0.1 * 2**i, "psnr_rgb_db": 30 + offset + 3 * i}
        | {"encode_wall_s": seconds * 2**i, "decode_wall_s": 1.0}
        for i in range(4)
    ]


def write(folder, rows) -> str:
    pd.DataFrame(rows).to_csv(folder / "rd_points.csv", index=False)
    return str(folder / "rd_points.csv")


def test_quality_at_equal_rate_and_rate_at_equal_quality(tmp_path):
    """B is 3 dB better: half of A's rate at A's 33 dB, and half the time that B takes at 0.2 bpp."""
    points = write(tmp_path, line("A", 0, 4) + line("B", 3, 10))
    outputs = [tmp_path / "matched.csv", tmp_path / "matched.md"]
    write_matched(points, anchor="A", metric="psnr_rgb_db", rate_bpp=0.2, outputs=outputs)
    with outputs[0].open(newline="") as file:
        rows = {row["series"]: row for row in csv.DictReader(file)}
    a, b = rows["A"], rows["B"]
    assert (float(a["quality"]), float(a["encode_s"])) == (33, pytest.approx(8))
    assert float(a["equal_quality_rate_bpp"]) == pytest.approx(0.2)
    assert (float(b["quality"]), float(b["encode_s"])) == (36, pytest.approx(20))
    assert float(b["equal_quality"]) == 33
    assert float(b["equal_quality_rate_bpp"]) == pytest.approx(0.1)
    assert float(b["equal_quality_encode_s"]) == pytest.approx(10)
    assert "Equal quality: that of A at 0.2" in outputs[1].read_text()


def test_nothing_is_extrapolated(tmp_path):
    rows = load_points(write(tmp_path, line("A", 0, 4) + line("B", 6, 10)))
    a, b = matched_series(rows, anchor="A", metric="psnr_rgb_db", rate_bpp=0.15)
    assert a.equal_rate.quality is not None
    assert (b.equal_quality.rate_bpp, b.equal_quality.encode_s) == (None, None)  # B begins at 36 dB
    outside = matched_series(rows, anchor="A", metric="psnr_rgb_db", rate_bpp=0.9)
    assert all(one.equal_rate.quality is None for one in outside)


def test_several_clips_have_a_row_of_their_means(tmp_path):
    rows = load_points(write(tmp_path, line("A", 0, 4, "a") + line("A", 2, 8, "b")))
    mean = matched_series(rows, anchor="A", metric="psnr_rgb_db", rate_bpp=0.2)[-1]
    assert (mean.clip, mean.equal_rate.quality) == ("mean", pytest.approx(34))
    assert mean.equal_rate.encode_s == pytest.approx(12)  # the mean of 8 and 16 seconds


def test_a_condition_without_a_rate_has_no_table(tmp_path):
    points = write(tmp_path, line("A", 0, 4))
    with pytest.raises(BenchError, match="needs an anchor and a rate"):
        write_matched(points, anchor="A", metric="psnr_rgb_db", rate_bpp=None, outputs=[])


def test_the_pareto_front_has_the_points_that_no_other_dominates():
    points = [(1, 1, 9), (2, 2, 2), (2, 2, 3), (3, 1, 1), (1, 1, 9)]
    assert list(pareto_mask(points)) == [True, True, False, True, True]


def test_statistics_over_frames_by_hand():
    one = frame_statistics([0, 1, 2, 3], [30.0, 40.0, 20.0, 40.0], describe("psnr_rgb_db"))
    assert one.mean == 32.5
    assert one.harmonic_mean == pytest.approx(4 / (1 / 30 + 1 / 40 + 1 / 20 + 1 / 40))
    assert (one.worst, one.worst_frame) == (20, 2)
    assert one.percentile == pytest.approx(20 + 0.15 * 10)  # 5 % of the way through three intervals
    assert one.mean_step == pytest.approx((10 + 20 + 20) / 3)


def test_the_table_over_frames_reads_frames_csv(tmp_path):
    rows = points_data.rows(references=False)
    rows = rows[rows["codec"].eq("x264-medium") | rows["kind"].eq("control")]
    points, results = points_data.write_condition(tmp_path, rows)
    write_frame_statistics(
        points, metrics=["psnr_rgb_db", "vmaf"], outputs=[tmp_path / "f.csv"], results=results
    )
    with (tmp_path / "f.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 5  # one metric of five points; frames.csv has no VMAF here
    values = pd.read_csv(next(results.rglob("x264-medium/crf23/seed0/frames.csv")))["psnr_rgb_db"]
    row = next(row for row in table if row["point"] == "crf23")
    assert float(row["worst"]) == pytest.approx(values.min(), rel=1e-5)
    assert int(row["worst_frame"]) == int(np.argmin(values))


def test_metrics_that_disagree_have_other_ranks(tmp_path, pages):
    """B is better than A by PSNR and worse by VMAF; C has no VMAF."""
    rows = pd.DataFrame(line("A", 0, 1) + line("B", 1, 1) + line("C", 2, 1))
    rows["vmaf"] = rows["psnr_rgb_db"] + rows["codec"].map({"A": 0, "B": -2, "C": np.nan})
    points = write(tmp_path, rows)
    ranks, without = metric_ranks(load_points(points), anchor="A", metrics=["psnr_rgb_db", "vmaf"])
    assert {(one.series, one.metric): one.rank for one in ranks} == {
        ("B", "psnr_rgb_db"): 1,
        ("A", "psnr_rgb_db"): 2,
        ("A", "vmaf"): 1,
        ("B", "vmaf"): 2,
    }
    assert without == ["C"]
    draw_metrics_agree(points, anchor="A", metrics=["psnr_rgb_db", "vmaf"], outputs=[tmp_path / "x.png"])
    (axes,) = pages[0].axes
    assert [list(drawn.get_ydata()) for drawn in axes.lines[:2]] == [[1, 2], [2, 1]]


def test_a_constant_saving_is_a_horizontal_line(tmp_path, pages):
    """3 dB better everywhere: half the rate at each quality."""
    points = write(tmp_path, line("A", 0, 1) + line("B", 3, 1))
    draw_rate_difference(points, anchor="A", metric="psnr_rgb_db", outputs=[tmp_path / "x.png"])
    drawn = pages[0].axes[0].lines[0]
    assert drawn.get_ydata() == pytest.approx(np.full(100, -50))
    assert (drawn.get_xdata().min(), drawn.get_xdata().max()) == (33, 39)


def test_a_user_s_curve_has_a_bd_rate_and_is_marked(tmp_path):
    """Half the rate at each quality, in kbit/s: 0.05 bpp of 10 frames of 100x100 a second are 5 kbit/s."""
    points = write(tmp_path, line("A", 0, 1))
    mine = "label,kbps,fps,size,psnr_rgb_db\n" + "".join(
        f"mine,{5 * 2**i},10,100x100,{30 + 3 * i}\n" for i in range(4)
    )
    (tmp_path / "mine.csv").write_text(mine)
    outputs = [tmp_path / "bd.csv", tmp_path / "bd.md"]
    write_bd_rate(
        points, anchor="A", metrics=["psnr_rgb_db"], outputs=outputs, user_curves=tmp_path / "mine.csv"
    )
    with outputs[0].open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["series"], float(row["bd_rate_percent"])) == ("user: mine", pytest.approx(-50))
    assert float(row["bd_quality"]) == pytest.approx(3)
    assert "mine (own curve, not measured here)" in outputs[1].read_text()
    assert "30.00 to 39.00" in outputs[1].read_text()
