"""The commands that look at networks rather than fit them for a result: size, speed, inspect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.base.errors import BenchError
from bench.base.paths import CODECS_DIR
from bench.cli import main
from bench.codec.codec_config import CodecConfig
from bench.codec.container import read_stream
from bench.codec.registry import codec_config
from bench.figures.optical_flow import colour_wheel, flow_colours
from bench.video.clip import Clip

CONDITION = """
title: tools
clips: {tiny: {sequence: discs-tiny}}
budget: {epochs: 2}
codecs:
  ffnerv-matched:
    settings: {grid_lengths: [3, 5], strides: [2, 2, 2], lower_width: 4}
    points:
      low: {channels: 8}
"""


@pytest.fixture
def condition(tmp_path: Path) -> Path:
    path = tmp_path / "tools.yaml"
    path.write_text(CONDITION)
    return path


def clip_json(clip: Clip) -> str:
    return str(clip.path.with_name("clip.json"))


@pytest.fixture
def stream(tiny_clip: Clip, condition: Path, tmp_path: Path) -> Path:
    out = tmp_path / "stream.bin"
    arguments = ["encode", "--codec", "ffnerv-matched", "--point", "low", "--condition", str(condition)]
    assert main([*arguments, "--clip", clip_json(tiny_clip), "--device", "cpu", "--out", str(out)]) == 0
    return out


def size(clip: Clip, condition: Path, *more: str) -> int:
    arguments = ["size", "--codec", "ffnerv-matched", "--condition", str(condition), "--device", "cpu"]
    return main([*arguments, "--clip", clip_json(clip), *more])


@pytest.mark.slow
def test_sizes_reach_their_targets(tiny_clip: Clip, condition: Path, tmp_path: Path, capsys) -> None:
    """The rate of a stream that was really fitted at what `size` wrote, one fit having measured the bits."""
    out = tmp_path / "points.yaml"
    assert size(tiny_clip, condition, "--targets", "2", "1.5", "--out", str(out)) == 0
    points = yaml.safe_load(out.read_text())["points"]
    assert list(points) == ["bpp2.00", "bpp1.50"]
    text = yaml.safe_load(CONDITION)
    text["codecs"]["ffnerv-matched"]["points"] = points
    condition.write_text(yaml.safe_dump(text))
    for name in points:
        stream = tmp_path / f"{name}.bin"
        arguments = ["encode", "--codec", "ffnerv-matched", "--point", name, "--condition", str(condition)]
        main([*arguments, "--clip", clip_json(tiny_clip), "--device", "cpu", "--out", str(stream)])
        rate_bpp = 8 * stream.stat().st_size / tiny_clip.info.pixels
        assert rate_bpp == pytest.approx(float(name.removeprefix("bpp")), rel=0.1)


def test_sizes_of_a_codec_that_trains_for_its_rate(tiny_clip: Clip, tmp_path: Path, capsys) -> None:
    """Its points have the target as a setting. No fit is needed: the width chooses the bits per weight."""
    condition = tmp_path / "rates.yaml"
    condition.write_text(CONDITION.replace("ffnerv-matched:", "ffnerv-matched-v2:"))
    arguments = ["size", "--codec", "ffnerv-matched-v2", "--condition", str(condition), "--device", "cpu"]
    arguments += ["--clip", clip_json(tiny_clip), "--targets", "4", "8"]
    assert main(arguments) == 0
    output = capsys.readouterr()
    points = yaml.safe_load(output.out)["points"]
    assert [point["rate"] for point in points.values()] == [{"bpp": 4.0}, {"bpp": 8.0}]
    assert points["bpp4.00"]["channels"] < points["bpp8.00"]["channels"]
    pixels = tiny_clip.info.pixels
    weights = [
        int(line.split(" bpp: ")[1].split()[0]) for line in output.err.splitlines() if " bpp: " in line
    ]
    assert [3 * count / pixels for count in weights] == pytest.approx([4, 8], rel=0.2)


def test_a_rate_out_of_reach_is_one_line(tiny_clip: Clip, condition: Path, capsys) -> None:
    assert size(tiny_clip, condition, "--targets", "500", "--bits-per-weight", "6") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "ffnerv-matched.yaml: no width gives about" in message
    assert "widen the ranges" in message


def edited_ffnerv(folder: Path, size_section: str) -> CodecConfig:
    """The configuration of ffnerv-matched with another section `size`, from a file of its own."""
    values = yaml.safe_load((CODECS_DIR / "ffnerv-matched.yaml").read_text())
    values["size"] = yaml.safe_load(size_section)
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))
    return codec_config("mine", folder)


@pytest.mark.parametrize(
    ("size_section", "message"),
    [
        (
            "channels: {from: 8, to: wide, step: 2}",
            "size: channels: to: 'wide' must be a whole number; wr",
        ),
        ("channels: {from: 8, to: 96.5, step: 2}", "size: channels: to: 96.5 must be a whole number; "),
        (
            "channels: {from: 8, to: 96, step: 0}",
            "size: channels: step: 0 must be at least 1; write a",
        ),
        (
            "channels: {from: yes, to: 96, step: 1}",
            "size: channels: from: True must be a whole number; wr",
        ),
        ("channels: {from: 96, to: 8, step: 2}", "size: channels: from 96 is above to 8; write the lowest"),
        ("channels: {to: 96, step: 2}", "size: channels: key 'from' is missing; add it"),
        ("channels: {from: 8, step: 2}", "size: channels: key 'to' is missing; add it"),
        ("channels: {from: 8, to: 96}", "size: channels: key 'step' is missing; add it"),
        (
            "channels: {from: 8, to: 96, step: 2, by: 3}",
            "size: channels: unknown key 'by'; try ",
        ),
        ("channels: {}", "size: channels: key 'from' is missing; add it"),
        ("channels: wide", "size: channels: 'wide' must be a table; write {key: value}"),
        ("channels: []", "size: channels: [] has 0 values; give at least one value"),
        ("channels:", "size: channels: None must be a table; write {key: value}"),
        ("expansion: [1.0, much]", "size: expansion: 1: 'much'"),
        ("expansion: [0]", "size: expansion: 0: 0 must be above 0; write a number above 0"),
        ("expansion: [.nan]", "size: expansion: 0: nan must be a finite number"),
        ("chanels: [8]", "size: unknown setting 'chanels'; try channels"),
    ],
)
def test_a_wrong_section_of_sizes_is_refused_in_one_line(
    size_section: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError) as error:
        edited_ffnerv(tmp_path, size_section)
    assert str(error.value).startswith(f"{tmp_path / 'mine.yaml'}: {message}")
    assert len(str(error.value).splitlines()) == 1


def test_a_codec_without_sizes_is_refused(
    tiny_clip: Clip, condition: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    config = edited_ffnerv(tmp_path, "{}")
    monkeypatch.setattr("bench.codec.registry.codec_config", lambda codec_id: config)
    assert size(tiny_clip, condition, "--targets", "2", "--bits-per-weight", "6") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'mine.yaml'}: has no section `size`; list the settings")


def test_speed_prints_a_row_a_network_and_size(condition: Path, capsys) -> None:
    arguments = ["speed", "--condition", str(condition), "--sizes", "64x48", "32x24", "--steps", "2"]
    assert main([*arguments, "--device", "cpu"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "network"
    assert [row.split()[:3] for row in rows] == [
        ["ffnerv-matched", "low", "64x48"],
        ["ffnerv-matched", "low", "32x24"],
    ]
    for row in rows:
        *stages, step, whole = (float(cell) for cell in row.split()[4:10])
        assert min(*stages, whole) > 0
        assert step == pytest.approx(sum(stages), abs=0.3)
    assert main(["speed", "--sizes", "64", "--condition", str(condition)]) == 2


@pytest.mark.slow
def test_inspect_accounts_for_the_bits(stream: Path, tmp_path: Path, capsys) -> None:
    capsys.readouterr()
    picture = tmp_path / "parts.png"
    assert main(["inspect", str(stream), "--frames", "0", "8", "--pictures", str(picture)]) == 0
    message = capsys.readouterr().out.splitlines()
    by_tensor = message[next(i for i, line in enumerate(message) if line.startswith("by tensor")) + 1 :]
    bits = sum(int(line.split()[3]) for line in by_tensor)
    payload = 8 * len(read_stream(stream).payload)
    assert abs(bits - payload) < 0.1 * payload
    stages = message[next(i for i, line in enumerate(message) if line.startswith("by stage")) + 1 :]
    assert [line.split()[0] for line in stages[:3]] == ["grids.levels.0", "grids.levels.1", "stages.0"]
    with Image.open(picture) as image:
        assert image.width > 1000


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--frames", "9", "--pictures", "x.png"], []])
def test_inspect_refuses_in_one_line(stream: Path, tmp_path: Path, arguments, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = stream if arguments else tmp_path / "nothing.bin"
    assert main(["inspect", str(target), *arguments]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: ")


def test_the_colour_wheel_says_direction_and_length() -> None:
    assert colour_wheel().shape == (55, 3)
    flow = np.zeros((2, 1, 3))
    flow[0, 0] = [0.0, 1.0, -1.0]  # still, to the right, to the left
    still, right, left = flow_colours(flow, largest=1)[0]
    assert np.allclose(still, 1)
    assert right.argmax() == 0  # red
    assert right.min() == pytest.approx(0)
    assert np.abs(right - left).max() > 0.9
