"""`bench merge` joins results of several machines; `bench cite` prints BibTeX of what was used."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import points_data
import pytest
from record_data import PSNR, curve, with_provenance, write_results

from bench.analysis.point_means import point_means
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.cli import main
from bench.codec.registry import codec_configs
from bench.reproduce.cite import Usage, bibtex, cite, read_references, usage_of
from bench.reproduce.merge import merge
from bench.scoring.metrics import METRICS
from bench.scoring.record import Record


def test_runs_of_two_machines_are_joined_with_their_provenance(tmp_path, capsys):
    a = write_results(tmp_path / "a", curve())
    b = write_results(tmp_path / "b", with_provenance(curve(codec="other"), machine={"cpu": "CPU B"}))
    assert main(["merge", str(a), str(b), "--out", str(tmp_path / "all")]) == 0
    assert "8 runs" in capsys.readouterr().out
    with (tmp_path / "all/tables/test-v1/rd_points.csv").open(newline="") as file:
        machines = {row["codec"]: row["machine"] for row in csv.DictReader(file)}
    assert machines == {"net": "CPU A", "other": "CPU B"}
    path = tmp_path / "all/points/test-v1/small/other/p1/seed0/record.json"
    assert Record.read(path).provenance["machine"] == {"cpu": "CPU B"}


def test_the_same_stream_measured_twice_is_merged_once(tmp_path):
    a = write_results(tmp_path / "a", curve())
    again = [
        Record(**(vars(one) | {"metrics": {"psnr_rgb_db": one.metrics["psnr_rgb_db"] + 0.01}}))
        for one in curve()
    ]
    b = write_results(tmp_path / "b", again)
    merged = merge([str(a), str(b)], tmp_path / "all")
    assert (merged.runs, merged.repeated) == (4, 4)
    path = tmp_path / "all/points/test-v1/small/net/p1/seed0/record.json"
    assert Record.read(path).metrics == {"psnr_rgb_db": PSNR[0]}


def test_two_streams_of_one_run_are_refused_by_name_and_nothing_is_written(tmp_path):
    a = write_results(tmp_path / "a", curve())
    b = write_results(tmp_path / "b", curve(psnr=[value + 1 for value in PSNR]))
    with pytest.raises(BenchError, match=r"net/p1/seed0/record.json: differs from .*a/points.*stream_sha256"):
        merge([str(a), str(b)], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_revision_or_another_text_is_not_a_folder_of_results(tmp_path):
    with pytest.raises(BenchError, match="must be a folder of results or a condition"):
        merge(["HEAD"], tmp_path / "all")


def test_times_of_two_machines_have_no_mean(tmp_path):
    rows = points_data.rows(seeds=2)
    rows["encode_machine"] = rows["seed"].map({0: "CPU A", 1: "CPU B"})
    rows["machine"] = "CPU A"
    rows.to_csv(tmp_path / "rd_points.csv", index=False)
    means = point_means(load_points(tmp_path / "rd_points.csv"), metrics=["psnr_rgb_db"], per_clip=True)
    fitted = means[means["series"] == "nerv-matched"]
    assert fitted["encode_wall_s"].isna().all()
    assert fitted["decode_wall_s"].notna().all()
    assert means.loc[means["series"] == "x264-medium", "encode_wall_s"].notna().all()


def keys(text: str) -> set[str]:
    return set(re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE))


def test_a_table_is_cited_with_its_methods_clips_metrics_and_tools(tmp_path):
    rows = points_data.rows().drop(columns=["ms_ssim_rgb", "ms_ssim_y"])
    rows.to_csv(tmp_path / "rd_points.csv", index=False)
    text = cite([str(tmp_path / "rd_points.csv")])
    assert keys(text) == {
        *("neuralvideobench", "lee2023ffnerv", "chen2021nerv", "x264", "x265", "blender2008bunny"),
        *("li2016vmaf", "ffmpeg", "molder2021snakemake", "paszke2019pytorch", "bamler2022constriction"),
        "ohm2012comparison",
    }
    assert "keywords" not in text


def test_a_table_of_bd_rates_cites_the_method_and_the_anchor(tmp_path):
    table = (
        "condition,clip,series,codec,anchor,metric\ndemo-v1,mean,nerv-matched,nerv-matched,x264-medium,vmaf\n"
    )
    (tmp_path / "bd_rate.csv").write_text(table)
    assert keys(cite([str(tmp_path / "bd_rate.csv")])) >= {"bjontegaard2001", "chen2021nerv", "x264"}


def test_a_figure_has_the_metric_of_its_name(tmp_path):
    folder = tmp_path / "tables" / "demo-v1"
    folder.mkdir(parents=True)
    points_data.rows().to_csv(folder / "rd_points.csv", index=False)
    usage = usage_of(str(tmp_path / "figures" / "demo-v1" / "rd_ms_ssim_rgb_db.pdf"))
    assert usage.metrics == {"ms_ssim_rgb"}
    assert not usage.bd_rates


def test_every_codec_of_the_suite_has_an_entry():
    """A codec without one in references.bib gets it from the citation of its file."""
    references = read_references()
    for codec, config in codec_configs().items():
        if config.kind != "control":
            usage = Usage(codecs={codec})
            assert len(keys(bibtex(usage)) - {"neuralvideobench", "ffmpeg", "molder2021snakemake"}) > 0, codec
    assert {"tool:ffmpeg", "table:bd_rate"} <= set(references)


def test_every_metric_but_psnr_and_counts_has_an_entry():
    """PSNR, its weightings for papers on learned codecs and flicker are defined in the documentation."""
    without = {name for name in METRICS if not keys(bibtex(Usage(metrics={name}))) - keys(bibtex(Usage()))}
    assert {name for name in without if not name.startswith(("psnr_", "flicker_psnr"))} == {
        "identical_frames"
    }
    assert keys(bibtex(Usage(metrics={"vmaf_neg"}))) >= {"li2016vmaf", "li2020neg"}
    assert "psnr_hvs_db" not in without


@pytest.mark.parametrize("text", ["a,b\n1,2\n", ""])
def test_another_table_is_refused(tmp_path: Path, text: str):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(BenchError, match=r"has no column codec or series|is not a CSV table"):
        cite([str(tmp_path / "x.csv")])
