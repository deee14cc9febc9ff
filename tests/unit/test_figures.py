"""Figures: what is drawn, that nothing overlaps, and that the same numbers give the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import points_data
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.errors import BenchError
from bench.figures.fit import draw_fit
from bench.figures.frames import draw_frames
from bench.figures.rd import draw_rd
from bench.figures.strip import draw_strip
from bench.figures.style import FAMILIES

REPOSITORY = Path(__file__).parents[2]
MANY = {
    "enerv-matched": ("E-NeRV (matched)", -0.4),
    "hnerv-matched": ("HNeRV (matched)", 0.5),
    "ffnerv-official": ("FFNeRV (official recipe)", 0.2),
    "my-own-codec": ("A codec of somebody's own", 1.2),
}
AT_ONE_RATE = {"clip": points_data.CLIP, "rate_bpp": 0.27}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """rd_points.csv and the points' folder of the made-up condition: 8 series and 2 controls."""
    return points_data.write_condition(tmp_path_factory.mktemp("demo"), points_data.rows())


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same with 16 series, three seeds, and no crop of one codec."""
    points_csv, points = points_data.write_condition(
        tmp_path_factory.mktemp("crowd"), points_data.rows(seeds=3, extra=MANY)
    )
    for name in ("crop.png", "frames.csv", "encode.json"):
        (points / points_data.CONDITION / points_data.CLIP / "my-own-codec/bpp0.27/seed0" / name).unlink()
    return points_csv, points


def draw(kind: str, data: tuple[Path, Path], outs: list[Path], **options) -> None:
    points_csv, points = data
    if kind in ("rd", "fit"):
        options = {"rd": {"metric": "psnr_rgb_db"}, "fit": {"points_dir": points, **AT_ONE_RATE}}[
            kind
        ] | options
        (draw_rd if kind == "rd" else draw_fit)(points_csv, outs=outs, **options)
    elif kind == "frames":
        draw_frames(points_csv, points_dir=points, outs=outs, **AT_ONE_RATE, **options)
    else:
        draw_strip(points_csv, points_dir=points, frame=60, outs=outs, **AT_ONE_RATE, **options)


def texts(figure: Figure) -> list[Text]:
    """Every text that is printed: title, labels, tick labels inside the limits, key, remarks."""
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    outside = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            shown = axis.get_visible() and axes.axison
            outside |= {t.label1 for t in ticks if not shown or not low <= t.get_loc() <= high}
            outside |= {t.label2 for t in ticks}
    return [text for text in found if text not in outside]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


KINDS = ("rd", "frames", "fit", "strip")


@pytest.mark.parametrize("kind", KINDS)
def test_three_formats_of_identical_bytes(kind, demo, tmp_path):
    written = []
    for run in ("one", "two"):
        outs = [tmp_path / run / f"figure{suffix}" for suffix in (".pdf", ".png", ".svg")]
        draw(kind, demo, outs)
        written.append([out.read_bytes() for out in outs])
    assert written[0] == written[1]
    pdf, png, svg = written[0]
    assert (pdf[:5], png[1:4], svg[:5]) == (b"%PDF-", b"PNG", b"<?xml")
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf
    assert b"Date" not in pdf


def test_another_process_writes_the_same_bytes(demo, tmp_path):
    outs = [tmp_path / f"here{suffix}" for suffix in (".pdf", ".svg")]
    draw("rd", demo, outs)
    code = (
        "import sys; from bench.figures.rd import draw_rd; import bench.figures.strip, bench.tables.summary;"
        "draw_rd(sys.argv[1], metric='psnr_rgb_db', outs=sys.argv[2:]);"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    others = [tmp_path / f"there{suffix}" for suffix in (".pdf", ".svg")]
    # Another hash seed, and settings of a user's own that must not show.
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.grid: False\nsvg.fonttype: none\n")
    environment = os.environ | {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    command = [sys.executable, "-c", code, str(demo[0]), *map(str, others)]
    subprocess.run(command, check=True, cwd=REPOSITORY, env=environment)
    assert [out.read_bytes() for out in others] == [out.read_bytes() for out in outs]


def test_drawing_leaves_the_settings_of_matplotlib_alone(demo, tmp_path):
    before = dict(matplotlib.rcParams)
    draw("rd", demo, [tmp_path / "rd.png"])
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("kind", ["rd", "frames", "strip"])
def test_a_footnote_is_below_what_shows_its_codec(kind, demo, pages):
    footnotes = {"nerv-matched": "made for this test.", "not-here": "is not drawn."}
    draw(kind, demo, [], footnotes=footnotes)
    said = " ".join(words(pages[0]).split())
    assert "NeRV: made for this test." in said
    assert "is not drawn" not in said


@pytest.mark.parametrize("width", [7.0, 3.5])
@pytest.mark.parametrize("data", ["demo", "crowd"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_clipped_or_overlaps_another(kind, data, width, pages, request):
    draw(kind, request.getfixturevalue(data), [], width=width)
    (figure,) = pages
    boxes = {text: text.get_window_extent() for text in texts(figure)}
    page = Bbox.from_bounds(0, 0, figure.bbox.width, figure.bbox.height)
    for text, box in boxes.items():
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{text.get_text()!r} leaves the page: {box}"
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        common = Bbox.intersection(first, second)
        touch = common is None or common.width < 1 or common.height < 1
        assert touch, f"{one.get_text()!r} over {other.get_text()!r}"


@pytest.mark.parametrize("width", [7.0, 3.5])
def test_the_key_stands_clear_of_the_axes(width, crowd, pages):
    draw("rd", crowd, [], width=width)
    (figure,) = pages
    (axes,) = figure.axes
    frame = axes.get_window_extent()
    key = [text for text in figure.texts if text.get_text().strip()][1:]
    assert len(key) >= 16
    for text in key:
        assert Bbox.intersection(frame, text.get_window_extent()) is None


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
    said = words(pages[0])
    assert "Reference fit, 150 epochs" in said
    assert "Short fit, 18 epochs" in said


def test_without_reference_fits_every_fit_is_solid(tmp_path, pages):
    points_data.rows(references=False).to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [])
    assert not any(line.is_dashed() for line in lines_of(pages[0]))
    assert "Fitted network, 18 epochs" in words(pages[0])


def test_the_mean_frame_is_a_line_and_the_identity_is_not_drawn(demo, pages):
    draw("rd", demo, [])
    (axes,) = pages[0].axes
    level = [line for line in axes.get_lines() if set(line.get_ydata()) == {19.4}]
    assert len(level) == 1
    assert "mean frame, 19.40 dB at 0.0061 bpp" in words(pages[0])
    assert axes.get_ylim()[1] < 50
    assert axes.get_ylim()[0] < 19.4
    assert axes.get_xlim()[1] < 2


def test_a_mean_frame_far_below_does_not_squash_the_curves(demo, pages):
    draw("rd", demo, [], metric="ms_ssim_rgb")
    (axes,) = pages[0].axes
    assert axes.get_ylim()[0] > 0.85
    assert "mean frame, 0.6157 at 0.0061 bpp (below)" in words(pages[0])


@pytest.mark.parametrize(("kinds", "scale"), [(("classical", "fitted"), "log"), (("fitted",), "linear")])
def test_a_wide_span_of_rates_is_logarithmic(kinds, scale, tmp_path, pages):
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


def test_seeds_have_bars_from_the_lowest_to_the_highest(crowd, pages):
    draw("rd", crowd, [])
    bars = [collection for collection in pages[0].axes[0].collections if len(collection.get_segments())]
    heights = [np.ptp(segment[:, 1]) for segment in bars[0].get_segments()]
    # A seed of the first fitted codec adds 0.11 dB, and its file is a little larger.
    assert heights == pytest.approx([0.22 + 1.45 * np.log2(1.04 / 1.02)] * 4)


def test_the_mean_of_clips_says_which_series_lack_one(tmp_path, pages):
    second = points_data.rows(clip="other")
    both = pd.concat([points_data.rows(), second[second["codec"] != "nerv-matched"]])
    both.to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [])
    assert "demo-v1: mean of 2 clips" in words(pages[0])
    assert words(pages[0]).count("NeRV (1 of 2 clips)") == 2
    assert "FFNeRV (1 of 2 clips)" not in words(pages[0])
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [], clip="other")
    assert "demo-v1: other, 132 frames" in words(pages[1])


def test_a_metric_that_no_record_has_is_said(tmp_path, pages):
    points_data.rows().assign(vmaf=None).to_csv(tmp_path / "rd_points.csv", index=False)
    draw("rd", (tmp_path / "rd_points.csv", tmp_path), [], metric="vmaf")
    assert "VMAF: no record of this condition has a value." in words(pages[0])
    assert not pages[0].axes


def test_frames_are_listed_from_top_to_bottom_with_their_rates(demo, pages):
    draw("frames", demo, [])
    (axes,) = pages[0].axes
    levels = [np.mean(line.get_ydata()) for line in axes.get_lines()]
    assert levels == sorted(levels, reverse=True)
    assert all(len(line.get_xdata()) == points_data.FRAMES for line in axes.get_lines())
    assert "FFNeRV, 0.275 bpp" in words(pages[0])
    assert "Rates differ by up to a factor of 1.77" in words(pages[0])


def test_a_metric_without_values_by_frame_is_said(demo, pages):
    draw("frames", demo, [], metric="vmaf")
    assert "No codec's point has VMAF frame by frame." in words(pages[0])


def test_the_fit_ends_in_the_decoded_file(demo, pages):
    draw("fit", demo, [])
    seconds, epochs = pages[0].axes
    assert (seconds.get_xlabel(), epochs.get_xlabel()) == ("Fit time (s)", "Epoch")
    table = points_data.rows()
    chosen = table[(table["kind"] == "fitted") & (table["point"] == "bpp0.27")]
    ends = [line for line in epochs.get_lines() if len(line.get_xdata()) == 1]
    assert sorted(line.get_ydata()[0] for line in ends) == pytest.approx(sorted(chosen["psnr_rgb_db"]))
    assert sorted(line.get_xdata()[0] for line in ends) == [18, 18, 150, 150]


def test_a_fit_log_that_counts_from_zero_is_shown_in_epochs_done(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows(references=False))
    for path in data[1].rglob("encode.json"):
        report = json.loads(path.read_text())
        for row in report["details"].get("fit_log", []):
            row["epoch"] -= 1
        path.write_text(json.dumps(report))
    draw("fit", data, [])
    lines = [line for line in pages[0].axes[1].get_lines() if len(line.get_xdata()) > 1]
    assert {(min(line.get_xdata()), max(line.get_xdata())) for line in lines} == {(1, 18)}


def test_a_reference_fit_is_read_where_it_is_tracked(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows())
    tracked = tmp_path / "reference"
    for path in data[1].rglob("reference-seed0/encode.json"):
        place = tracked / path.parent.relative_to(data[1]).parent / "seed0"
        place.mkdir(parents=True)
        path.rename(place / "encode.json")
    draw("fit", data, [], reference_dir=tracked)
    assert len([line for line in pages[0].axes[0].get_lines() if len(line.get_xdata()) > 1]) == 4
    draw("fit", data, [])
    assert "Not shown, as their files are missing: ffnerv-matched (reference), nerv-matched (reference)." in (
        words(pages[1]).replace("\n", " ")
    )


def test_devices_are_named_where_they_differ(tmp_path, pages):
    data = points_data.write_condition(tmp_path, points_data.rows())
    for path in data[1].rglob("reference-seed0/encode.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"device": "cuda"}))
    draw("fit", data, [])
    assert "FFNeRV, 0.275 bpp, cuda" in words(pages[0])
    assert "FFNeRV, 0.275 bpp, cpu" in words(pages[0])


def test_the_strip_has_the_source_and_every_codec_with_this_frames_psnr(demo, pages):
    draw("strip", demo, [])
    figure = pages[0]
    assert len(figure.axes) == 1 + 8
    folder = demo[1] / points_data.CONDITION / points_data.CLIP
    frames = pd.read_csv(folder / "ffnerv-matched/bpp0.27/reference-seed0/frames.csv")
    assert f"0.275 bpp, {frames.loc[60, 'psnr_rgb_db']:.2f} dB" in words(figure)
    assert "reference fit, 150 epochs" in words(figure)
    assert "source\nframe 60" in words(figure)
    tile = figure.axes[0].get_images()[0].get_array()
    assert tile.shape == (5 * 72, 5 * 96, 3)
    assert (tile[:5, :5] == tile[0, 0]).all()


def test_the_strip_takes_a_source_of_ones_own(demo, tmp_path, pages):
    table = points_data.rows()
    table[table["codec"] != "identity"].to_csv(tmp_path / "rd_points.csv", index=False)
    data = tmp_path / "rd_points.csv", demo[1]
    with pytest.raises(BenchError, match="no crop of the source; run the codec `identity`"):
        draw("strip", data, [])
    crop = demo[1] / points_data.CONDITION / points_data.CLIP / "identity/default/seed0/crop.png"
    draw("strip", data, [], source_png=crop)
    assert len(pages[0].axes) == 1 + 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_without_its_files_is_named(kind, crowd, pages):
    draw(kind, crowd, [])
    missing = "Not shown, as their files are missing: my-own-codec." in words(pages[0]).replace("\n", " ")
    assert missing == (kind != "rd")


@pytest.mark.parametrize("kind", ["frames", "fit", "strip"])
def test_no_files_at_all_is_one_line(kind, demo, tmp_path):
    options = {"source_png": next(demo[1].rglob("identity/*/*/crop.png"))} if kind == "strip" else {}
    with pytest.raises(BenchError, match=r"no (frames\.csv|encode\.json|crop\.png) of"):
        draw(kind, (demo[0], tmp_path), [], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_controls_alone_are_drawn_as_a_page_that_says_so(kind, demo, tmp_path, pages):
    table = points_data.rows()
    table[table["kind"] == "control"].to_csv(tmp_path / "rd_points.csv", index=False)
    draw(kind, (tmp_path / "rd_points.csv", demo[1]), [])
    assert len(pages[0].axes) == (kind == "strip")


@pytest.mark.parametrize("kind", KINDS)
def test_empty_tables_unknown_clips_and_formats_are_one_line(kind, demo, tmp_path):
    points_data.rows().iloc[:0].to_csv(tmp_path / "rd_points.csv", index=False)
    with pytest.raises(BenchError, match="no points yet"):
        draw(kind, (tmp_path / "rd_points.csv", demo[1]), [])
    with pytest.raises(BenchError, match=r"figure\.jpg: not a format of figures"):
        draw(kind, demo, [tmp_path / "figure.jpg"])
    here = points_data.rows(clip="elsewhere")
    here.to_csv(tmp_path / "rd_points.csv", index=False)
    options = {"clip": points_data.CLIP} if kind == "rd" else {}
    with pytest.raises(BenchError, match=r"bunny-320x180; choose one of elsewhere"):
        draw(kind, (tmp_path / "rd_points.csv", demo[1]), [], **options)


def test_a_broken_crop_is_named(demo, tmp_path):
    broken = tmp_path / "crop.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(BenchError, match=r"crop\.png: no readable picture"):
        draw("strip", demo, [], source_png=broken)
