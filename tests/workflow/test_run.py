"""A whole run of the tiny condition: its files, its messages, and that a second run does nothing."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path

from tiny_repo import Finished, Repo

from bench.scoring.record import Record

NOTHING = "Nothing to be done"


def rows(repo: Repo, name: str) -> list[dict[str, str]]:
    with (repo.root / "results" / "tables" / "tiny" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_target_exists_and_is_not_empty(finished: Finished) -> None:
    results = finished.repo.root / "results"
    tables = {path.name for path in (results / "tables/tiny").iterdir()}
    figures = {path.name for path in (results / "figures/tiny").iterdir()}
    texts = {
        f"{name}.{suffix}"
        for name in ("points", "skipped", "bd_rate", "bits_discs")
        for suffix in ("csv", "md", "tex", "html")
    }
    assert tables == {"rd_points.csv", "summary.txt", "summary.html", *texts}
    names = ("rd_psnr_rgb_db", "frames_discs", "strip_discs", "fit_discs", "parts_discs")
    assert figures == {f"{name}.{suffix}" for name in names for suffix in ("pdf", "png", "svg")}
    empty = {path.name for path in results.rglob("*") if path.is_file() and not path.stat().st_size}
    assert empty <= {".lock", ".snakemake_timestamp"}


def test_every_point_has_its_row_and_the_reference_too(finished: Finished) -> None:
    found = {(row["codec"], row["point"], row["run"]) for row in rows(finished.repo, "rd_points.csv")}
    assert found == {
        ("ffnerv-matched", "low", "seed0"),
        ("nerv-matched", "low", "seed0"),
        ("x264-medium", "crf38", "seed0"),
        ("x264-medium", "crf23", "seed0"),
        ("identity", "raw", "seed0"),
        ("mean-frame", "raw", "reference-seed0"),
    }
    assert rows(finished.repo, "skipped.csv") == []


def test_a_reference_is_scored_in_results_reference(finished: Finished) -> None:
    record = Record.read(finished.repo.file("mean-frame", "raw", "reference-seed0", "record.json"))
    assert record.reference
    assert record.series == "mean-frame (reference)"
    assert 10 < record.metrics["psnr_rgb_db"] < 40
    assert not finished.repo.file("mean-frame", "raw", "reference-seed0", "stream.bin").exists()


def test_fits_have_the_conditions_budget_and_run_on_the_cpu(finished: Finished) -> None:
    report = json.loads(finished.repo.file("nerv-matched", "low", "seed0", "encode.json").read_text())
    assert report["settings"]["epochs"] == 28
    record = Record.read(finished.repo.file("nerv-matched", "low", "seed0", "record.json"))
    assert record.epochs == 30  # with those of its rounding
    assert (report["threads"], report["device"], report["seed"]) == (1, "cpu", 0)


def test_the_terminal_and_the_log_both_have_the_progress(finished: Finished) -> None:
    line = "[nerv-matched low seed0] epoch 30/30"
    assert line in finished.output
    assert line in (finished.repo.root / "logs/encode/tiny/discs/nerv-matched/low/seed0.log").read_text()
    assert "6 of 6 points, 0 skipped" in finished.output
    assert "figures: results/figures/tiny/" in finished.output
    assert "report page: results/report/tiny/index.html" in finished.output


def test_a_second_run_does_nothing_from_either_entry(finished: Finished) -> None:
    assert NOTHING in finished.repo.snakemake("--cores", "1")
    assert NOTHING in finished.repo.snakemake("--cores", "1", "--snakefile", "workflow/Snakefile")


def test_both_entries_plan_the_same_jobs(repo: Repo) -> None:
    root = repo.planned()
    assert root == repo.planned("--snakefile", "workflow/Snakefile")
    assert root["encode"] == {"ffnerv-matched", "nerv-matched", "x264-medium", "identity"}


def test_the_summary_can_be_shown(finished: Finished) -> None:
    output = finished.repo.snakemake("--cores", "1", "--quiet", "all", targets=("show",))
    assert (finished.repo.root / "results/tables/tiny/summary.txt").read_text() in output
    assert output.rstrip().endswith("Report page: results/report/tiny/index.html")


def test_the_report_has_every_figure_with_its_caption(finished: Finished, tmp_path: Path) -> None:
    finished.repo.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = archive.namelist()
        text = "".join(
            archive.read(name).decode(errors="replace") for name in names if name.endswith(".html")
        )
    for shown in (
        "rd_psnr_rgb_db.svg",
        "frames_discs.svg",
        "strip_discs.png",
        "fit_discs.svg",
        "parts_discs.png",
        "bits_discs.html",
        "bd_rate.html",
        "points.html",
        "summary.html",
        "data.js",
        "frames/discs/source/0.webp",
    ):
        assert any(name.endswith(shown) for name in names), shown
    assert "Against x264 medium, PSNR-RGB" in text  # the summary
    assert "<td>x264 medium</td><td>discs</td><td>crf38</td>" in text  # the points
    assert not any(name.endswith(".csv") for name in names)
    assert '"metric": "PSNR-RGB"' in text
    for category in ("Rate-distortion", "At one rate", "Fitting", "Looking inside", "Report page", "Tables"):
        assert category in text


def test_figures_by_name_and_a_user_curve(finished: Finished) -> None:
    repo = finished.repo
    figure = repo.root / "results/figures/tiny/rd_psnr_rgb_db.svg"
    (repo.root / "mine.csv").write_text("label,rate_bpp,psnr_rgb_db\nMy codec,0.5,30\nMy codec,1.5,33\n")
    chosen = ("--config", f"condition={repo.condition}", "my_curves=mine.csv", "--", "fig_rd", "list_figures")
    output = repo.run("snakemake", "--cores", "1", *chosen).stdout
    assert "fig_rd_uvg" in output
    # Text is drawn as paths, each with what it says in a comment.
    assert "<!-- My codec -->" in figure.read_text()
    repo.snakemake("--cores", "1", targets=("fig_rd",))
    assert "<!-- My codec -->" not in figure.read_text()


def test_a_condition_is_chosen_on_the_command_line(finished: Finished) -> None:
    repo = finished.repo.write_condition("other", codecs={"identity": {}}, anchor=None, reference=False)
    try:
        planned = repo.planned()
    finally:
        (repo.root / "config/conditions/other.yaml").unlink()
    assert planned["encode"] == {"identity"}
    assert "bd_rate" not in planned


def test_cleaning_leaves_references_and_clips(finished: Finished, tmp_path: Path) -> None:
    root = tmp_path / "repo"
    for name in ("results", "resources"):
        shutil.copytree(finished.repo.root / name, root / name)
    shutil.copy2(finished.repo.root / "Makefile", root)
    Repo(root).run("make", "clean")
    assert {path.name for path in (root / "results").iterdir()} == {"reference"}
    assert (root / "resources/clips/tiny/discs/clip.json").is_file()
