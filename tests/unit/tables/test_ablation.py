"""Tables of ablations and of frame interpolation, and the figure of an ablation."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from bench.analysis.ablation import read_variants
from bench.base.errors import BenchError
from bench.figures.ablation import draw_ablation
from bench.scoring.score import Scores, held_out_means
from bench.tables.ablation import write_ablation
from bench.tables.interpolation import write_interpolation

VARIANTS = {"ffnerv-matched": ["full", "no-aggregation", "not-run"]}


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Two variants, two seeds, two clips. The quality of a seed is its mean over the clips."""
    rows = []
    for variant, quality, rate in (("no-aggregation", 30.0, 0.1), ("full", 31.0, 0.2)):
        for seed in (0, 1):
            for clip, more in (("a", -1.0), ("b", 1.0)):
                rows.append(
                    {
                        "condition": "ablation-ffnerv",
                        "clip": clip,
                        "codec": "ffnerv-matched",
                        "label": "FFNeRV",
                        "kind": "fitted",
                        "point": variant,
                        "run": f"seed{seed}",
                        "seed": seed,
                        "rate_bpp": rate,
                        "epochs": 18,
                        "parameters": 1000,
                        "psnr_rgb_db": quality + more + 0.2 * seed,
                        "psnr_rgb_db_fitted": quality + 1,
                        "psnr_rgb_db_held_out": quality - 2,
                    }
                )
    path = tmp_path / "rd_points.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_variants_keep_their_order_and_have_the_range_of_their_seeds(points: Path) -> None:
    full, without = read_variants(points, variants=VARIANTS, metrics=["psnr_rgb_db"])
    assert [full.name, without.name] == ["full", "no-aggregation"]
    assert (full.seeds, full.rate_bpp, without.rate_bpp) == (2, pytest.approx(0.2), pytest.approx(0.1))
    quality = without.qualities["psnr_rgb_db"]
    assert (quality.low, quality.high) == (pytest.approx(30.0), pytest.approx(30.2))
    assert quality.mean == pytest.approx(30.1)
    assert quality.difference == pytest.approx(-1.0)
    assert full.qualities["psnr_rgb_db"].difference == 0


def test_the_ablation_is_written_in_all_formats(points: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"ablation{suffix}" for suffix in (".csv", ".md", ".tex")]
    write_ablation(points, variants=VARIANTS, metrics=["psnr_rgb_db"], outputs=outs)
    rows = list(csv.DictReader(outs[0].open()))
    assert [row["variant"] for row in rows] == ["full", "no-aggregation"]
    assert float(rows[1]["psnr_rgb_db_difference"]) == pytest.approx(-1)
    assert "30.00 to 30.20" in outs[1].read_text()
    assert "no-aggregation" in outs[2].read_text()


def test_rows_of_several_codecs_begin_with_their_names(points: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(points)
    other = rows.assign(codec="nerv-matched", label="NeRV", psnr_rgb_db=rows["psnr_rgb_db"] - 2)
    pd.concat([rows, other]).to_csv(points, index=False)
    variants = {**VARIANTS, "nerv-matched": ["full", "no-aggregation"]}
    write_ablation(points, variants=variants, metrics=["psnr_rgb_db"], outputs=[tmp_path / "out.md"])
    names = [line.split("|")[1].strip() for line in (tmp_path / "out.md").read_text().splitlines()[2:6]]
    assert names == ["FFNeRV, full", "FFNeRV, no-aggregation", "NeRV, full", "NeRV, no-aggregation"]
    differences = [
        v.qualities["psnr_rgb_db"].difference
        for v in read_variants(points, variants=variants, metrics=["psnr_rgb_db"])
    ]
    assert differences == pytest.approx([0, -1, 0, -1])


def test_a_missing_first_variant_is_an_error(points: Path) -> None:
    with pytest.raises(BenchError, match="not-run"):
        read_variants(points, variants={"ffnerv-matched": ["not-run", "full"]}, metrics=["psnr_rgb_db"])
    with pytest.raises(BenchError, match="vmaf"):
        read_variants(points, variants=VARIANTS, metrics=["vmaf"])


def test_the_figure_has_a_row_for_each_variant(points: Path, tmp_path: Path) -> None:
    out, svg = tmp_path / "ablation.png", tmp_path / "ablation.svg"
    draw_ablation(points, variants=VARIANTS, metric="psnr_rgb_db", outputs=[out, svg])
    two = Image.open(out).height
    draw_ablation(points, variants={"ffnerv-matched": ["full"]}, metric="psnr_rgb_db", outputs=[out])
    assert Image.open(out).height < two


def test_interpolation_has_fitted_and_held_out_frames(points: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"interpolation{suffix}" for suffix in (".csv", ".md", ".tex")]
    write_interpolation(points, metrics=["psnr_rgb_db", "vmaf"], outputs=outs)
    rows = list(csv.DictReader(outs[0].open()))
    assert len(rows) == 4
    assert float(rows[0]["psnr_rgb_db_fitted"]) - float(rows[0]["psnr_rgb_db_held_out"]) == 3
    assert "held-out frames" in outs[1].read_text()
    table = pd.read_csv(points).drop(columns=["psnr_rgb_db_fitted", "psnr_rgb_db_held_out"])
    table.to_csv(points, index=False)
    with pytest.raises(BenchError, match="fit_every"):
        write_interpolation(points, metrics=["psnr_rgb_db"], outputs=outs)


def test_means_over_fitted_and_held_out_frames() -> None:
    rows = [{"frame": i, "psnr_rgb_db": value} for i, value in enumerate([30.0, 20.0, 32.0, 24.0, 34.0])]
    scores = Scores(values={}, reasons={}, rows=rows)
    means = held_out_means(scores, fit_every=2, metrics=["psnr_rgb_db", "vmaf"])
    assert means == {
        "psnr_rgb_db_fitted": 32.0,
        "psnr_rgb_db_held_out": 22.0,
        "vmaf_fitted": None,
        "vmaf_held_out": None,
    }
    assert held_out_means(scores, fit_every=1, metrics=["psnr_rgb_db"]) == {}
