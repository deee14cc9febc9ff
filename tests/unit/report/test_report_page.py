"""The report page in a real browser: numbers, interaction, pictures, escaping, no request to a network."""

from __future__ import annotations

import html
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from page_data import FRAMES, HEIGHT, HOSTILE, HOSTILE_IMAGE, SHIFT, WIDTH, source_frame, table, write
from PIL import Image
from points_data import CLIP
from scipy.interpolate import PchipInterpolator

from bench.analysis.bjontegaard import NotComparable, bd_quality, bd_rate, quality_at, rate_at
from bench.analysis.curves import Curve, curves
from bench.analysis.published import load_reported
from bench.analysis.rd_points import load_points
from bench.base.paths import ROOT
from bench.report.curve_data import SYMBOLS, curve_values
from bench.report.page import _write_script
from bench.report.run_data import share_repeats
from bench.scoring.record import collect
from bench.tables.bd_rate import write_bd_rate

pytestmark = pytest.mark.slow

X264 = f"{CLIP}/x264-medium/crf33/seed0"
FFNERV = f"{CLIP}/ffnerv-matched/bpp0.12/seed0"
#: All pictures of the page are decoded.
LOADED = "[...document.images].every((image) => image.complete && image.naturalWidth)"
Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, page_folder: Path) -> Iterator[Open]:
    """A function that opens a view of the page. At the end: no error, and no request that left the folder."""
    problems: list[str] = []
    contexts = []

    def open_(view: str = "", *, folder: Path = page_folder, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        inside = folder.as_uri()
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))

        def check(request: Any) -> None:
            if not request.url.startswith((inside, "data:", "blob:")):
                problems.append(f"left the folder: {request.url}")

        page.on("request", check)
        page.goto(f"{inside}/index.html#{view}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


def wait_until(page: Any, expression: str) -> None:
    """Wait until an expression is true. The page's policy forbids the `eval` of Playwright polling."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(30)
    raise AssertionError(f"never true: {expression}")


def test_the_page_opens_on_the_clip_that_most_series_have(open_page: Open, tmp_path: Path) -> None:
    """The mean over clips leaves out and names the series that lack a clip."""
    rows = table()
    rows = rows[(rows["codec"] != "nerv-matched") | (rows["clip"] == CLIP)]
    page = open_page(folder=write(tmp_path, rows, with_frames=False))
    legend = page.locator(".legend")
    assert page.get_by_label("Clip").input_value() == CLIP
    assert "Not on every clip" not in legend.inner_text()
    page.get_by_label("Clip").select_option("mean")
    wait_until(page, "document.querySelector('.legend .note') !== null")
    labels = [text.strip() for text in legend.locator("label").all_inner_texts()]
    assert not any(label.startswith("NeRV") for label in labels)
    assert any(label.startswith("FFNeRV") for label in labels)
    assert "NeRV, 18 epochs" in legend.locator(".note").inner_text()


def metric_of(curve: Curve) -> dict[str, Any]:
    metric = curve.metric
    return {"label": metric.label, "direction": metric.direction, "ceiling": metric.ceiling}


def reference_points(folder: Path) -> Iterator[pd.DataFrame]:
    """Rows of the tracked records of each condition."""
    for condition in sorted((ROOT / "results" / "reference").iterdir()):
        records = sorted(condition.glob("*/*/*/seed*/record.json"))
        if records:
            collect(records, folder / f"{condition.name}.csv")
            yield load_points(folder / f"{condition.name}.csv")


def pairs(rows: pd.DataFrame) -> Iterator[tuple[Curve, Curve]]:
    """Pairs of curves of the same clip and metric: each with the one after it."""
    metrics = [name for name in ("psnr_rgb_db", "psnr_yuv_db", "ms_ssim_rgb", "vmaf") if name in rows]
    for metric in metrics:
        for clip in sorted(rows["clip"].unique()):
            of_clip = [curve for curve in curves(rows, metric, clip=clip) if len(curve.points)]
            yield from zip(of_clip, [*of_clip[1:], *of_clip[:1]], strict=True)


def test_differences_are_those_of_the_analysis_on_all_tracked_and_published_curves(
    open_page: Open, tmp_path: Path
) -> None:
    tables = [*reference_points(tmp_path), load_reported()[lambda rows: rows["rate_bpp"].notna()]]
    compared = [pair for rows in tables for pair in pairs(rows)]
    given = [[curve_values(anchor), curve_values(test), metric_of(anchor)] for anchor, test in compared]
    page = open_page()
    computed = page.evaluate(
        """(given) => given.map(([anchor, test, metric]) => {
            const attempt = (compute) => { try { return compute(); } catch { return null; } };
            const middle = test.rate[Math.floor(test.rate.length / 2)] * 1.01;
            const quality = attempt(() => BD.qualityAt(test, metric, middle));
            return [attempt(() => BD.bdRate(anchor, test, metric).value),
                    attempt(() => BD.bdQuality(anchor, test, metric).value), quality,
                    quality === null ? null : attempt(() => BD.rateAt(anchor, metric, quality))];
        })""",
        given,
    )
    numbers = 0
    for (anchor, test), of_page in zip(compared, computed, strict=True):
        expected = expected_values(anchor, test)
        for one, other in zip(expected, of_page, strict=True):
            assert (one is None) == (other is None), (anchor.full_label, test.full_label, one, other)
            if one is not None and other is not None:
                assert other == pytest.approx(one, rel=1e-9, abs=1e-9)
                numbers += 1
    assert numbers > 300


def expected_values(anchor: Curve, test: Curve) -> list[float | None]:
    results: list[float | None] = []
    for difference in (bd_rate, bd_quality):
        try:
            results.append(difference(anchor, test).value)
        except NotComparable:
            results.append(None)
    quality = rate = None
    try:
        quality = quality_at(test, test.rate_bpp[len(test.rate_bpp) // 2] * 1.01)
        rate = rate_at(anchor, quality)
    except NotComparable:
        pass
    return [*results, quality, rate]


def test_a_range_of_rates_limits_the_qualities_of_the_difference(open_page: Open, page_folder: Path) -> None:
    rows = load_points(page_folder.parent / "rd_points.csv")
    by_codec = {curve.codec: curve for curve in curves(rows, "psnr_rgb_db", clip=CLIP) if not curve.reference}
    anchor, test = by_codec["x264-medium"], by_codec["x265-medium"]
    low, high = 0.08, 0.3
    ends = PchipInterpolator(np.log10(anchor.rate_bpp), anchor.quality)(np.log10([low, high]))
    integrals = [
        PchipInterpolator(curve.quality, np.log10(curve.rate_bpp)).integrate(*ends)
        for curve in (test, anchor)
    ]
    expected = 100 * (10 ** ((integrals[0] - integrals[1]) / (ends[1] - ends[0])) - 1)
    page = open_page(f"clip={CLIP}&lo={low}&hi={high}")
    (row,) = (row for row in page.evaluate("Comparison.rows()") if row["series"] == "x265-medium")
    assert row["rate"]["value"] == pytest.approx(expected, rel=1e-9)
    assert row["interval"] is None
    assert "from 0.08 to 0.3 bpp" in page.inner_text("section[aria-label='Comparison with the anchor']")


def test_the_table_has_the_numbers_of_bd_rate_csv(open_page: Open, page_folder: Path, tmp_path: Path) -> None:
    out, metrics = tmp_path / "bd_rate.csv", ["psnr_rgb_db", "ms_ssim_rgb"]
    points_csv = page_folder.parent / "rd_points.csv"
    write_bd_rate(points_csv, anchor="x264-medium", metrics=metrics, outputs=[out])
    page = open_page()
    for (metric, clip), expected in pd.read_csv(out).groupby(["metric", "clip"]):
        page.evaluate(f"State.set({{metric: '{metric}', clip: '{clip}'}})")
        rows = {row["series"]: row for row in page.evaluate("Comparison.rows()")}
        assert set(expected["series"]) <= set(rows)
        for line in expected.to_dict("records"):
            row = rows[line["series"]]
            for key, column in (("rate", "bd_rate_percent"), ("quality", "bd_quality")):
                if pd.isna(line[column]):
                    assert isinstance(row[key], Exception)
                else:
                    assert row[key]["value"] == pytest.approx(line[column], rel=1e-5, abs=1e-6)
            interval = None if pd.isna(line["bd_rate_low"]) else [line["bd_rate_low"], line["bd_rate_high"]]
            assert row["interval"] == (interval and pytest.approx(interval, rel=1e-5))


def test_a_page_opens_from_an_unpacked_zip(open_page: Open, page_folder: Path, tmp_path: Path) -> None:
    """The results of the run are not beside it."""
    archive = shutil.make_archive(str(tmp_path / "report"), "zip", page_folder)
    shutil.unpack_archive(archive, tmp_path / "unpacked here")
    page = open_page("tab=frames", folder=tmp_path / "unpacked here")
    wait_until(page, LOADED)
    assert page.locator("#tabs button").count() == 5


def test_the_tracked_page_opens(open_page: Open) -> None:
    page = open_page("tab=frames", folder=ROOT / "results" / "reference" / "report")
    wait_until(page, LOADED)
    page.evaluate("State.set({tab: 'rd'})")
    assert "FFNeRV v2, reference fit" in page.inner_text("section[aria-label='Comparison with the anchor']")


def test_hostile_labels_are_text(open_page: Open) -> None:
    page = open_page()
    assert page.locator(".legend").get_by_text(HOSTILE).count() > 0
    assert page.locator(".legend").get_by_text(HOSTILE_IMAGE).count() == 1
    for tab in ("frames", "network", "points", "trust"):
        page.evaluate(f"State.set({{tab: '{tab}'}})")
        page.wait_for_selector(f"#panel-{tab}:not([hidden])")
    page.evaluate("State.set({tab: 'points'})")
    page.locator("#panel-points").get_by_role("button", name=HOSTILE).first.click()
    assert HOSTILE in page.inner_text("dialog h2")
    page.wait_for_selector("dialog details")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x], script:not([src])").count() == 0


def test_toggles_metric_anchor_and_axes_change_chart_and_table(open_page: Open) -> None:
    page = open_page(f"clip={CLIP}")
    rows = page.locator("section[aria-label='Comparison with the anchor'] tbody tr")
    before = rows.count()
    page.locator("input[data-key='x265-medium']").uncheck()
    assert rows.count() == before - 1
    names = page.evaluate("document.getElementById('rd-chart').data.map((trace) => trace.name)")
    assert "x265 medium" not in names
    assert "x265 veryslow" in names
    page.locator("label", has_text="Anchor").locator("select").select_option("x265-veryslow")
    assert "Against x265 veryslow" in page.inner_text("#panel-rd")
    page.get_by_label("Metric").select_option("ms_ssim_rgb")
    page.get_by_role("group", name="Rate axis").get_by_role("button", name="linear").click()
    layout = page.evaluate(
        "(({xaxis, yaxis}) => [xaxis.type, yaxis.title.text])(document.getElementById('rd-chart').layout)"
    )
    assert layout == ["linear", "MS-SSIM (RGB)"]


def test_the_view_is_in_the_url(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Clip").select_option(CLIP)
    page.locator("input[data-key='x264-veryslow']").uncheck()
    page.locator("input[data-key=lo]").fill("0.05")
    page.keyboard.press("Enter")
    page.evaluate("Pins.toggle('x264-medium', 'crf33'); State.set({zoom: '-1.5,0,25,40', theme: 'dark'})")
    view = page.evaluate("location.hash.slice(1)")
    other = open_page(view)
    assert other.evaluate("location.hash.slice(1)") == view
    assert other.get_by_label("Clip").input_value() == CLIP
    assert not other.locator("input[data-key='x264-veryslow']").is_checked()
    assert other.locator("input[data-key=lo]").input_value() == "0.05"
    assert "crf33" in other.inner_text("section[aria-label='Pinned points']")
    assert other.evaluate("document.getElementById('rd-chart').layout.xaxis.range") == [-1.5, 0]
    assert other.evaluate("document.documentElement.dataset.theme") == "dark"
    other.evaluate("location.hash = 'tab=trust'")
    other.wait_for_selector("#panel-trust:not([hidden])")


#: Position of the third point of x264 medium in the window.
POINT = """() => {
    const chart = document.getElementById("rd-chart");
    chart.scrollIntoView({block: "center"});
    const {xaxis, yaxis} = chart._fullLayout, box = chart.getBoundingClientRect();
    const {x, y} = chart.data.find((one) => one.name === "x264 medium");
    const across = xaxis._offset + xaxis.l2p(Math.log10(x[2]));
    return [box.left + across, box.top + yaxis._offset + yaxis.l2p(y[2])];
}"""


def test_a_click_pins_a_point_and_the_pointer_shows_its_numbers(open_page: Open) -> None:
    page = open_page(f"clip={CLIP}")
    position = page.evaluate(POINT)
    page.mouse.move(position[0] - 3, position[1])
    page.mouse.move(*position)
    page.wait_for_selector(".tip:not([hidden])")
    assert "x264 medium" in page.inner_text(".tip")
    assert "PSNR-RGB" in page.inner_text(".tip")
    page.mouse.click(*position)
    wait_until(page, "State.get('pins') !== ''")
    pinned = page.locator("section[aria-label='Pinned points'] table")
    assert "x264 medium" in pinned.inner_text()
    for name in ("MS-SSIM (RGB)", "MS-SSIM (RGB) (dB)"):  # two metrics of one label
        assert pinned.get_by_text(name, exact=True).count() == 1


def test_fingers_reach_everything_on_a_narrow_screen(open_page: Open) -> None:
    page = open_page(f"clip={CLIP}", width=400, has_touch=True, is_mobile=True)
    page.touchscreen.tap(*page.evaluate(POINT))
    wait_until(page, "State.get('pins') !== ''")
    assert "x264 medium" in page.inner_text(".tip")
    for tab in ("points", "trust", "network", "frames"):
        assert page.locator(f"#tab-{tab}").bounding_box()["x"] < 350
        page.tap(f"#tab-{tab}")
        page.wait_for_selector(f"#panel-{tab}:not([hidden])")
        if tab == "points":
            assert page.locator("#panel-points tbody th").first.bounding_box()["width"] > 120
    wait_until(page, LOADED)
    page.get_by_role("button", name="wipe").tap()
    wait_until(page, "State.get('mode') === 'wipe'")
    box = page.locator(".viewport").bounding_box()
    touch(page, [[(0.8, 0.5)], [(0.5, 0.5)], [(0.25, 0.5)]], box)
    assert float(page.evaluate("State.get('wipe')")) == pytest.approx(25, abs=2)
    touch(page, [[(0.45, 0.5), (0.55, 0.5)], [(0.4, 0.5), (0.6, 0.5)], [(0.3, 0.5), (0.7, 0.5)]], box)
    zoom, x, y = map(float, page.evaluate("State.get('view')").split(","))
    assert (zoom, x, y) == pytest.approx((4, 0.375, 0.375), rel=0.1)
    touch(page, [[(0.5, 0.5)], [(0.6, 0.6)], [(0.7, 0.7)]], box)
    assert page.evaluate("State.get('view')") != f"{zoom:g},{x:g},{y:g}"
    assert page.evaluate("State.get('wipe')").startswith("2"), "a finger moves an enlarged picture"


def touch(page: Any, steps: list[list[tuple[float, float]]], box: dict[str, float]) -> None:
    """Put fingers down, move and lift them. Positions are parts of a box."""
    session = page.context.new_cdp_session(page)
    for number, fingers in enumerate([*steps, []]):
        kind = "touchMove" if number else "touchStart"
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": index}
            for index, (x, y) in enumerate(fingers)
        ]
        session.send(
            "Input.dispatchTouchEvent", {"type": kind if fingers else "touchEnd", "touchPoints": points}
        )
    page.wait_for_timeout(50)


def test_a_table_is_sorted_filtered_and_copied(open_page: Open) -> None:
    page = open_page("tab=points")
    points = page.locator("#panel-points table")
    rate = points.locator("thead button", has_text="Rate (bpp)")
    cells = "[...document.querySelectorAll('#panel-points tbody tr')].map((row) => row.cells[4].textContent)"
    rates = f"{cells}.map(Number)"
    rate.click()
    ascending = page.evaluate(rates)
    assert ascending == sorted(ascending)
    rate.click()
    assert page.evaluate(rates) == ascending[::-1]
    assert points.locator("th[aria-sort=descending]").inner_text().startswith("Rate")
    page.locator("#panel-points input[type=search]").fill("x264 crf33")
    assert points.locator("tbody tr").count() == 4
    texts = page.evaluate(
        """() => {
            const columns = [
              {key: "a", label: "name|<b>", value: (row) => row[0], text: (row) => row[0]},
              {key: "b", label: "x", value: (row) => row[1], text: (row) => Dom.number(row[1], 1), right: 1},
            ];
            const rows = [["=1+1, \\"<i>\\" & | 100 %", -0.25], ["b_c", null]];
            return [Table.markdown(columns, rows), Table.csv(columns, rows), Table.latex(columns, rows)];
        }"""
    )
    assert texts[0].splitlines()[2] == '| =1+1, "\\<i>" & \\| 100 % | \u22120.3 |'
    assert texts[1].splitlines() == ["name|<b>,x", '"\'=1+1, ""<i>"" & | 100 %",-0.25', "b_c,"]
    assert r'=1+1, "\textless{}i\textgreater{}" \& | 100 \% & $-$0.3 \\' in texts[2]
    assert r"b\_c & --" in texts[2]


def test_a_row_opens_record_files_and_commands(open_page: Open) -> None:
    page = open_page("tab=points&filter=ffnerv")
    page.locator("#panel-points tbody th button").first.click()
    page.wait_for_selector("dialog details")
    text = page.inner_text("dialog")
    assert "python -m bench rerun" in text
    assert "python -m bench encode --codec ffnerv-matched" in text
    assert '"numpy": "1.26.4"' in page.locator("dialog pre").text_content()
    link = page.locator("dialog a", has_text="record").first.get_attribute("href")
    folder = Path(page.evaluate("new URL('.', location.href.split('#')[0]).pathname").replace("%20", " "))
    assert (folder / link).resolve().is_file()
    page.locator("dialog button", has_text="Its frames").click()
    assert page.locator("#panel-frames").is_visible()
    assert page.evaluate("[State.get('run'), State.get('b')]") == ["", FFNERV]
    page.evaluate(f"State.set({{run: '{FFNERV}'}})")
    wait_until(page, "document.querySelector('dialog[open] details') !== null")
    page.keyboard.press("Escape")
    wait_until(page, "State.get('run') === ''")


def test_the_chart_is_saved_as_a_picture(open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"clip={CLIP}")
    for kind in ("svg", "png"):
        with page.expect_download() as download:
            page.locator("#panel-rd .figure").get_by_role("button", name=kind.upper()).click()
        assert download.value.suggested_filename == f"demo-v1-{CLIP}-psnr_rgb_db.{kind}"
        download.value.save_as(tmp_path / f"chart.{kind}")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.size == (2000, 1120)
    text = (tmp_path / "chart.svg").read_text()
    assert "x264 medium" in text
    assert "<script>" not in text
    assert HOSTILE in html.unescape(text)


def pixels(page: Any) -> np.ndarray:
    """The first picture on the stage as it is shown, one sample a pixel of the clip: (HEIGHT, WIDTH, 3)."""
    image = Image.open(io.BytesIO(page.locator(".stage .viewport").first.screenshot()))
    shown = np.asarray(image.convert("RGB"))
    rows = ((np.arange(HEIGHT) + 0.5) * shown.shape[0] / HEIGHT).astype(int)
    columns = ((np.arange(WIDTH) + 0.5) * shown.shape[1] / WIDTH).astype(int)
    return shown[rows][:, columns].astype(int)


def open_frames(open_page: Open, view: str) -> Any:
    page = open_page(f"tab=frames&frame={FRAMES[1]}&a=source&b={quote(X264)}&{view}")
    wait_until(page, LOADED)
    return page


def test_a_wipe_shows_a_on_the_left_and_b_on_the_right(open_page: Open) -> None:
    page = open_frames(open_page, "mode=wipe&wipe=25")
    expected = source_frame(FRAMES[1]).astype(int)
    expected[:, WIDTH // 4 :, 0] += SHIFT
    shown = pixels(page)
    away = np.abs(np.arange(WIDTH) - WIDTH / 4) > 1.5  # the line between them
    assert np.abs(shown - expected)[:, away].max() <= 1
    page.locator("input[data-key=wipe]").focus()
    page.keyboard.press("End")
    assert np.abs(pixels(page) - source_frame(FRAMES[1]))[:, :-2].max() <= 1


def test_a_difference_is_absolute_and_multiplied_by_the_gain(open_page: Open) -> None:
    shown = pixels(open_frames(open_page, "mode=difference&gain=8"))
    assert np.abs(shown - [8 * SHIFT, 0, 0]).max() <= 1
    inverse = open_page(f"tab=frames&frame=0&a=source&b={quote(FFNERV)}&mode=difference&gain=1")
    wait_until(inverse, LOADED)
    expected = np.abs(255 - 2 * source_frame(0).astype(int))
    assert np.abs(pixels(inverse) - expected).max() <= 1


def test_pictures_do_not_flicker_where_less_motion_is_wanted(open_page: Open) -> None:
    page = open_frames(open_page, "mode=flicker")
    wait_until(page, "document.querySelector('.layer1').hidden")
    still = open_page(f"tab=frames&a=source&b={quote(X264)}", reduced_motion="reduce")
    still.get_by_role("button", name="flicker").click()
    still.wait_for_timeout(700)
    assert not still.evaluate("document.querySelector('.layer1').hidden")
    still.get_by_role("button", name="Blink").click()
    assert still.evaluate("document.querySelector('.layer1').hidden")


def test_keys_step_blink_zoom_and_change_the_mode(open_page: Open) -> None:
    page = open_frames(open_page, "mode=wipe")
    state = page.evaluate
    page.locator(".stage").focus()
    page.keyboard.press("ArrowRight")
    assert state("State.get('frame')") == str(FRAMES[2])
    page.keyboard.press("ArrowRight")
    assert state("State.get('frame')") == str(FRAMES[0])
    page.keyboard.press("ArrowLeft")
    assert state("State.get('frame')") == str(FRAMES[2])
    page.keyboard.press("w")
    worst = min(
        FRAMES,
        key=lambda at: json.loads(state(f"JSON.stringify(REPORT.frames[0].values.psnr_rgb_db['{X264}'])"))[
            at
        ],
    )
    assert state("State.get('frame')") == str(worst)
    page.keyboard.press("b")
    assert state("document.querySelector('.layer1').hidden") is True
    page.keyboard.press("x")
    assert state("State.get('mode')") == "difference"
    page.keyboard.press("+")
    assert state("State.get('view')").startswith("2,")
    page.keyboard.press("s")
    transforms = state("[...document.querySelectorAll('.zoomed')].map((one) => one.style.transform)")
    assert len(transforms) == 2
    assert transforms[0] == transforms[1]
    assert "scale(2)" in transforms[0]
    page.keyboard.press("0")
    assert state("State.get('view')") == ""
    page.keyboard.press(" ")
    before = state("State.get('frame')")
    wait_until(page, f"State.get('frame') !== '{before}'")
    page.keyboard.press(" ")
    assert page.locator(".strip button[aria-pressed]").inner_text() == "Play"
    page.keyboard.press("5")
    assert page.locator("#panel-trust").is_visible()


def test_tabs_are_reached_by_the_keyboard_and_have_roles(open_page: Open) -> None:
    page = open_page()
    page.locator("#tab-rd").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-frames"
    assert page.locator("#tab-frames").get_attribute("aria-selected") == "true"
    unnamed = """[...document.querySelectorAll("button, select, input")].filter(
        (one) => !one.textContent.trim() && !one.getAttribute("aria-label") && !one.labels?.length).length"""
    for tab in ("rd", "frames", "network", "points", "trust"):
        page.evaluate(f"State.set({{tab: '{tab}'}})")
        assert page.evaluate(unnamed) == 0


def test_the_treemap_covers_its_area_by_bits(open_page: Open) -> None:
    page = open_page("tab=network")
    areas = page.evaluate(
        """() => Treemap.squarify([{bits: 600}, {bits: 300}, {bits: 100}], {x: 0, y: 0, w: 100, h: 50})
            .map(({item, w, h}) => [item.bits, w * h])"""
    )
    assert [area for _, area in areas] == pytest.approx([bits * 5.0 for bits, _ in areas])
    assert page.locator(".treemap title").count() == 5
    assert page.locator(".parts img").count() == 1
    assert HOSTILE in page.inner_text(".parts figcaption")
    page.get_by_role("group", name="Over").get_by_role("button", name="time").click()
    assert page.evaluate("document.getElementById('fit-chart').layout.xaxis.title.text") == "Fit time (s)"


@pytest.mark.parametrize("kept", ["controls", "one point without VMAF"])
def test_a_page_of_few_points_opens(open_page: Open, tmp_path: Path, kept: str) -> None:
    """No fits, no frames, series without a value of a metric, and a series of one point."""
    rows = table(clips=(CLIP,))
    if kept == "controls":
        rows = rows[rows["kind"] == "control"]
    else:
        rows = rows[
            (rows["kind"] == "classical") & ((rows["codec"] != "x264-medium") | (rows["point"] == "crf33"))
        ]
        rows.loc[rows["codec"] == "x264-medium", "vmaf"] = None
    page = open_page(folder=write(tmp_path, rows, with_frames=False))
    for name in page.evaluate("REPORT.metrics.map((one) => one.name)"):
        page.evaluate(f"State.set({{metric: '{name}'}})")
    for tab in ("rd", "frames", "network", "points", "trust"):
        page.evaluate(f"State.set({{tab: '{tab}'}})")
        assert page.locator(f"#panel-{tab}").inner_text() != ""
    assert "no frames" in page.inner_text("#panel-frames")


def test_a_page_of_500_points_is_below_5_mb_and_opens_fast(
    open_page: Open, page_folder: Path, tmp_path: Path
) -> None:
    """The points of one clip as those of eight clips, with the largest tracked records."""
    folder = tmp_path / "large"
    shutil.copytree(page_folder, folder, ignore=shutil.ignore_patterns("frames"))
    data = json.loads((folder / "data.js").read_text().removeprefix("window.REPORT = ")[:-2])
    names = [f"clip-{number}" for number in range(8)]
    for key in ("clips", "runs", "fits", "bd"):
        member = "name" if key == "clips" else "clip"
        of_clip = [one for one in data[key] if one[member] == CLIP]
        data[key] = [
            {**one, member: name, **({"id": f"{name}/{one['id']}"} if "id" in one else {})}
            for name in names
            for one in of_clip
        ]
    for metric, curves_ in data["curves"].items():
        data["curves"][metric] = {"mean": curves_[CLIP], **dict.fromkeys(names, curves_[CLIP])}
    tracked = max(
        (ROOT / "results/reference/demo-v1").rglob("record.json"), key=lambda path: path.stat().st_size
    )
    record = json.loads(tracked.read_text())
    assert len(data["runs"]) > 500
    _write_script(folder / "data.js", "REPORT", {**data, "frames": []})
    contents = share_repeats({run["id"]: record for run in data["runs"]})
    _write_script(folder / "records.js", "RECORDS", contents)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5e6
    page = open_page(folder=folder)
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert loaded < 5000, "half a second on a machine that does nothing else"


def test_no_section_is_wider_than_the_window(open_page: Open) -> None:
    page = open_page()
    for width in (1280, 800, 400):
        page.set_viewport_size({"width": width, "height": 900})
        for tab in ("rd", "frames", "network", "points", "trust"):
            page.evaluate(f"State.set({{tab: '{tab}'}})")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, tab)


def test_dark_mode_changes_the_background_and_keeps_dark_series_visible(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(21, 24, 28)"
    brightest = page.evaluate(
        "Math.max(...Chart.colour('#3C3C3C').match(/[0-9a-f]{2}/g).map((level) => parseInt(level, 16)))"
    )
    assert brightest > 120


def test_the_legend_has_the_markers_of_the_chart(open_page: Open) -> None:
    assert set(SYMBOLS.values()) <= set(open_page().evaluate("Object.keys(Chart.PATHS)"))


def test_charts_follow_the_theme_and_are_printed_light(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    lines = "document.getElementById('rd-chart').data.map((trace) => trace.line?.color)"
    dark = page.evaluate(lines)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert "#3c3c3c" in [str(colour).lower() for colour in page.evaluate(lines)]
    assert not page.locator(".controls").first.is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(lines) == dark
    page.evaluate("State.set({tab: 'trust'}); State.set({theme: 'light'}); State.set({tab: 'rd'})")
    assert page.evaluate(lines) != dark
