"""Figures of every kind: reproducible files, no overlapping text, and notes on missing files."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations

import matplotlib
import points_data
import pytest
from figure_pages import draw, texts, words
from matplotlib.transforms import Bbox

from bench.base.errors import BenchError
from bench.base.paths import ROOT

KINDS = ("rd", "frames", "fit", "strip")


@pytest.mark.slow
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


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(demo, tmp_path):
    outs = [tmp_path / f"here{suffix}" for suffix in (".pdf", ".svg")]
    draw("rd", demo, outs)
    code = (
        "import sys; from bench.figures.rd import draw_rd; import bench.figures.strip, bench.tables.summary;"
        "draw_rd(sys.argv[1], metric='psnr_rgb_db', outputs=sys.argv[2:]);"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    others = [tmp_path / f"there{suffix}" for suffix in (".pdf", ".svg")]
    # Another hash seed, and settings of a user that must have no effect.
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.grid: False\nsvg.fonttype: none\n")
    environment = os.environ | {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    command = [sys.executable, "-c", code, str(demo[0]), *map(str, others)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    assert [out.read_bytes() for out in others] == [out.read_bytes() for out in outs]


def test_drawing_does_not_change_the_settings_of_matplotlib(demo, tmp_path):
    before = dict(matplotlib.rcParams)
    draw("rd", demo, [tmp_path / "rd.png"])
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("kind", ["rd", "frames", "strip"])
def test_a_footnote_is_shown_with_its_codec(kind, demo, pages):
    footnotes = {"nerv-matched": "made for this test.", "not-here": "is not drawn."}
    draw(kind, demo, [], footnotes=footnotes)
    text = " ".join(words(pages[0]).split())
    assert "NeRV: made for this test." in text
    assert "is not drawn" not in text


@pytest.mark.slow
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
def test_the_legend_does_not_overlap_the_axes(width, crowd, pages):
    draw("rd", crowd, [], width=width)
    (figure,) = pages
    (axes,) = figure.axes
    frame = axes.get_window_extent()
    legend = [text for text in figure.texts if text.get_text().strip()][1:]
    assert len(legend) >= 16
    for text in legend:
        assert Bbox.intersection(frame, text.get_window_extent()) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_without_its_files_is_named(kind, crowd, pages):
    draw(kind, crowd, [])
    missing = "Not shown, because files are missing: my-own-codec." in words(pages[0]).replace("\n", " ")
    assert missing == (kind != "rd")


@pytest.mark.parametrize("kind", ["frames", "fit", "strip"])
def test_missing_files_of_all_points_are_an_error(kind, demo, tmp_path):
    options = {"source_png": next(demo[1].rglob("identity/*/*/crop.png"))} if kind == "strip" else {}
    with pytest.raises(BenchError, match=r"no (frames\.csv|encode\.json|crop\.png) of"):
        draw(kind, (demo[0], tmp_path), [], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_controls_alone_give_a_page_with_a_text(kind, demo, tmp_path, pages):
    table = points_data.rows()
    table[table["kind"] == "control"].to_csv(tmp_path / "rd_points.csv", index=False)
    draw(kind, (tmp_path / "rd_points.csv", demo[1]), [])
    assert len(pages[0].axes) == (kind == "strip")


@pytest.mark.parametrize("kind", KINDS)
def test_empty_tables_unknown_clips_and_formats_are_errors(kind, demo, tmp_path):
    points_data.rows().iloc[:0].to_csv(tmp_path / "rd_points.csv", index=False)
    with pytest.raises(BenchError, match="no points yet"):
        draw(kind, (tmp_path / "rd_points.csv", demo[1]), [])
    with pytest.raises(BenchError, match=r"figure\.jpg: is not a format of figures"):
        draw(kind, demo, [tmp_path / "figure.jpg"])
    here = points_data.rows(clip="elsewhere")
    here.to_csv(tmp_path / "rd_points.csv", index=False)
    options = {"clip": points_data.CLIP} if kind == "rd" else {}
    with pytest.raises(BenchError, match=r"bunny-320x180; choose one of elsewhere"):
        draw(kind, (tmp_path / "rd_points.csv", demo[1]), [], **options)


def test_a_broken_crop_is_an_error(demo, tmp_path):
    broken = tmp_path / "crop.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(BenchError, match=r"crop\.png: is not a readable image"):
        draw("strip", demo, [], source_png=broken)
