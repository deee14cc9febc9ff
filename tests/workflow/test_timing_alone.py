"""The targets by name that decode every stream again: in one job that runs alone, never by default."""

from __future__ import annotations

import csv

from tiny_repo import Repo

CODECS = {
    "x264-medium": {"settings": {"preset": "ultrafast"}, "points": ["crf43", "crf38", "crf33", "crf28"]},
    "x264-veryslow": {"settings": {"preset": "superfast"}, "points": ["crf43", "crf38", "crf33", "crf28"]},
    "identity": {},
}


def test_decoders_are_timed_by_one_job_with_all_cores(repo: Repo) -> None:
    strip = {"frame": 1, "crop": [0, 0, 16, 16], "rate_bpp": 0.5}
    metrics = ["psnr_rgb_db", "psnr_yuv_db"]
    classical = repo.write_condition(
        "classical", codecs=CODECS, reference=False, strip=strip, metrics=metrics
    )
    assert not {"retime", "complexity", "figure_complexity"} & set(classical.planned())

    targets = ("table_complexity", "fig_complexity")
    output = classical.snakemake("--dry-run", "--quiet", "host", "--cores", "2", targets=targets)
    assert output.count("\nrule retime:") == 1
    assert "threads: 2" in output.partition("\nrule retime:")[2].partition("\nrule ")[0]
    output = classical.snakemake("--cores", "2", targets=targets)
    assert "[retime] 9 of 9: discs/" in output
    with (repo.root / "results/tables/classical/decode_times.csv").open(newline="") as file:
        times = list(csv.DictReader(file))
    with (repo.root / "results/tables/classical/complexity.csv").open(newline="") as file:
        costs = list(csv.DictReader(file))
    assert len(times) == len(costs) == 9
    assert {row["repeats"] for row in times} == {"3"}
    assert all(float(row["decode_wall_s"]) > 0 for row in costs)
    assert (repo.root / "results/figures/classical/complexity.png").stat().st_size
    assert "Nothing to be done" in classical.snakemake("--cores", "2", targets=targets)

    # An edit of the table's code writes the table, and times nothing.
    with classical.with_new_code_in("bench/tables/complexity.py"):
        output = classical.snakemake("--dry-run", "--quiet", "host", targets=("table_complexity",))
    assert "rule complexity:" in output
    assert "rule retime:" not in output

    # The other targets that only names draw read the same points.
    compared = ("table_matched", "table_frame_statistics", "fig_metrics_agree", "fig_rate_difference")
    assert not {"matched", "frame_statistics", "figure_metrics_agree"} & set(classical.planned())
    classical.snakemake("--cores", "2", targets=compared)
    with (repo.root / "results/tables/classical/matched.csv").open(newline="") as file:
        matched = {row["series"]: row for row in csv.DictReader(file)}
    assert set(matched) == {"x264-medium", "x264-veryslow"}
    assert float(matched["x264-medium"]["equal_quality_rate_bpp"]) == 0.5
    assert float(matched["x264-medium"]["decode_s"]) > 0
    with (repo.root / "results/tables/classical/frame_statistics.csv").open(newline="") as file:
        assert all(float(row["worst"]) <= float(row["mean"]) for row in csv.DictReader(file))
    figures = repo.root / "results/figures/classical"
    assert {path.stem for path in figures.glob("rate_difference_*.svg")} >= {"rate_difference_psnr_rgb_db"}
    assert (figures / "metrics_agree.svg").stat().st_size
