"""Published and user's curves in figures: distinguishable from measured ones, without overlaps."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import points_data
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.analysis.published import Selector
from bench.base.errors import BenchError
from bench.figures.rd import draw_rd
from bench.figures.style import (
    FAMILIES,
    PUBLISHED_LINES,
    codec_styles,
    reported_styles,
    shade,
    user_styles,
)

FFNERV = Selector(source="ffnerv-table-11", label="FFNeRV", codec="ffnerv-matched")
MANY = [
    FFNERV,
    Selector(source="nerv-uvg", codec="nerv-matched"),
    Selector(source="hnerv-uvg"),
    Selector(source="hnerv-uvg-mean"),
    Selector(source="hinerv-figure", label="HNeRV"),
    Selector(source="c3-vct", label="VCT"),
    Selector(source="hnerv-table-2", label="HNeRV", codec="hnerv-matched"),
    Selector(source="d-nerv-uvg"),
]
USER_CSV = "label,rate_bpp,psnr_rgb_db,source\nmy codec,0.1,30,my thesis\nmy codec,0.2,33,my thesis\n"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    points_data.rows().to_csv(tmp_path / "rd_points.csv", index=False)
    return tmp_path / "rd_points.csv"


@pytest.fixture
def user_csv(tmp_path: Path) -> Path:
    (tmp_path / "mine.csv").write_text(USER_CSV)
    return tmp_path / "mine.csv"


def words(figure: Figure) -> str:
    result = (text.get_text() for text in figure.texts)
    return " ".join(" ".join(result).split())


def lines(figure: Figure) -> dict[tuple[float, ...], object]:
    """Lines of the axes by their qualities."""
    return {tuple(np.round(line.get_ydata(), 4)): line for line in figure.axes[0].get_lines()}


def test_no_published_curve_is_drawn_by_default(points, pages):
    draw_rd(points, metric="psnr_rgb_db", outputs=[])
    assert len(lines(pages[0])) == 8 + 1  # and the mean frame
    assert "not measured here" not in words(pages[0])


def test_a_published_curve_is_thin_dashed_and_lighter_than_its_codec(points, pages):
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=[FFNERV])
    line = lines(pages[0])[32.71, 35.55, 36.76, 37.64, 38.33, 38.91]
    assert list(line.get_xdata()) == [0.0182, 0.0546, 0.089, 0.131, 0.18, 0.239]
    assert (line.get_linewidth(), line.get_markerfacecolor(), line.is_dashed()) == (0.8, "white", True)
    assert line.get_marker() == FAMILIES["ffnerv"][1]
    assert line.get_color() == shade(FAMILIES["ffnerv"][0], 0.35)
    text = words(pages[0])
    assert "Reported, not measured here FFNeRV (reported), FFNeRV Table 11" in text
    assert "FFNeRV Table 11: mean of uvg; 1920x1080; PNG." in text


def test_a_users_curve_has_its_label_and_source(points, user_csv, pages):
    draw_rd(points, metric="psnr_rgb_db", outputs=[], user_curves=user_csv)
    line = lines(pages[0])[30, 33]
    assert (line.get_linewidth(), line.get_markerfacecolor(), line.is_dashed()) == (0.8, "white", True)
    assert "User's curve, not measured here my codec " in words(pages[0])
    assert words(pages[0]).endswith(" my codec: my thesis.")
    draw_rd(points, metric="vmaf", outputs=[], user_curves=user_csv)
    assert "my codec" not in words(pages[1])


def test_published_clips_are_matched_by_sequence(points, pages):
    hinerv = Selector(source="hinerv-uvg")
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=[hinerv])
    assert "Not shown, because they are of other clips: HiNeRV." in words(pages[0])
    draw_rd(
        points,
        metric="psnr_rgb_db",
        outputs=[],
        published=[hinerv],
        sequences={points_data.CLIP: "uvg-beauty"},
    )
    assert next(ys for ys in lines(pages[1]) if ys[0] == 33.8697)[:2] == (33.8697, 34.0719)
    assert "Not shown" not in words(pages[1])


def test_a_published_mean_is_not_drawn_over_one_clip_of_several(tmp_path, points, pages):
    pd.concat([points_data.rows(), points_data.rows(clip="other")]).to_csv(points, index=False)
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=[FFNERV], clip="other")
    assert "Not shown, because they are of other clips: FFNeRV." in words(pages[0])
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=[FFNERV])
    assert "FFNeRV (reported), FFNeRV Table 11" in words(pages[1])


def test_far_published_points_do_not_extend_the_axis(points, pages):
    table = points_data.rows()
    table[table["kind"] == "fitted"].to_csv(points, index=False)
    wide = Selector(source="c3-vct", label="HEVC medium, no B-frames")
    low = Selector(source="hnerv-uvg-mean")
    sequences = {points_data.CLIP: "uvg-jockey"}
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=[wide, low], sequences=sequences)
    left, right = pages[0].axes[0].get_xlim()
    assert 0.04 < left < 0.07
    assert 0.7 < right < 1.0
    note = (
        "Not shown, because their rates are far from all measured ones: "
        "HNeRV (reported), HNeRV repository, mean."
    )
    assert note in words(pages[0])
    assert "HEVC medium, no B-frames (reported), VCT authors" in words(pages[0])


def test_all_points_of_a_users_curve_are_inside(points, tmp_path, pages):
    (tmp_path / "mine.csv").write_text("label,rate_bpp,psnr_rgb_db\nmine,0.001,12\nmine,30,60\n")
    draw_rd(points, metric="psnr_rgb_db", outputs=[], user_curves=tmp_path / "mine.csv")
    (axes,) = pages[0].axes
    assert axes.get_xlim()[0] < 0.001 < 30 < axes.get_xlim()[1]
    assert axes.get_ylim()[0] < 12 < 60 < axes.get_ylim()[1]


def test_a_wrong_file_is_an_error_even_without_measured_points(points, tmp_path):
    points_data.rows().assign(vmaf=None).to_csv(points, index=False)
    (tmp_path / "mine.csv").write_text("label,rate_bpp,vmaf\nmine,none,3\n")
    with pytest.raises(BenchError, match=r"mine\.csv:2: column rate_bpp: 'none' is not a number"):
        draw_rd(points, metric="vmaf", outputs=[], user_curves=tmp_path / "mine.csv")


@pytest.mark.parametrize("width", [7.0, 3.5])
def test_no_text_overlaps_or_leaves_the_page(width, points, user_csv, pages):
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=MANY, user_curves=user_csv, width=width)
    (figure,) = pages
    (axes,) = figure.axes
    page = Bbox.from_bounds(0, 0, figure.bbox.width, figure.bbox.height)
    boxes = {t: t.get_window_extent() for t in figure.texts if isinstance(t, Text) and t.get_text()}
    assert sum("(reported)" in text.get_text() for text in boxes) == 6
    boxes |= {label: label.get_window_extent() for label in (axes.xaxis.label, axes.yaxis.label)}
    frame = axes.get_window_extent()
    for text, box in boxes.items():
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{text.get_text()!r} leaves the page: {box}"
        assert Bbox.intersection(frame, box) is None, text.get_text()
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        common = Bbox.intersection(first, second)
        touch = common is None or common.width < 1 or common.height < 1
        assert touch, f"{one.get_text()!r} over {other.get_text()!r}"


@pytest.mark.slow
def test_files_are_reproducible(points, user_csv, tmp_path):
    written = []
    for run in ("one", "two"):
        outs = [tmp_path / run / f"rd{suffix}" for suffix in (".pdf", ".png", ".svg")]
        draw_rd(points, metric="psnr_rgb_db", outputs=outs, published=MANY, user_curves=user_csv)
        written.append([out.read_bytes() for out in outs])
    assert written[0] == written[1]


# --- styles


def test_published_curves_do_not_change_the_styles_of_measured_series(points, user_csv, pages):
    draw_rd(points, metric="psnr_rgb_db", outputs=[])
    draw_rd(points, metric="psnr_rgb_db", outputs=[], published=MANY, user_curves=user_csv)
    alone, together = (lines(figure) for figure in pages)
    for qualities, line in alone.items():
        other = together[qualities]
        for getter in ("get_color", "get_linestyle", "get_marker", "get_markerfacecolor", "get_linewidth"):
            assert getattr(line, getter)() == getattr(other, getter)()


def test_published_styles_follow_the_method_and_are_all_different():
    names = [("HNeRV", ""), ("HNeRV", ""), ("HNeRV-Boost", ""), ("HEVC medium", ""), ("VTM", ""), ("VCT", "")]
    styles = reported_styles(names, ["nerv-matched"])
    distinct = {(style.colour, style.marker, style.line) for style in styles}
    assert len(distinct) == len(styles)
    assert [style.marker for style in styles[:5]] == [
        FAMILIES[family][1] for family in ("hnerv", "hnerv", "hnerv", "x265", "vvenc")
    ]
    red, green, blue = (int(styles[5].colour[at : at + 2], 16) for at in (1, 3, 5))
    assert red == green == blue  # a method of an unknown family is grey
    assert all(style.line in PUBLISHED_LINES and not style.filled for style in styles)


def test_a_published_counterpart_has_the_hue_of_its_codec():
    (style,) = reported_styles([("Big network", "nerv-official")], ["nerv-official"])
    assert style.marker == FAMILIES["nerv"][1]
    assert style.colour == shade(codec_styles(["nerv-official"])["nerv-official"].colour, 0.35)


def test_users_curves_have_hues_that_no_codec_has():
    codecs = ["my-own-codec", "x264-medium", "nerv-matched"]
    styles = user_styles(["NeRV", "mine", "third"], codecs)
    taken = {style.colour for style in codec_styles(codecs).values()}
    assert len({style.colour for style in styles} | taken) == 6
