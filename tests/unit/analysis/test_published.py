"""Published curves and a user's own: every tracked file loads, and errors name file, line and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.analysis.curve_file import ANY_CLIP, DATA_SET_MEAN, USER, load_curves
from bench.analysis.published import (
    REPORTED_DIR,
    Selector,
    at_clips,
    load_reported,
    load_sources,
    published_curves,
    reported_curves,
    select,
)
from bench.base.errors import BenchError
from bench.scoring.metrics import METRICS
from bench.sequences.table import read_sequences

FILES = sorted(path.name for path in REPORTED_DIR.glob("*.csv"))
UVG = ("beauty", "bosphorus", "honeybee", "jockey", "readysetgo", "shakendry", "yachtride")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BenchError) as caught:
        load_curves(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


# --- the tracked files


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("sources.csv", "bd_rates.csv")])
def test_a_tracked_file_has_known_sources_and_clips(name):
    table = load_curves(REPORTED_DIR / name, kind="reported")
    assert set(table["source"]) <= set(load_sources())
    clips = set(table["clip"]) - {DATA_SET_MEAN}
    unknown = {clip for clip in clips - set(read_sequences()) if not clip.startswith(("hevc-", "davis-"))}
    assert not unknown
    assert ANY_CLIP not in clips
    assert (table["point"] != "").all()


def test_every_source_has_points_and_a_legend_text():
    sources = load_sources()
    assert set(load_reported()["source"]) == set(sources)
    for source in sources.values():
        assert 0 < len(source.cite) <= 26
        assert source.title in source.summary
        assert source.averaging


def test_published_bd_rates_have_a_metric_and_a_number():
    with open(REPORTED_DIR / "bd_rates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 150
    assert {row["metric"] for row in rows} <= {*METRICS, "psnr_yuv_411_mse_db"}
    assert all(-100 < float(row["bd_rate_percent"]) < 200 for row in rows)
    assert len({tuple(row.values())[:-1] for row in rows}) == len(rows)


def test_published_numbers_are_unchanged():
    table = select([Selector(source="ffnerv-table-11", label="FFNeRV")])
    assert list(zip(table["rate_bpp"], table["psnr_rgb_db"], strict=True))[:2] == [
        (0.0182, 32.71),
        (0.0546, 35.55),
    ]
    sizes = select([Selector(source="hnerv-table-2", label="HNeRV")])
    assert list(zip(sizes["parameters"], sizes["psnr_rgb_db"], sizes["epochs"], strict=True)) == [
        (350_000, 30.15, 300),
        (750_000, 32.81, 300),
        (1_500_000, 35.57, 300),
        (3_000_000, 37.43, 300),
    ]


def test_a_mean_over_clips_is_over_the_same_published_clips():
    rows = select([Selector(source="hinerv-uvg")])
    (one,) = reported_curves(rows, "psnr_rgb_db", clips={name: f"uvg-{name}" for name in UVG})
    assert one.points == ("S", "M", "L", "XL", "XXL")
    # The paper's means, and the mean rate of seven clips of which one has half the frames.
    assert one.quality[:3] == pytest.approx([34.53, 36.01, 37.45], abs=0.005)
    assert one.rate_bpp[0] == pytest.approx(0.014886, abs=1e-6)
    (two,) = reported_curves(rows, "psnr_rgb_db", clips={"a": "uvg-beauty", "b": "uvg-jockey"})
    assert two.quality[0] == pytest.approx((33.8697 + 35.3858) / 2)
    assert two.clips == ("a", "b")


def test_a_published_mean_is_shown_with_a_mean_but_not_with_one_of_several_clips():
    rows, clips = select([Selector(source="nerv-uvg")]), {"a": "uvg-beauty", "b": "uvg-jockey"}
    assert reported_curves(rows, "psnr_rgb_db", clips=clips)[0].clips == (DATA_SET_MEAN,)
    assert reported_curves(rows, "psnr_rgb_db", clips=clips, clip="a") == []
    assert reported_curves(rows, "vmaf", clips=clips) == []
    assert at_clips(rows, clips, clip="b").empty


def test_a_table_of_representations_has_no_curve():
    rows = select([Selector(source="hnerv-table-2", label="NeRV")])
    assert reported_curves(rows, "psnr_rgb_db", clips={"bunny": "bigbuckbunny"}) == []


def test_a_published_curve_names_its_source_and_the_scored_frames():
    rows = select([Selector(source="ffnerv-table-11")])
    (one,) = published_curves(rows, "psnr_rgb_db", clips={"bunny": "bigbuckbunny"}, clip=None)
    assert one.text == "FFNeRV (reported), FFNeRV Table 11"
    assert one.note == "FFNeRV Table 11: mean of uvg; 1920x1080; PNG"


def test_one_series_for_two_codecs_is_one_curve():
    rows = select([Selector(source="c3", codec=codec) for codec in ("a", "b")])
    assert set(rows["codec"]) == {"a", "b"}
    assert len(reported_curves(rows, "psnr_rgb_db", clips={"x": "uvg-beauty"})) == 1


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        (
            Selector(source="ffnerv-table-1"),
            "published: ffnerv-table-1: unknown source 'ffnerv-table-1'; try",
        ),
        (Selector(source="c3-vct", label="HEVC"), "published: c3-vct: unknown label 'HEVC'; try"),
        (
            Selector(source="/nowhere/mine.csv"),
            "/nowhere/mine.csv: No such file or directory; check the path",
        ),
    ],
)
def test_an_unknown_selector_is_an_error(selector, problem):
    with pytest.raises(BenchError) as caught:
        select([selector])
    assert str(caught.value).startswith(problem)


# --- a user's own file


def test_three_columns_suffice(tmp_path):
    path = written(tmp_path, "\ufefflabel, rate_bpp ,psnr_rgb_db\nmine,0.25,34\n\nmine,0.12,31.4\n")
    table = load_curves(path)
    assert set(table["kind"]) == {USER}
    (curve,) = reported_curves(table, "psnr_rgb_db", clips={"any": "any"})
    assert (curve.full_label, curve.points) == ("mine", ("r1", "r2"))
    assert (list(curve.rate_bpp), list(curve.quality)) == ([0.12, 0.25], [31.4, 34.0])
    # Without a clip it is also shown with each of several.
    assert len(reported_curves(table, "psnr_rgb_db", clips={"a": "a", "b": "b"}, clip="b")) == 1


def test_clips_are_named_as_in_the_condition_or_by_sequence(tmp_path):
    path = written(
        tmp_path, "label,clip,rate_bpp,vmaf\nmine,a-small,0.1,50\nmine,uvg-b,0.3,70\nmine,other,9,9\n"
    )
    table, clips = load_curves(path), {"a-small": "uvg-a", "b-small": "uvg-b"}
    (mean,) = reported_curves(table, "vmaf", clips=clips)
    assert (mean.rate_bpp[0], mean.quality[0]) == (pytest.approx(0.2), 60)
    (one,) = reported_curves(table, "vmaf", clips=clips, clip="b-small")
    assert one.quality[0] == 70


def test_ms_ssim_has_decibels_and_a_source_has_a_note(tmp_path):
    text = "label,rate_bpp,ms_ssim_rgb,source\nmine,0.1,0.9,my thesis\nmine,0.2,0.99,my thesis\n"
    (one,) = published_curves(
        load_curves(written(tmp_path, text)), "ms_ssim_rgb_db", clips={"a": "a"}, clip=None
    )
    assert one.curve.quality == pytest.approx([10, 20])
    assert (one.text, one.note) == ("mine", "mine: my thesis")


def test_points_with_a_size_are_named_by_the_size(tmp_path):
    text = "label,parameters_m,epochs,psnr_rgb_db\nmine,0.75,300,30\nmine,0.75,600,31\nmine,3,,33\n"
    table = load_curves(written(tmp_path, text))
    assert list(table["point"]) == ["0.75M-300ep", "0.75M-600ep", "3M"]
    assert list(table["parameters"]) == [750_000, 750_000, 3_000_000]


HEAD = "label,rate_bpp,psnr_rgb_db\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": has no rows; write a header and one row for each point"),
        (HEAD, ": has no rows; write a header and one row for each point"),
        ("label;rate_bpp;psnr_rgb_db\nmine;1;30\n", ":1: no column label; add it with the name of the curve"),
        ("label,psnr_rgb_db\nmine,30\n", ":1: no column rate_bpp; add it (or kbps, bytes or parameters_m)"),
        ("label,rate_bpp\nmine,1\n", ":1: no column with a metric; add one: psnr_rgb_db, ms_ssim_rgb, ..."),
        ("label,rate_bpp,psnr_rgb\nmine,1,30\n", ":1: unknown column 'psnr_rgb'; try psnr_rgb_db"),
        ("label,rate_bpp,rate_bpp,vmaf\nmine,1,1,30\n", ":1: has a duplicate column; remove or rename one"),
        (HEAD + "mine,1,30,2\n", ":2: has 4 cells, but the header has 3; quote cells that contain commas"),
        (HEAD + "mine,1,30\nmine,0.5\n", ":3: has 2 cells, but the header has 3; quote cells"),
        (HEAD + ",1,30\n", ":2: column label: is empty; write the name of the curve"),
        (HEAD + "mine,,30\n", ":2: column rate_bpp: is empty; write a rate (or parameters_m)"),
        (HEAD + "mine,1,\n", ":2: column psnr_rgb_db: no metric has a value; write one, or remove the row"),
        (HEAD + "mine,1,30 dB\n", ":2: column psnr_rgb_db: '30 dB' is not a number; write a number"),
        (HEAD + "mine,1,inf\n", ":2: column psnr_rgb_db: inf is not finite; leave it empty"),
        (HEAD + "mine,0,30\n", ":2: column rate_bpp: 0 is not positive; write a positive number"),
        ("label,rate_bpp,ms_ssim_y\nmine,1,20\n", ":2: column ms_ssim_y: 20 is not within 0 to 1; write"),
        (
            "label,rate_bpp,point,vmaf\nmine,1,a,30\n\nmine,2,a,40\n",
            ":4: column point: 'a' of 'mine' is duplicate; give each point another name or clip",
        ),
        (HEAD + '"mine,1,30\n', ": is not CSV in UTF-8 (unexpected end of data); save it as such"),
    ],
)  # fmt: skip
def test_the_error_for_a_wrong_file_has_line_column_and_remedy(text, problem, tmp_path):
    assert refusal(written(tmp_path, text)).startswith(problem)


def test_a_file_that_is_not_text_is_an_error(tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"label,\xff\x00")
    assert refusal(tmp_path / "bytes.csv").startswith(": is not CSV in UTF-8 (")
    assert refusal(tmp_path / "gone.csv") == ": No such file or directory; check the path"
    assert refusal(tmp_path) == ": Is a directory; check the path"


# --- the table of sources


SOURCE = "id,cite,title,dataset,size,frames,colour,averaging,rate,from_figure,note\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,cite\na,b\n", ":1: has wrong columns; use id,cite,title,"),
        (SOURCE + "a,,,,,,,,,no,\na,,,,,,,,,no,\n", ":3: column id: 'a' is empty or duplicate; give each"),
        (SOURCE + "a,,,,,,,,,maybe,\n", ":2: column from_figure: 'maybe' is not yes or no; write yes or no"),
    ],
)
def test_a_wrong_table_of_sources_is_an_error(text, problem, tmp_path):
    (tmp_path / "sources.csv").write_text(text)
    with pytest.raises(BenchError) as caught:
        load_sources(tmp_path)
    assert str(caught.value).removeprefix(str(tmp_path / "sources.csv")).startswith(problem)


def test_a_published_point_of_an_unknown_source_is_an_error(tmp_path):
    (tmp_path / "sources.csv").write_text(SOURCE + "paper,Paper,,,,,,,,no,\n")
    (tmp_path / "paper.csv").write_text("source,label,rate_bpp,vmaf\npapre,A,1,50\n")
    with pytest.raises(BenchError, match="column source: unknown source 'papre'; try paper"):
        load_reported(tmp_path)
