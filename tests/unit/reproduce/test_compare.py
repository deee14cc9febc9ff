"""`bench compare`: BD-rate of two sets of results, their points, provenance and the exit status."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from record_data import PSNR, RATES, curve, record, with_provenance, write_results

from bench.analysis.bjontegaard import Delta, NotComparable
from bench.analysis.result_comparison import compare_results, failures
from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.cli import main
from bench.reproduce.result_set import read_result_set
from bench.scoring.record import Record


def test_ten_percent_less_rate_is_a_bd_rate_of_minus_ten_percent():
    """The rate at each quality is 0.9 times that of A, so the mean of log10(rate) differs by log10(0.9)."""
    comparison = compare_results(curve(), curve([0.9 * rate for rate in RATES]))
    (one,) = comparison.curves
    assert isinstance(one.bd_rate, Delta)
    assert one.bd_rate.value == pytest.approx(-10, abs=0.01)  # a stream has whole bytes
    assert (one.bd_rate.low, one.bd_rate.high, one.bd_rate.share) == (30, 39, 1)
    assert (one.points, one.identical) == (4, False)
    assert one.rate_percent == pytest.approx(-10, abs=0.01)
    assert one.quality == 0


def test_half_a_decibel_at_equal_rate_is_the_difference_of_quality():
    (one,) = compare_results(curve(), curve(psnr=[value + 0.5 for value in PSNR])).curves
    assert isinstance(one.bd_quality, Delta)
    assert one.bd_quality.value == pytest.approx(0.5)
    # 3 dB for each doubling of the rate: half a decibel is a rate 2 ** (-1/6) times as high.
    assert isinstance(one.bd_rate, Delta)
    assert one.bd_rate.value == pytest.approx(100 * (2 ** (-0.5 / 3) - 1))


@pytest.mark.slow
def test_several_clips_have_a_mean_and_several_seeds_an_interval():
    a, b = (
        [one for clip in ("c1", "c2", "c3") for one in curve(rates, seeds=3, clip=clip)]
        for rates in (RATES, [rate * 1.1 for rate in RATES])
    )
    curves = {one.clip: one for one in compare_results(a, b).curves}
    assert list(curves) == ["c1", "c2", "c3", "mean"]
    mean = curves["mean"]
    assert isinstance(mean.bd_rate, Delta)
    assert (mean.bd_rate.value, mean.bd_rate.clips) == (pytest.approx(10, abs=0.05), 3)
    assert mean.interval == (pytest.approx(10, abs=0.05), pytest.approx(10, abs=0.05))
    assert mean.points == 36


def test_differences_of_settings_and_provenance_are_grouped():
    changed = [
        record(rate, value, point=f"p{n}", settings={"epochs": 18, "learning_rate": 2e-3 if n == 1 else 1e-3})
        for n, (rate, value) in enumerate(zip(RATES, PSNR, strict=True), start=1)
    ]
    b = with_provenance(changed, machine={"cpu": "CPU B"}, ffmpeg="7.0.2", date_utc="2027-01-01T00:00:00Z")
    differences = compare_results(curve(), b).provenance
    assert {one.key: (one.before, one.after, one.points) for one in differences} == {
        "provenance.machine.cpu": ("CPU A", "CPU B", 4),
        "provenance.ffmpeg": ("n9.0.2", "7.0.2", 4),
        "settings.learning_rate": (1e-3, 2e-3, 1),
    }


def test_two_conditions_and_two_codecs_are_paired():
    b = curve([0.5 * rate for rate in RATES], condition="test-v2", codec="net-v2")
    comparison = compare_results(curve(), b, pairs={"net": "net-v2"})
    (one,) = comparison.curves
    assert isinstance(one.bd_rate, Delta)
    assert one.bd_rate.value == pytest.approx(-50, abs=0.01)
    assert comparison.only_a == comparison.only_b == []
    unpaired = compare_results(curve(), b)
    assert isinstance(unpaired.curves[0].bd_rate, NotComparable)
    assert (len(unpaired.only_a), len(unpaired.only_b)) == (4, 4)


def test_the_check_fails_above_the_limit_only():
    b = curve([rate * 1.01 for rate in RATES])
    (problem,) = failures(compare_results(curve(), b), 0.5)
    assert problem.startswith("test-v1/small/net, PSNR-RGB: BD-rate +1.0")
    assert failures(compare_results(curve(), b), 1.5) == []


def test_the_check_fails_where_it_cannot_be_made_but_not_for_the_same_streams():
    few = slice(0, 3)
    assert failures(compare_results(curve()[few], curve()[few]), 0.5) == []
    (problem,) = failures(compare_results(curve()[few], curve(psnr=[v + 1 for v in PSNR])[few]), 0.5)
    assert "no BD-rate, and other streams" in problem
    decoded = [Record(**(vars(one) | {"metrics": {"psnr_rgb_db": 29.0}})) for one in curve()[few]]
    (problem,) = failures(compare_results(curve()[few], decoded), 0.5)
    assert "no BD-rate, and other values of the same streams" in problem
    (problem,) = failures(compare_results(curve(), curve()[few]), 0.5)[:1]
    assert problem == "test-v1/small/net/p4/seed0: is missing in B"


def test_the_command_writes_text_csv_and_html_and_returns_the_status(tmp_path, capsys):
    a = write_results(tmp_path / "a", curve())
    b = write_results(tmp_path / "b", curve([rate * 1.02 for rate in RATES]))
    assert main(["compare", str(a), str(b), "--fail-above", "0.5", "--out", str(tmp_path / "out")]) == 1
    text = capsys.readouterr().out
    assert "BD-rate of B against A" in text
    assert "FAIL: test-v1/small/net" in text
    assert main(["compare", str(a), str(b), "--fail-above", "5"]) == 0
    with (tmp_path / "out" / "curves.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["bd_rate_percent"]) == pytest.approx(2, abs=0.02)
    assert (row["quality_overlap_percent"], row["points"], row["remark"]) == ("100", "4", "")
    assert len((tmp_path / "out" / "points.csv").read_text().splitlines()) == 5
    assert "<h2>Points</h2>" in (tmp_path / "out" / "comparison.html").read_text()


def test_tracked_records_of_two_revisions(capsys):
    """HEAD against itself; the records of another revision are read in the same way."""
    folder = "results/reference/demo-v1"
    assert main(["compare", f"HEAD:{folder}", str(ROOT / folder), "--fail-above", "0"]) == 0
    assert "same streams" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no-such-thing", "must be a folder of results, a condition or a git revision"),
        ("HEAD:docs", "the revision tracks no record.json below docs"),
        ("--output=x", "must be a folder of results"),
    ],
)
def test_other_text_is_refused(text, problem):
    with pytest.raises(BenchError, match=problem):
        read_result_set(text)


def test_two_streams_of_one_run_in_one_folder_are_refused(tmp_path):
    write_results(tmp_path / "x", curve())
    write_results(tmp_path / "y", curve(psnr=[value + 1 for value in PSNR]))
    with pytest.raises(BenchError, match="is of the same run as"):
        read_result_set(str(tmp_path))


def test_a_path_goes_before_a_condition_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_results(tmp_path / "demo-v1", curve())
    assert len(read_result_set("demo-v1").records) == 4
