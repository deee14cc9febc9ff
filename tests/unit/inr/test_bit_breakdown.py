"""A look inside a condition's fitted networks: `bench inside`, its pictures and its table."""

from __future__ import annotations

import csv
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.base.csv_files import write_csv
from bench.base.result_files import RunKey
from bench.cli import main
from bench.codec import registry
from bench.figures.frame_parts import Panel, _plot, draw_parts
from bench.figures.page import print_style
from bench.inr.codec import INRCodec
from bench.inr.network.representation import Representation
from bench.video.clip import Clip

SETTINGS = {
    "ffnerv-matched": "{channels: 8, grid_lengths: [3, 5], strides: [2, 2, 2], lower_width: 4}",
    "nerv-matched": "{channels: 8, stem_width: 16, strides: [2, 2, 2], lower_width: 4}",
}
SUFFIXES = (".pdf", ".png", ".svg")


@pytest.fixture(scope="module")
def streams(tiny_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One stream of each network, fitted for an epoch."""
    folder, clip = tmp_path_factory.mktemp("streams"), str(tiny_clip.path.with_name("clip.json"))
    condition = folder / "tiny.yaml"
    lines = [f"  {codec}: {{points: {{low: {settings}}}}}" for codec, settings in SETTINGS.items()]
    head = ["title: tiny", "clips: {tiny: {sequence: discs-tiny}}", "budget: {epochs: 1}", "codecs:"]
    condition.write_text("\n".join([*head, *lines]) + "\n")
    for codec in SETTINGS:
        words = ["encode", "--codec", codec, "--point", "low", "--condition", str(condition), "--clip", clip]
        assert main([*words, "--device", "cpu", "--out", str(folder / f"{codec}.bin")]) == 0
    return {codec: folder / f"{codec}.bin" for codec in SETTINGS}


@pytest.fixture
def condition(streams: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lays out a condition's streams in an empty working directory; its table of points comes back."""
    monkeypatch.chdir(tmp_path)

    def make(*codecs: str) -> Path:
        runs = [(codec, run) for run in ("seed0", "reference-seed0") for codec in codecs]
        rows = [row("x264-medium", "crf23", "seed0", kind="classical", rate_bpp=0.1)]
        for codec, run in runs:
            for name, rate_bpp in (("low", 1.0), ("high", 4.0)):  # no stream of the farther point is there
                rows.append(row(codec, name, run, kind="fitted", rate_bpp=rate_bpp))
            path = Path(place(codec, "low", run).file("stream.bin"))
            path.parent.mkdir(parents=True)
            shutil.copy(streams[codec], path)
        write_csv("rd_points.csv", rows)
        return Path("rd_points.csv")

    return make


def place(codec: str, point: str, run: str) -> RunKey:
    return RunKey(condition="tiny", clip="discs", codec=codec, point=point, run=run)


def row(codec: str, point: str, run: str, **values: object) -> dict[str, object]:
    return {
        **vars(place(codec, point, run)),
        "label": codec.partition("-")[0].upper(),
        "seed": 0,
        "epochs": 150 if "reference" in run else 18,
        "reference": "reference" in run,
        "frames": 9,
        **values,
    }


def inside(points: Path, *words: str) -> int:
    return main(
        ["inspect-condition", "--points", str(points), "--clip", "discs", "--rate-bpp", "1.2", *words]
    )


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Catches the figures instead of writing them."""
    caught: list[Figure] = []
    for module in ("frame_parts", "page"):
        monkeypatch.setattr(f"bench.figures.{module}.save", lambda figure, outs: caught.append(figure))
    return caught


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


@pytest.mark.slow
def test_the_fits_of_a_network_with_parts_stand_side_by_side(condition, pages) -> None:
    assert inside(condition(*SETTINGS), "--frame", "8", "--pictures", "parts.png") == 0
    (page,) = pages
    message = words(page)
    titles = ["FFNERV, 18 epochs, 1.000 bpp", "FFNERV, reference fit, 150 epochs, 1.000 bpp"]
    assert [text for text in message if text.endswith(" bpp") and "nearest" not in text] == titles
    # The clip ends with frame 8: only the frame before it stands beside it.
    assert message.count("frame 7") == message.count("frame 8") == 2
    assert "frame 6" not in message
    assert len(page.axes) == 2 * 2 * 12
    assert {"independent frame", "final frame", "flow to frame 6", "weight of frame 10"} <= set(message)


@pytest.mark.slow
def test_networks_without_parts_get_a_page_with_the_reason(condition, pages) -> None:
    assert inside(condition("nerv-matched"), "--frame", "99", "--pictures", "parts.png") == 0
    assert "No network composes its frames of parts." in words(pages[0])


@pytest.mark.slow
def test_the_table_has_every_bit_twice(condition) -> None:
    assert inside(condition(*SETTINGS), "--tables", "bits.csv", "bits.md", "bits.tex") == 0
    with open("bits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["series"] for row in rows}) == 4
    for series in {row["series"] for row in rows}:
        bits = {"stage": 0, "tensor": 0}
        share = dict.fromkeys(bits, 0.0)
        for row in (row for row in rows if row["series"] == series):
            bits[row["level"]] += int(row["bits"])
            share[row["level"]] += float(row["share"])
            assert float(row["bits_per_weight"]) == pytest.approx(
                int(row["bits"]) / int(row["weights"]), 1e-5
            )
        assert bits["stage"] == bits["tensor"] > 1000
        assert share == pytest.approx({"stage": 1, "tensor": 1}, abs=1e-4)
    text = Path("bits.md").read_text()
    assert "FFNERV, reference fit, 150 epochs" in text
    assert "stages.0 " in text
    assert "stages.0.conv.weight" not in text


def test_a_stream_that_cannot_be_decoded_is_named(condition, capsys) -> None:
    points, path = condition("nerv-matched"), Path(place("nerv-matched", "low", "seed0").file("stream.bin"))
    shutil.copy(points, path)
    assert inside(points, "--tables", "bits.csv") == 2
    message = capsys.readouterr().err.splitlines()
    assert message[-1].startswith(f"error: {path}: ")
    assert not Path("bits.csv").exists()
    assert inside(points, "--clip", "cubes", "--tables", "bits.csv") == 2
    assert "no points of clip cubes; choose one of discs" in capsys.readouterr().err


def some_parts(frame: int, offsets: tuple[int, ...] = (-1, 1)) -> dict[str, np.ndarray]:
    random = np.random.default_rng(frame)
    parts = {
        "final frame": random.random((3, 18, 32)),
        "weight of the aggregated frame": random.random((18, 32)),
    }
    for offset in offsets:
        parts[f"flow to frame {frame + offset}"] = 6 * random.random((2, 18, 32)) - 3
    return parts


@pytest.mark.parametrize(("count", "inches"), [(1, 3.5), (1, 7.0), (2, 7.0), (3, 7.0)])
@pytest.mark.slow
def test_nothing_overlaps_and_nothing_leaves_the_page(count: int, inches: float) -> None:
    title = "A network with a long name, reference fit, 150 epochs, 0.123 bpp"
    offsets = [(-2, -1, 1, 2), (-1, 1), ()]
    panels = [Panel(title, {at: some_parts(at, offsets[k]) for at in (9, 10, 11)}) for k in range(count)]
    with print_style():
        figure = _plot(panels, "a condition: a clip, 132 frames, points nearest to 0.13 bpp", inches)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text().strip()] + [
            axes.get_window_extent() for axes in figure.axes
        ]
    width, height = figure.bbox.width, figure.bbox.height
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    for one, two in combinations(boxes, 2):
        assert (
            min(one.x1, two.x1) - max(one.x0, two.x0) <= 1 or min(one.y1, two.y1) - max(one.y0, two.y0) <= 1
        )


@pytest.mark.slow
def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for run in ("one", "two"):
        outs = [tmp_path / run / f"parts{suffix}" for suffix in SUFFIXES]
        draw_parts([Panel("a network", {3: some_parts(3)})], title="parts", outputs=outs)
        written.append([out.read_bytes() for out in outs])
    assert written[0] == written[1]
    assert len(written[0][1]) > 5000


@pytest.mark.parametrize("codec_id", sorted(registry.codec_configs()))
def test_families_declare_whether_their_networks_have_parts(codec_id: str, tiny_clip: Clip) -> None:
    """Planning asks the codec, a picture asks the network: both say the same."""
    config = registry.codec_config(codec_id)
    codec = registry.load_family(config.family)
    if not isinstance(codec, INRCodec):
        assert not config.fitted_by_suite
        return
    settings = registry.resolve_settings(config, {"epochs": 1}, config.test)
    made = codec.resolve(tiny_clip.info, settings).config
    network = codec.represent(made, frames=tiny_clip.info.frames, height=48, width=64)
    assert codec.has_parts == (type(network).parts is not Representation.parts)
