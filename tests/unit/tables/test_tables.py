"""Tables: numbers, and the reasons in place of missing numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bjontegaard
import pandas as pd
import points_data
import pytest

from bench.base.errors import BenchError
from bench.scoring.metrics import METRICS as METRICS_BY_NAME
from bench.scoring.metrics import Metric
from bench.tables.bd_rate import write_bd_rate
from bench.tables.points import write_points, write_skipped
from bench.tables.summary import write_summary
from bench.tables.text_table import TextTable, html, latex, markdown, number, plain, tex_escape

METRICS = ("psnr_rgb_db", "vmaf")


def write(folder: Path, table: pd.DataFrame) -> Path:
    table.to_csv(folder / "rd_points.csv", index=False)
    return folder / "rd_points.csv"


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def two_clips() -> pd.DataFrame:
    """Two clips. On the second one x265 medium needs half the rate, and NeRV has no points."""
    second = points_data.rows(clip="other")
    second.loc[second["codec"] == "x265-medium", "rate_bpp"] /= 2
    return pd.concat([points_data.rows(), second[second["codec"] != "nerv-matched"]])


def bd_rows(
    folder: Path, table: pd.DataFrame, anchor: str = "x264-medium"
) -> dict[tuple[str, str, str], dict]:
    write_bd_rate(write(folder, table), anchor=anchor, metrics=METRICS, outputs=[folder / "bd_rate.csv"])
    return {(row["series"], row["clip"], row["metric"]): row for row in read_csv(folder / "bd_rate.csv")}


def test_numbers_have_a_minus_sign_and_zero_has_none():
    assert number(-1.234, 1) == "\N{MINUS SIGN}1.2"
    assert number(1.25, 2, sign=True) == "+1.25"
    assert number(-0.0004, 2, sign=True) == "0.00"
    assert number(float("nan"), 2) == number(None, 2) == "\N{EN DASH}"
    assert number(480000.0, 0) == "480000"


def test_latex_is_escaped():
    escaped = tex_escape(r"50 % of a_b & {c} $d$ #1 ~x ^y \z <w>")
    assert escaped == (
        r"50 \% of a\_b \& \{c\} \$d\$ \#1 \textasciitilde{}x \textasciicircum{}y "
        r"\textbackslash{}z \textless{}w\textgreater{}"
    )
    assert tex_escape("\N{MINUS SIGN}3") == "$-$3"


def test_a_latex_row_may_begin_with_a_bracket_or_asterisk():
    text = latex(TextTable(["[a]", "*"], [["[1]", "*x"]], [False, True], ["[1] note_1"]))
    body = re.search(r"\\begin\{tabular\}\{lr\}\n(.*)\\end\{tabular\}", text, re.DOTALL)
    assert body is not None
    assert r"\\" + "\n[" not in text
    assert "{[}1] & {*}x" in body[1]
    assert [line for line in body[1].splitlines() if line.endswith("rule")] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]
    assert r"{[}1] note\_1\par" in text


def test_markdown_is_aligned_and_escaped():
    text = markdown(
        TextTable(["Name", "Value"], [["a|b", "1.0"], ["long name", "10.25"]], [False, True], ["note"])
    )
    table, notes = text.split("\n\n")
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert re.fullmatch(r"\| -+ \| -+: \|", lines[1])
    assert r"a\|b" in lines[2]
    assert lines[2].endswith("  1.0 |")
    assert notes == "- note\n"


def test_plain_text_is_aligned_without_trailing_blanks():
    text = plain(TextTable(["", "bpp"], [["one", "0.1"], ["b", ""]], [False, True]), indent=" ")
    assert text.splitlines() == ["      bpp", " one  0.1", " b"]


def test_bd_rates_match_the_bjontegaard_package(tmp_path):
    table = points_data.rows()
    row = bd_rows(tmp_path, table)["x265-veryslow", points_data.CLIP, "psnr_rgb_db"]
    data = []
    for codec in ("x264-medium", "x265-veryslow"):
        points = table[table["codec"] == codec].sort_values("rate_bpp")
        data += [points["rate_bpp"].to_numpy(), points["psnr_rgb_db"].to_numpy()]
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    assert float(row["bd_rate_percent"]) == pytest.approx(bjontegaard.bd_rate(*data, **options), rel=1e-5)
    assert float(row["bd_quality"]) == pytest.approx(bjontegaard.bd_psnr(*data, **options), rel=1e-5)
    assert (row["anchor"], row["remark"]) == ("x264-medium", "")
    assert 80 < float(row["quality_overlap_percent"]) < 100


def test_reasons_are_in_every_format_of_the_table(tmp_path):
    table = points_data.rows()
    short = (table["codec"] == "nerv-matched") & ~table["reference"] & (table["point"] == "bpp0.12")
    outs = [tmp_path / f"bd_rate{suffix}" for suffix in (".csv", ".md", ".tex")]
    write_bd_rate(write(tmp_path, table[~short]), anchor="x264-medium", metrics=METRICS, outputs=outs)
    remarks = {(row["series"], row["metric"]): row["remark"] for row in read_csv(outs[0])}
    few = "NeRV, 18 epochs has 3 points, 4 needed"
    none = "no overlap: 27.27 to 29.79 against 30.92 to 41.17 PSNR-RGB (dB)"
    assert remarks["nerv-matched", "psnr_rgb_db"] == few
    assert remarks["ffnerv-matched", "psnr_rgb_db"] == none
    md, tex = outs[1].read_text(), outs[2].read_text()
    mark = re.search(rf"^- \[(\d)\] {re.escape(few)}$", md, re.MULTILINE)
    assert mark is not None
    cells = next(line for line in md.splitlines() if line.startswith("| NeRV, 18 epochs")).split("|")
    # PSNR and VMAF, the range of the overlap, and BD-PSNR.
    reason = f"\N{EN DASH} [{mark[1]}]"
    assert [cell.strip() for cell in cells[2:-1]] == [reason, reason, "\N{EN DASH}", reason]
    assert few in tex
    assert none in tex


def test_a_partial_overlap_has_a_remark(tmp_path):
    table = points_data.rows()
    table.loc[(table["codec"] == "ffnerv-matched") & ~table["reference"], "psnr_rgb_db"] += 2.0
    row = bd_rows(tmp_path, table)["ffnerv-matched", points_data.CLIP, "psnr_rgb_db"]
    assert re.fullmatch(r"partial overlap of qualities: \d\d %", row["remark"])
    assert float(row["quality_overlap_percent"]) < 50
    assert float(row["rate_overlap_percent"]) == 100
    assert float(row["bd_rate_percent"]) > 100


def test_controls_and_the_anchor_itself_have_no_bd_rate(tmp_path):
    series = {key[0] for key in bd_rows(tmp_path, points_data.rows())}
    assert not series & {"identity", "mean-frame", "x264-medium"}
    assert {"ffnerv-matched", "ffnerv-matched (reference)", "x265-medium"} <= series


def test_an_anchor_without_points_is_a_reason(tmp_path):
    rows = bd_rows(tmp_path, points_data.rows(), anchor="vvc-slow")
    assert {row["remark"] for key, row in rows.items() if key[2] == "vmaf"} == {"vvc-slow has no VMAF"}


def test_controls_alone_give_a_table_without_rows(tmp_path):
    table = points_data.rows()
    outs = [tmp_path / "bd.csv", tmp_path / "bd.md"]
    write_bd_rate(
        write(tmp_path, table[table["kind"] == "control"]),
        anchor="x264-medium",
        metrics=METRICS,
        outputs=outs,
    )
    assert read_csv(outs[0]) == []
    assert outs[0].read_text().startswith("condition,clip,series,")
    assert outs[1].read_text().startswith("| Series")


def test_the_mean_over_clips_is_the_mean_of_their_bd_rates(tmp_path, two_clips):
    rows = bd_rows(tmp_path, two_clips)
    each = [
        float(rows["x265-medium", c, "psnr_rgb_db"]["bd_rate_percent"]) for c in (points_data.CLIP, "other")
    ]
    assert each[1] < each[0] - 10
    mean = float(rows["x265-medium", "mean", "psnr_rgb_db"]["bd_rate_percent"])
    assert mean == pytest.approx(sum(each) / 2, rel=1e-5)


def test_a_series_that_lacks_a_clip_has_no_row_there_and_no_mean(tmp_path, two_clips):
    rows = bd_rows(tmp_path, two_clips)
    assert ("nerv-matched (reference)", "other", "psnr_rgb_db") not in rows
    mean = rows["nerv-matched (reference)", "mean", "psnr_rgb_db"]
    assert (mean["bd_rate_percent"], mean["remark"]) == ("", "no mean: no number on other")


def test_a_clip_without_a_number_is_left_out_of_the_mean_with_a_remark(tmp_path):
    """VMAF of one of three clips is saturated in so many points that fewer than four are left."""
    tables = [points_data.rows(clip=clip, references=False) for clip in ("a", "b", "c")]
    tables[1].loc[tables[1]["codec"].eq("x265-medium") & tables[1]["point"].isin(["crf23", "crf28", "crf33"]),
                  "vmaf"] = 100.0  # fmt: skip
    outs = [tmp_path / "bd.csv", tmp_path / "bd.md"]
    write_bd_rate(write(tmp_path, pd.concat(tables)), anchor="x264-medium", metrics=["vmaf"], outputs=outs)
    rows = {(row["series"], row["clip"]): row for row in read_csv(outs[0])}
    each = [float(rows["x265-medium", clip]["bd_rate_percent"]) for clip in ("a", "c")]
    assert rows["x265-medium", "b"]["bd_rate_percent"] == ""
    mean = rows["x265-medium", "mean"]
    assert (mean["clips"], rows["x265-veryslow", "mean"]["clips"]) == ("2", "3")
    assert float(mean["bd_rate_percent"]) == pytest.approx(sum(each) / 2, rel=1e-5)
    assert mean["remark"].startswith("mean over 2 of 3 clips: no number on b")
    assert "mean over 2 of 3 clips: no number on b" in outs[1].read_text()


def test_rates_and_qualities_overlap_in_columns_of_their_own(tmp_path):
    """The qualities of the short curve are within those of the anchor, its rates only in part."""
    table = points_data.rows(references=False)
    of_codec = table["codec"] == "x265-medium"
    table.loc[of_codec, "rate_bpp"] *= 12
    row = bd_rows(tmp_path, table)["x265-medium", points_data.CLIP, "psnr_rgb_db"]
    assert float(row["quality_overlap_percent"]) > 90
    assert float(row["rate_overlap_percent"]) < 50
    assert row["remark"] == f"partial overlap of rates: {float(row['rate_overlap_percent']):.0f} %"
    low, high = float(row["rate_overlap_low"]), float(row["rate_overlap_high"])
    assert table.loc[of_codec, "rate_bpp"].min() == pytest.approx(low, rel=1e-4)
    assert table.loc[table["codec"] == "x264-medium", "rate_bpp"].max() == pytest.approx(high, rel=1e-4)


def test_a_metric_of_the_user_is_in_the_points_and_as_headline_in_the_summary(tmp_path):
    table = points_data.rows().assign(max_error_y=lambda rows: 90 - 1.5 * rows["psnr_rgb_db"])
    points, out = write(tmp_path, table), tmp_path / "points.csv"
    write_points(points, outputs=[out, tmp_path / "points.md"], metrics=["max_error_y"])
    rows = read_csv(out)
    assert all(row["max_error_y"] for row in rows)
    assert {"psnr_rgb_db", "vmaf"} <= set(rows[0])
    assert "| max_error_y |" in (tmp_path / "points.md").read_text()
    metric = Metric(name="max_error_y", label="Max error", digits=2, unit="levels", higher_is_better=False)
    with registered(metric):
        options = {"anchor": "x264-medium", "headline": "max_error_y", "rate_bpp": 0.27}
        text = write_summary(points, **options)
        write_bd_rate(
            points,
            anchor="x264-medium",
            metrics=["max_error_y"],
            outputs=[tmp_path / "bd.csv", tmp_path / "bd.md"],
        )
    assert "Max error (levels)" in text.splitlines()[2]
    # The same as with PSNR, from which this error is computed.
    assert re.search(r"^x265 medium +\N{MINUS SIGN}31\.0 % +31\.6\d levels +0\.395 bpp$", text, re.MULTILINE)
    assert (
        "At equal rate FFNeRV is \N{MINUS SIGN}1.35 levels against NeRV in the reference fits (150 epochs)"
    ) in text.replace("\n", " ")
    assert "Lower values of Max error are better." in (tmp_path / "bd.md").read_text()
    [row] = [row for row in read_csv(tmp_path / "bd.csv") if row["series"] == "x265-medium"]
    assert float(row["bd_rate_percent"]) == pytest.approx(-31.0, abs=0.05)
    assert float(row["bd_quality"]) < 0


@contextmanager
def registered(metric: Metric) -> Iterator[None]:
    METRICS_BY_NAME[metric.name] = metric
    try:
        yield
    finally:
        del METRICS_BY_NAME[metric.name]


def test_bd_rates_need_a_metric_and_a_known_format(tmp_path):
    points = write(tmp_path, points_data.rows())
    with pytest.raises(BenchError, match="metrics: must not be empty"):
        write_bd_rate(points, anchor="x264-medium", metrics=(), outputs=[])
    with pytest.raises(BenchError, match=r"is not a format of tables; end it with .*, \.tex or \.html"):
        write_bd_rate(points, anchor="x264-medium", metrics=METRICS, outputs=[tmp_path / "bd.xlsx"])


def test_the_table_of_points_averages_seeds_before_clips(tmp_path, two_clips):
    second = two_clips[two_clips["clip"] == "other"].assign(psnr_rgb_db=lambda rows: rows["psnr_rgb_db"] + 4)
    table = pd.concat([points_data.rows(seeds=3), second])
    outs = [tmp_path / f"points{suffix}" for suffix in (".csv", ".md", ".tex")]
    write_points(write(tmp_path, table), outputs=outs)
    rows = {(row["series"], row["clip"], row["point"]): row for row in read_csv(outs[0])}
    clips = [rows["ffnerv-matched", clip, "bpp0.27"] for clip in (points_data.CLIP, "other")]
    mean = rows["ffnerv-matched", "mean", "bpp0.27"]
    assert [row["seeds"] for row in (*clips, mean)] == ["3", "1", "3"]
    of_clips = [float(row["psnr_rgb_db"]) for row in clips]
    assert float(mean["psnr_rgb_db"]) == pytest.approx(sum(of_clips) / 2, rel=1e-5)
    assert float(mean["psnr_rgb_db"]) > of_clips[0] + 1
    assert rows["x264-medium", points_data.CLIP, "crf23"]["parameters"] == ""
    assert mean["parameters"] == "480000"
    # A series without points on the other clip has no mean.
    assert ("nerv-matched", "mean", "bpp0.27") not in rows
    assert "FFNeRV, reference fit, 150 epochs" in outs[1].read_text()
    assert outs[2].read_text().count(r"\\") == len(rows) + 1


def test_a_metric_without_values_is_not_a_column_for_readers(tmp_path):
    outs = [tmp_path / "points.csv", tmp_path / "points.md"]
    write_points(write(tmp_path, points_data.rows().assign(vmaf=None)), outputs=outs)
    assert "VMAF" not in outs[1].read_text()
    assert {row["vmaf"] for row in read_csv(outs[0])} == {""}


def test_names_that_look_like_numbers_stay_text_in_every_table(tmp_path):
    names = dict(zip(("crf23", "crf28", "crf33", "crf38"), ("0.10", "007", "NA", "1e1"), strict=True))
    table = pd.concat([points_data.rows(clip=clip, references=False) for clip in ("01", "NA")])
    table["point"] = table["point"].map(lambda point: names.get(point, point))
    points = write(tmp_path, table)
    write_points(points, outputs=[tmp_path / f"points{suffix}" for suffix in (".csv", ".md")])
    rows = read_csv(tmp_path / "points.csv")
    assert {row["clip"] for row in rows} == {"01", "NA", "mean"}
    assert set(names.values()) <= {row["point"] for row in rows}
    cells = {cell.strip() for cell in (tmp_path / "points.md").read_text().split("|")}
    assert {"01", "NA", *names.values()} <= cells
    bd = bd_rows(tmp_path, table)
    assert {clip for _, clip, _ in bd} == {"01", "NA", "mean"}
    assert bd["x265-medium", "NA", "psnr_rgb_db"]["bd_rate_percent"]
    summary = write_summary(points, anchor="x264-medium")
    assert re.search(r"^  0\.10 ", summary, re.MULTILINE)
    assert re.search(r"^  007 ", summary, re.MULTILINE)


def test_pages_of_the_report_have_the_cells_of_the_table_escaped(tmp_path):
    table = TextTable(["A & B", "n"], [["<script>x</script>", "1.5"]], [False, True], ['"note" <b>'])
    assert "<tr><th>A &amp; B</th><th class=n>n</th>" in html(table)
    assert "<td>&lt;script&gt;x&lt;/script&gt;</td><td class=n>1.5</td>" in html(table)
    assert "<p>&quot;note&quot; &lt;b&gt;" in html(table)
    out = tmp_path / "summary.html"
    text = write_summary(write(tmp_path, points_data.rows()), outputs=[out])
    assert f"<pre>{text}</pre>" in out.read_text()
    write_points(tmp_path / "rd_points.csv", outputs=[tmp_path / "points.html"])
    assert (tmp_path / "points.html").read_text().count("<tr>") == len(points_data.rows()) + 1


def test_skipped_points_are_written_in_all_formats(tmp_path):
    source = tmp_path / "skipped.csv"
    source.write_text("condition,clip,codec,label,point,reason\nv0,c,hnerv,HNeRV,bpp0.1,64 % too small\n")
    outs = [tmp_path / "copy.csv", tmp_path / "skipped.md", tmp_path / "skipped.tex"]
    write_skipped(source, outputs=outs)
    assert outs[0].read_text() == source.read_text()
    assert "| Reason" in outs[1].read_text()
    assert r"64 \% too small" in outs[2].read_text()
    source.write_text("condition,reason\n")
    write_skipped(source, outputs=[source, outs[1]])
    assert source.read_text() == "condition,reason\n"
    assert "nothing" in outs[1].read_text()
    source.write_text("\n")
    with pytest.raises(BenchError, match="is not a CSV table; create it with the workflow"):
        write_skipped(source, outputs=outs)
    with pytest.raises(BenchError, match="no such file"):
        write_skipped(tmp_path / "none.csv", outputs=outs)


def test_the_summary_has_all_points_comparisons_and_sentences(tmp_path):
    out = tmp_path / "summary.txt"
    skipped = tmp_path / "skipped.csv"
    skipped.write_text("codec,point,reason\nhnerv,a,too small\nhnerv,b,too small\n")
    table = points_data.rows()
    options = {"anchor": "x264-medium", "rate_bpp": 0.27, "skipped_csv": skipped}
    text = write_summary(write(tmp_path, table), outputs=[out], **options)
    assert out.read_text() == text
    footnotes = {"nerv-matched": "is fitted.", "not-here": "is not shown."}
    assert (
        write_summary(write(tmp_path, table), footnotes=footnotes, **options) == text + "\nNeRV: is fitted.\n"
    )
    assert text.startswith("demo-v1: bunny-320x180, 132 frames\n")
    for point in table["point"].unique():
        shown = len(re.findall(rf"^  {re.escape(point)} ", text, re.MULTILINE))
        assert shown == (table["point"] == point).sum()
    assert re.search(
        r"^  bpp0\.12 +0\.1224 +31\.47 +32\.77 +0\.9547 +56\.4 +4000\.0 +2\.90$", text, re.MULTILINE
    )
    assert re.search(r"^x265 medium +\N{MINUS SIGN}31\.0 % +38\.91 dB +0\.395 bpp$", text, re.MULTILINE)
    assert re.search(r"^FFNeRV, 18 epochs +\N{EN DASH} \[1\] +28\.93 dB +\N{EN DASH}$", text, re.MULTILINE)
    sentences = text.replace("\n", " ")
    assert (
        "At equal rate FFNeRV is +0.90 dB over NeRV in the reference fits (150 epochs) and +0.90 dB in the "
        "short fits (18 epochs)."
    ) in sentences
    assert text.endswith("2 points skipped:\n  hnerv (2): too small\n")


def test_the_better_codec_of_the_reference_fits_comes_first(tmp_path):
    table = points_data.rows()
    table.loc[(table["codec"] == "ffnerv-matched") & table["reference"], "psnr_rgb_db"] -= 1.5
    text = write_summary(write(tmp_path, table)).replace("\n", " ")
    assert (
        "NeRV is +0.60 dB over FFNeRV in the reference fits (150 epochs) and "
        "\N{MINUS SIGN}0.90 dB in the short fits (18 epochs)."
    ) in text


def test_fits_that_are_not_comparable_have_a_reason(tmp_path):
    table = points_data.rows(references=False)
    table = table[(table["codec"] != "nerv-matched") | (table["point"] != "bpp0.40")]
    text = write_summary(write(tmp_path, table)).replace("\n", " ")
    assert (
        "FFNeRV and NeRV are not compared in the fits (18 epochs): NeRV, 18 epochs has 3 points, 4 needed."
    ) in text
    assert "At equal rate" not in text


def test_fits_are_compared_on_the_only_clip_with_enough_points(tmp_path):
    second = points_data.rows(clip="other", references=False)
    second = second[(second["kind"] != "fitted") | second["point"].isin(["bpp0.18", "bpp0.27"])]
    first = points_data.rows(references=False)
    text = write_summary(write(tmp_path, pd.concat([first, second]))).replace("\n", " ")
    alone = write_summary(write(tmp_path, first)).replace("\n", " ")
    (gain,) = re.findall(r"At equal rate FFNeRV is \S+ dB over NeRV in the fits \(18 epochs\)", alone)
    assert f"{gain} (bunny-320x180 only: no number on other)." in text


def test_many_fitted_codecs_are_compared_with_the_first(tmp_path):
    extra = {f"net{index}": (f"Net {index}", 0.1 * index) for index in range(4)}
    text = write_summary(write(tmp_path, points_data.rows(extra=extra)))
    assert text.count("At equal rate") == len(points_data.FITTED) + len(extra) - 1


def test_the_summary_compares_series_on_the_same_clips(tmp_path, two_clips):
    """A series that lacks a clip has a line for each of its points, and a comparison on its own clip only."""
    text = write_summary(write(tmp_path, two_clips), anchor="x264-medium", rate_bpp=0.27)
    assert text.startswith("demo-v1: mean of 2 clips\n")
    assert re.search(r"^  bpp0\.12  bunny-320x180 +0\.1164 ", text, re.MULTILINE)
    assert re.search(r"^  bpp0\.12  mean of 2 +0\.1224 ", text, re.MULTILINE)
    heading = r"^Against x264 medium, PSNR-RGB, (?=bunny-320x180 |mean of 2 )"
    _, of_bunny, of_mean = re.split(heading, text, flags=re.M)
    label = "NeRV, reference fit, 150 epochs"
    assert re.search(rf"^{label} +\+?\S+ % +\d", of_bunny, re.MULTILINE)
    assert f"\n{label} " not in of_mean
    assert "\nFFNeRV, reference fit, 150 epochs " in of_bunny
    assert "\nFFNeRV, reference fit, 150 epochs " in of_mean


@pytest.fixture
def two_truths() -> pd.DataFrame:
    """A clip of each truth. Codecs of 4:2:0 have a ceiling on the one whose truth is RGB."""
    rgb = points_data.rows(clip="drawing").assign(truth="rgb")
    rgb.loc[rgb["kind"] == "classical", "round_trip_psnr_rgb_db"] = 24.567
    return pd.concat([points_data.rows(), rgb])


def test_tables_show_which_clips_have_rgb_as_truth(tmp_path, two_truths):
    path = write(tmp_path, two_truths)
    note = "The truth of drawing is its RGB frames. Codecs of 4:2:0 reach at most 24.57 dB of PSNR-RGB on it."
    write_points(path, outputs=[tmp_path / "points.csv", tmp_path / "points.md"])
    truths = {row["clip"]: row["truth"] for row in read_csv(tmp_path / "points.csv")}
    assert truths == {"bunny-320x180": "yuv420p", "drawing": "rgb", "mean": "mixed"}
    text = (tmp_path / "points.md").read_text()
    assert "| Truth " in text
    assert text.endswith(f"\n- {note}\n")
    write_bd_rate(path, anchor="x264-medium", metrics=METRICS, outputs=[tmp_path / "bd_rate.md"])
    assert note in (tmp_path / "bd_rate.md").read_text()
    summary = write_summary(path)
    assert summary.startswith("demo-v1: mean of 2 clips (1 with RGB as truth)\n")
    assert note in " ".join(summary.split())


def test_tables_of_one_truth(tmp_path, two_truths):
    """Without RGB there is no column and no note; with RGB alone the mean has that truth."""
    path = write(tmp_path, points_data.rows())
    write_points(path, outputs=[tmp_path / "points.csv", tmp_path / "points.md"])
    assert "truth" not in read_csv(tmp_path / "points.csv")[0]
    assert "truth" not in (tmp_path / "points.md").read_text().lower()
    rgb = two_truths[two_truths["truth"] == "rgb"]
    path = write(tmp_path, pd.concat([rgb, rgb.assign(clip="other")]))
    write_points(path, outputs=[tmp_path / "points.csv"])
    assert {row["truth"] for row in read_csv(tmp_path / "points.csv")} == {"rgb"}
    assert write_summary(write(tmp_path, rgb)).startswith("demo-v1: drawing, 132 frames, RGB as truth\n")


def test_a_table_without_points_is_an_error(tmp_path):
    points = write(tmp_path, points_data.rows().iloc[:0])
    for call in (
        lambda: write_points(points, outputs=[]),
        lambda: write_summary(points),
        lambda: write_bd_rate(points, anchor="a", metrics=METRICS, outputs=[]),
    ):
        with pytest.raises(BenchError, match="no points yet"):
            call()
