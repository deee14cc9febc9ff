"""Content of figures: lines, levels, axes, legends and notes agree with the records and their files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import points_data
import pytest
from figure_pages import draw, words
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from bench.base.errors import BenchError
from bench.figures.strip import draw_strip
from bench.figures.style import FAMILIES
from bench.scoring.metrics import METRICS, Metric


def lines_of(figure: Figure) -> list:
    return [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 2]


def test_reference_fits_are_solid_and_short_ones_dashed(demo, pages):
    draw("rd", demo, [])
    dashed = {line.get_color(): 0 for line in lines_of(pages[0])}
    for line in lines_of(pages[0]):
        dashed[line.get_color()] += line.is_dashed()
    colours = {FAMILIES[family][0] for family in ("ffnerv", "nerv")}
    assert {colour for colour, n in dashed.items() if n} == {colour.lower() for colour in colours}
    assert all(n <= 1 for n in dashed.values())
    text = words(pages[0])
    assert "Reference fit, 150 epochs" in text
    assert "Short fit, 18 epochs" in text


def test_a_figure_states_that_rgb_is_the_truth(tmp_path, pages):
    rows = points_data.rows(clip="drawing").assign(truth="rgb", round_trip_psnr_rgb_db=24.567)
    pd.concat([points_data.rows(), rows]).to_csv(tmp_path / "rd_points.csv", index=False)
    note = "Codecs of 4:2:0 reach at most 24.57 dB"
    for clip, title, noted in (
        ("drawing", "demo-v1: drawing, 132 frames, RGB as truth", True),
        (points_data.CLIP, "demo-v1: bunny-320x180, 132 frames", False),
        (None, "demo-v1: mean of 2 clips (1 with RGB as truth)", True),
    ):
        draw("rd", (tmp_path / "rd_points.csv", tmp_path), [], clip=clip)
        text = words(pages[-1])
        assert title in text
        assert ("RGB as truth" in text) == noted == (note in " ".join(text.split()))


def test_without_reference_fits_every_fit_is_solid(tmp_path, pages):
    points_data.rows(references=False).to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [])
    assert not any(line.is_dashed() for line in lines_of(pages[0]))
    assert "Fitted network, 18 epochs" in words(pages[0])


def test_the_mean_frame_is_a_horizontal_line_and_the_identity_is_not_drawn(demo, pages):
    draw("rd", demo, [])
    (axes,) = pages[0].axes
    level = [line for line in axes.get_lines() if set(line.get_ydata()) == {19.4}]
    assert len(level) == 1
    assert "mean frame, 19.40 dB at 0.0061 bpp" in words(pages[0])
    assert axes.get_ylim()[1] < 50
    assert axes.get_ylim()[0] < 19.4
    assert axes.get_xlim()[1] < 2


def test_where_lower_values_are_better_the_axis_states_it(tmp_path, pages, monkeypatch):
    """The mean frame is then far above the curves, and the axis does not extend to it."""
    metric = Metric(name="max_error_y", label="Max error", digits=1, higher_is_better=False, ceiling=0)
    monkeypatch.setitem(METRICS, metric.name, metric)
    table = points_data.rows().assign(max_error_y=lambda rows: 100 - rows["psnr_rgb_db"])
    table.loc[table["codec"] == "mean-frame", "max_error_y"] = 400.0
    table.to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [], metric="max_error_y")
    (axes,) = pages[0].axes
    assert axes.get_ylabel() == "Max error, lower is better"
    assert axes.get_ylim()[0] >= -1
    assert axes.get_ylim()[1] < 90
    assert "mean frame, 400.0 at 0.0061 bpp (above)" in words(pages[0])


def test_a_mean_frame_far_below_does_not_extend_the_axis(demo, pages):
    draw("rd", demo, [], metric="ms_ssim_rgb")
    (axes,) = pages[0].axes
    assert axes.get_ylim()[0] > 0.85
    assert "mean frame, 0.6157 at 0.0061 bpp (below)" in words(pages[0])


@pytest.mark.parametrize(("kinds", "scale"), [(("classical", "fitted"), "log"), (("fitted",), "linear")])
def test_a_wide_range_of_rates_is_logarithmic(kinds, scale, tmp_path, pages):
    table = points_data.rows()
    table[table["kind"].isin(kinds)].to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [])
    (axes,) = pages[0].axes
    assert axes.get_xscale() == scale
    labels = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
    assert len(labels) >= 4
    assert all(0 < float(label) < 10 for label in labels)


def test_metrics_have_their_units_and_ceilings(demo, pages):
    for metric in ("psnr_yuv_db", "ms_ssim_rgb_db", "vmaf"):
        draw("rd", demo, [], metric=metric)
    labels = [figure.axes[0].get_ylabel() for figure in pages]
    assert labels == ["PSNR-YUV 6:1:1 (dB)", "MS-SSIM (RGB) (dB)", "VMAF"]
    assert pages[0].axes[0].get_xlabel() == "Rate (bits per pixel)"
    assert pages[2].axes[0].get_ylim()[1] < 102


def test_bars_and_a_band_span_the_lowest_to_the_highest_seed(crowd, pages):
    draw("rd", crowd, [])
    collections = pages[0].axes[0].collections
    bars = [one for one in collections if isinstance(one, LineCollection) and len(one.get_segments())]
    heights = [np.ptp(segment[:, 1]) for segment in bars[0].get_segments()]
    # Each seed of the first fitted codec adds 0.11 dB and 1 % of rate.
    expected = 0.22 + 1.45 * np.log2(1.04 / 1.02)
    assert heights == pytest.approx([expected] * 4)
    bands = [one for one in collections if isinstance(one, PolyCollection)]
    corners = bands[0].get_paths()[0].vertices
    at_first_rate = corners[np.isclose(corners[:, 0], corners[:, 0].min()), 1]
    assert np.ptp(at_first_rate) == pytest.approx(expected)


def test_a_mean_names_the_series_that_lack_a_clip_and_does_not_draw_them(tmp_path, pages):
    second = points_data.rows(clip="other")
    both = pd.concat([points_data.rows(), second[second["codec"] != "nerv-matched"]])
    both.to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [])
    shown = words(pages[0])
    assert "demo-v1: mean of 2 clips" in shown
    assert "NeRV" not in shown.split("\n")
    note = "Not shown, because not every clip has them: NeRV, 18 epochs; NeRV, reference fit, 150 epochs."
    assert note in " ".join(shown.split())
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [], clip="other")
    assert "demo-v1: other, 132 frames" in words(pages[1])


def test_a_metric_without_values_gives_a_page_with_a_text(tmp_path, pages):
    points_data.rows().assign(vmaf=None).to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [], metric="vmaf")
    assert "VMAF: no codec of this condition has a value." in words(pages[0])
    assert not pages[0].axes


def test_the_legend_of_frames_has_the_order_of_the_lines_and_rates(demo, pages):
    draw("frames", demo, [])
    (axes,) = pages[0].axes
    levels = [np.mean(line.get_ydata()) for line in axes.get_lines()]
    assert levels == sorted(levels, reverse=True)
    assert all(len(line.get_xdata()) == points_data.FRAMES for line in axes.get_lines())
    assert "FFNeRV, 0.275 bpp" in words(pages[0])
    assert "Rates differ by up to a factor of 1.77" in words(pages[0])


def test_a_metric_without_values_of_frames_gives_a_page_with_a_text(demo, pages):
    draw("frames", demo, [], metric="vmaf")
    assert "No point has VMAF of single frames." in words(pages[0])


def test_a_fit_line_ends_with_the_psnr_of_the_decoded_file(demo, pages):
    draw("fit", demo, [])
    seconds, epochs = pages[0].axes
    assert (seconds.get_xlabel(), epochs.get_xlabel()) == ("Fit time (s)", "Epoch")
    table = points_data.rows()
    chosen = table[(table["kind"] == "fitted") & (table["point"] == "bpp0.27")]
    ends = [line for line in epochs.get_lines() if len(line.get_xdata()) == 1]
    assert sorted(line.get_ydata()[0] for line in ends) == pytest.approx(sorted(chosen["psnr_rgb_db"]))
    assert sorted(line.get_xdata()[0] for line in ends) == [18, 18, 150, 150]


def test_a_fit_log_that_counts_from_zero_is_shown_in_completed_epochs(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows(references=False))
    for path in data[1].rglob("encode.json"):
        report = json.loads(path.read_text())
        for row in report["details"].get("fit_log", []):
            row["epoch"] -= 1
        path.write_text(json.dumps(report))
    draw("fit", data, [])
    lines = [line for line in pages[0].axes[1].get_lines() if len(line.get_xdata()) > 1]
    assert {(min(line.get_xdata()), max(line.get_xdata())) for line in lines} == {(1, 18)}


def test_a_fit_on_two_devices_names_both(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows())
    for path in (data[1] / "reference").rglob("encode.json"):
        report = json.loads(path.read_text())
        report["details"]["fit_devices"] = ["cuda", "cpu"]
        path.write_text(json.dumps(report))
    draw("fit", data, [])
    assert words(pages[0]).count("bpp, cuda, then cpu") == 2


def test_the_log_of_a_reference_fit_is_read_from_the_tracked_files(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows())
    draw("fit", data, [])
    assert len([line for line in pages[0].axes[0].get_lines() if len(line.get_xdata()) > 1]) == 4
    for path in (data[1] / "reference").rglob("encode.json"):
        path.unlink()
    draw("fit", data, [])
    assert "Not shown, because files are missing: ffnerv-matched (reference), nerv-matched (reference)." in (
        words(pages[1]).replace("\n", " ")
    )


def test_devices_are_named_where_they_differ(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows())
    for path in (data[1] / "reference").rglob("encode.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"device": "cuda"}))
    draw("fit", data, [])
    assert "FFNeRV, 0.275 bpp, cuda" in words(pages[0])
    assert "FFNeRV, 0.275 bpp, cpu" in words(pages[0])


def test_the_strip_has_the_source_and_every_codec_with_the_psnr_of_the_frame(demo, pages):
    draw("strip", demo, [])
    figure = pages[0]
    assert len(figure.axes) == 1 + 8
    folder = demo[1] / "points" / points_data.CONDITION / points_data.CLIP
    frames = pd.read_csv(folder / "ffnerv-matched/bpp0.27/reference-seed0/frames.csv")
    assert f"0.275 bpp, {frames.loc[60, 'psnr_rgb_db']:.2f} dB" in words(figure)
    assert "reference fit, 150 epochs" in words(figure)
    assert "source\nframe 60" in words(figure)
    tile = figure.axes[0].get_images()[0].get_array()
    assert tile.shape == (5 * 72, 5 * 96, 3)
    assert (tile[:5, :5] == tile[0, 0]).all()


def test_the_strip_of_a_clip_without_the_frame_names_the_frame_that_it_shows(demo, pages):
    """The crop of such a clip is of its middle frame."""
    points_csv, results = demo
    options = {"results": results, "clip": points_data.CLIP, "rate_bpp": 0.27, "outputs": []}
    draw_strip(points_csv, frame=999, **options)
    assert f"source\nframe {points_data.FRAMES // 2}" in words(pages[0])
    folder = results / "points" / points_data.CONDITION / points_data.CLIP
    frames_csv = folder / "ffnerv-matched/bpp0.27/reference-seed0/frames.csv"
    value = pd.read_csv(frames_csv).loc[points_data.FRAMES // 2, "psnr_rgb_db"]
    assert f", {value:.2f} dB" in words(pages[0])


def test_the_strip_accepts_a_crop_of_the_source(demo, tmp_path, pages):
    table = points_data.rows()
    table[table["codec"] != "identity"].to_csv(tmp_path / "rd_points.csv", index=False)
    data = tmp_path / "rd_points.csv", demo[1]
    with pytest.raises(BenchError, match="no crop of the source; run the codec `identity`"):
        draw("strip", data, [])
    crop = demo[1] / "points" / points_data.CONDITION / points_data.CLIP / "identity/default/seed0/crop.png"
    draw("strip", data, [], source_png=crop)
    assert len(pages[0].axes) == 1 + 8
