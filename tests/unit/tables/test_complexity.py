"""Costs of points: the table, the figure, and that only named targets request them."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import pandas as pd
import points_data
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.analysis.costs import load_costs, pareto_front, trade_offs
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.base.strict_yaml import read_yaml
from bench.figures.complexity import draw_complexity
from bench.tables.complexity import write_complexity
from bench.workflow.outputs import Selection
from bench.workflow.plan import make_plan
from bench.workflow.rule_functions import Plans
from bench.workflow.targets import FIGURE_KINDS, NAMED_TARGETS

EXTRA = {"enerv-matched": ("E-NeRV", -0.4), "ffnerv-official": ("FFNeRV, authors' settings", 0.3)}


def digest(row) -> str:
    return "/".join(str(row[name]) for name in ("clip", "codec", "point", "run"))


def write_times(rows: pd.DataFrame, path: Path, **changes: object) -> Path:
    """decode_times.csv of the first seeds, with a median of twice the time of the records."""
    first = rows[rows["seed"] == 0]
    identity = first[["condition", "clip", "codec", "point", "run", "frames"]]
    wall = 2 * first["decode_wall_s"]
    weights = first["codec"].eq("x265-medium").map({True: 5e6, False: None})
    times = identity.assign(
        stream_sha256=first.apply(digest, axis=1), repeats=3, wall_s=wall, wall_s_low=0.9 * wall,
        wall_s_high=1.5 * wall, cpu_s=wall, cpu_s_low=wall, cpu_s_high=wall,
        frames_per_second=first["frames"] / wall, peak_memory_bytes=3e8, peak_device_memory_bytes=None,
        device="cpu", machine="A processor", threads=1, decoder_weights_bytes=weights,
    )  # fmt: skip
    times.assign(**changes).to_csv(path, index=False)
    return path


def table_of(*, seeds: int = 1, clips: int = 1, references: bool = True, **more) -> pd.DataFrame:
    names = [points_data.CLIP, *(f"clip{index}" for index in range(1, clips))]
    rows = pd.concat(
        [points_data.rows(clip=clip, seeds=seeds, references=references, **more) for clip in names],
        ignore_index=True,
    )
    rows.loc[rows["kind"] == "fitted", "psnr_rgb_db"] += 4  # so that short fits share some quality too
    more_columns = {"encode_peak_memory_bytes": 4e8, "encode_threads": 2, "encode_device": "cuda"}
    return rows.assign(stream_sha256=rows.apply(digest, axis=1), macs_per_pixel=None, **more_columns)


def files(folder: Path, rows: pd.DataFrame, **changes: object) -> tuple[Path, Path]:
    rows.to_csv(folder / "rd_points.csv", index=False)
    return folder / "rd_points.csv", write_times(rows, folder / "decode_times.csv", **changes)


def test_a_row_is_one_stream_with_its_retimed_decode(tmp_path: Path) -> None:
    rows = table_of(seeds=3)
    outs = [tmp_path / f"complexity{suffix}" for suffix in (".csv", ".md", ".tex")]
    write_complexity(*files(tmp_path, rows), metric="psnr_rgb_db", outputs=outs)
    result = list(csv.DictReader(outs[0].open()))
    assert len(result) == rows.drop_duplicates(["clip", "series", "point"]).shape[0]
    assert {row["run"] for row in result} == {"seed0", "reference-seed0"}
    first = next(row for row in result if (row["series"], row["point"]) == ("ffnerv-matched", "bpp0.27"))
    expected = rows[
        (rows["codec"] == "ffnerv-matched") & (rows["point"] == "bpp0.27") & (rows["run"] == "seed0")
    ]
    assert float(first["psnr_rgb_db"]) == pytest.approx(expected["psnr_rgb_db"].item(), rel=1e-5)
    assert first["label"] == "FFNeRV, 18 epochs"
    assert (first["encode_wall_s"], first["decode_wall_s"]) == ("480", "5.8")
    assert float(first["decode_frames_per_second"]) == pytest.approx(132 / 5.8, rel=1e-5)
    assert (first["parameters"], first["encode_threads"], first["decode_threads"]) == ("480000", "2", "1")
    assert (first["encode_device"], first["decode_device"]) == ("cuda", "cpu")
    weights = {row["series"]: row["decoder_weights_bytes"] for row in result}
    assert (weights["x265-medium"], weights["x264-medium"]) == ("5000000", "")


def test_text_tables_have_units_and_no_empty_columns(tmp_path: Path) -> None:
    outs = [tmp_path / "complexity.md", tmp_path / "complexity.tex"]
    write_complexity(*files(tmp_path, table_of()), metric="psnr_rgb_db", outputs=outs)
    header, _, *lines = outs[0].read_text().splitlines()
    assert "Decoder weights (MB)" in header
    assert "MACs" not in header
    assert "GPU" not in header
    line = next(line for line in lines if "x265 medium" in line)
    cells = dict(zip(header.split("|"), line.split("|"), strict=True))
    cells = {name.strip(): cell.strip() for name, cell in cells.items()}
    assert (cells["Decoder weights (MB)"], cells["Decoder memory (MB)"]) == ("5.00", "300")
    assert (cells["Encode (s)"], cells["Decode (s)"]) == ("1.7", "0.62")
    assert "median of 3 decodes" in outs[0].read_text()
    assert "A processor" in outs[1].read_text()


def test_energy_is_a_column_where_it_was_measured(tmp_path: Path) -> None:
    rows = table_of().assign(encode_cpu_j_per_frame=12.5)
    outs = [tmp_path / "complexity.csv", tmp_path / "complexity.md"]
    write_complexity(*files(tmp_path, rows, cpu_j_per_frame=0.25), metric="psnr_rgb_db", outputs=outs)
    (first, *_) = csv.DictReader(outs[0].open())
    assert (first["encode_cpu_j_per_frame"], first["decode_cpu_j_per_frame"]) == ("12.5", "0.25")
    assert first["decode_gpu_j_per_frame"] == first["decode_energy_reason"] == ""
    header, _, line, *_ = outs[1].read_text().splitlines()
    cells = dict(zip(header.split("|"), line.split("|"), strict=True))
    assert cells[" Encode, CPU (J per frame) "].strip() == "12.50"
    assert "GPU (J" not in header
    assert "work of other processes included" in outs[1].read_text()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda times: times[1:], "has no time of bunny-320x180/x264-medium/crf23/seed0"),
        (lambda times: times.assign(stream_sha256="x"), "has the time of another stream of bunny-320x180"),
        (lambda times: times.drop(columns="cpu_s"), "no column cpu_s; time the streams with bench retime"),
    ],
)
def test_times_of_other_streams_are_an_error(tmp_path: Path, spoil, problem: str) -> None:
    points, times = files(tmp_path, table_of())
    spoil(pd.read_csv(times)).to_csv(times, index=False)
    with pytest.raises(BenchError, match=problem):
        load_costs(points, times)


def test_missing_times_are_an_error_in_one_line(tmp_path: Path) -> None:
    points, times = files(tmp_path, table_of())
    with pytest.raises(BenchError, match="no column psnr"):
        write_complexity(points, times, metric="psnr", outputs=[])
    times.write_text("")
    with pytest.raises(BenchError, match="is not a CSV table"):
        load_costs(points, times)
    times.unlink()
    with pytest.raises(BenchError, match="no such file; time the streams with bench retime"):
        load_costs(points, times)


def test_the_pareto_front_has_all_points_that_are_not_dominated() -> None:
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0), (4.0, 6.0), (0.5, 9.0), (5.0, 1.0)]
    assert pareto_front(points) == [5, 0, 1, 6]
    assert pareto_front([(1.0, 1.0)]) == [0]
    assert pareto_front([(1.0, 1.0), (1.0, 1.0)]) == [0]


def test_times_are_means_over_points_then_clips(tmp_path: Path) -> None:
    rows = table_of(clips=2)
    anchors = (rows["codec"] == "x264-medium") & (rows["clip"] == "clip1")
    rows.loc[anchors, "encode_wall_s"] = 8.3  # (1.7 + 8.3) / 2 is 5
    # 5 s more at one of five points is 1 s more in their mean.
    rows.loc[anchors & (rows["point"] == "crf23"), "encode_wall_s"] = 13.3
    points, times = files(tmp_path, rows)
    result, missing = trade_offs(
        load_points(points), load_costs(points, times), anchor="x264-medium", metric="psnr_rgb_db"
    )
    assert missing == []
    anchor, *others = result
    assert (anchor.series, anchor.rate_percent) == ("x264-medium", 0)
    assert anchor.encode == pytest.approx((1.7 + 9.3) / 2 / 132)
    assert anchor.decode == pytest.approx(2 * 0.31 / 132)
    assert {one.series for one in others} >= {"x265-veryslow", "nerv-matched (reference)"}


@pytest.mark.parametrize("width", [7.0, 3.5])
@pytest.mark.parametrize("more", [{}, {"extra": EXTRA, "clips": 3}], ids=["demo", "crowd"])
@pytest.mark.slow
def test_no_text_is_clipped_or_overlaps_another(tmp_path: Path, pages, more: dict, width: float) -> None:
    data = files(tmp_path, table_of(**more))
    draw_complexity(*data, anchor="x264-medium", metric="psnr_rgb_db", outputs=[], width=width)
    (figure,) = pages
    texts = [text for text in figure.texts if text.get_text()]
    for axes in figure.axes:
        ticks = []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        texts += [text for text in (*ticks, axes.xaxis.label, axes.yaxis.label) if text.get_text()]
    boxes = {text: text.get_window_extent() for text in texts}
    for text, box in boxes.items():
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width + 1, text
        assert box.y1 <= figure.bbox.height, text
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        common = Bbox.intersection(first, second)
        apart = common is None or common.width < 1 or common.height < 1
        assert apart, f"{one.get_text()!r} over {other.get_text()!r}"


def test_every_series_has_a_distinct_marker_and_the_note_names_the_others(tmp_path: Path, pages) -> None:
    rows = table_of(extra=EXTRA)
    rows = rows[~((rows["codec"] == "x265-medium") & (rows["point"] > "crf33"))]
    data = files(tmp_path, rows)
    footnotes = {"x264-medium": "an encoder."}
    draw_complexity(*data, anchor="x264-medium", metric="psnr_rgb_db", outputs=[], footnotes=footnotes)
    (figure,) = pages
    note = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "x264 medium: an encoder." in note
    assert "Without a BD-rate: x265 medium." in note
    for axes in figure.axes:
        lines = [line for line in axes.lines if line.get_marker() not in ("None", "")]
        styles = [(str(m.get_marker()), m.get_color(), m.get_markerfacecolor()) for m in lines]
        assert len(set(styles)) == len(styles) == rows[rows["kind"] != "control"]["series"].nunique() - 1
        (step,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
        heights = step.get_ydata()
        assert list(heights) == sorted(heights, reverse=True)


def test_several_clips_have_bars_and_an_anchor_alone_has_only_a_text(tmp_path: Path, pages) -> None:
    draw_complexity(
        *files(tmp_path, table_of(clips=3)), anchor="x264-medium", metric="psnr_rgb_db", outputs=[]
    )
    assert len(pages[0].axes[0].collections) == 7
    rows = table_of()
    alone = files(tmp_path, rows[rows["codec"] == "x264-medium"])
    draw_complexity(*alone, anchor="x264-medium", metric="psnr_rgb_db", outputs=[])
    texts = [text.get_text() for text in pages[1].texts]
    assert pages[1].axes == []
    assert any(text.startswith("No series has a BD-rate against ") for text in texts)


@pytest.mark.slow
def test_series_are_drawn_on_the_clips_that_most_have(tmp_path: Path, pages) -> None:
    rows = table_of(clips=2)
    rows = rows[(rows["codec"] != "nerv-matched") | (rows["clip"] == points_data.CLIP)]
    draw_complexity(*files(tmp_path, rows), anchor="x264-medium", metric="psnr_rgb_db", outputs=[])
    shown = {text.get_text() for text in pages[0].findobj(Text)}
    assert any(text.startswith(f"demo-v1: {points_data.CLIP}") for text in shown)
    assert "NeRV" in shown


def test_files_are_reproducible(tmp_path: Path) -> None:
    data = files(tmp_path, table_of(clips=3))
    written = []
    for run in ("one", "two"):
        outs = [tmp_path / f"{run}{suffix}" for suffix in (".pdf", ".svg")]
        draw_complexity(*data, anchor="x264-medium", metric="psnr_rgb_db", outputs=outs)
        written.append([out.read_bytes() for out in outs])
    assert written[0] == written[1]


def test_only_named_targets_request_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no tracked streams here
    plan = make_plan("demo-v1")
    view, named = Selection(plan, "demo-v1"), {target.name: target for target in NAMED_TARGETS}
    usual = view.targets(read_yaml(ROOT / "config" / "config.yaml")["figures"])
    assert not any("complexity" in path or "decode_times" in path for path in usual)
    assert named["table_complexity"].files(view) == [
        f"results/tables/demo-v1/complexity{suffix}" for suffix in (".csv", ".md", ".tex", ".html")
    ]
    assert named["fig_complexity"].files(view) == [
        f"results/figures/demo-v1/complexity{suffix}" for suffix in (".pdf", ".png", ".svg")
    ]
    others = [target for name, target in named.items() if "complexity" not in name]
    assert not any("complexity" in path for target in others for path in target.files(view))
    assert "complexity" in FIGURE_KINDS


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 1), ("cpu", 0)])
def test_timing_reserves_a_gpu_where_a_network_does(tmp_path, monkeypatch, device: str, gpus: int) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "config" / "conditions" / "demo-v1.yaml").read_text()
    Path("demo-v1.yaml").write_text(text.replace("device: auto", f"device: {device}"))
    plans = Plans("demo-v1.yaml", main_process=True, error=ValueError)
    assert plans.gpus({"selection": "demo-v1"}) == gpus


def test_the_pareto_front_is_that_of_rate_quality_and_decode_time(tmp_path: Path) -> None:
    """x265 veryslow needs fewer bits than x264 medium at each quality and decodes as fast; NeRV is slower."""
    rows = table_of(references=False)
    write_complexity(*files(tmp_path, rows), metric="psnr_rgb_db", outputs=[tmp_path / "c.csv"])
    table = pd.read_csv(tmp_path / "c.csv")
    front = table.groupby("series")["pareto"].agg(set)
    assert front["x265-veryslow"] == {True}
    assert front["x264-medium"] == front["nerv-matched"] == {False}
