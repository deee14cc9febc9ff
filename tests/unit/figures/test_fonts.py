"""Labels in any script: a font of the system has their characters, or a warning names these."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.text import Text
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from bench.base.paths import ROOT
from bench.figures.page import new_figure, print_style, save, text_width

DRAW = """
import os, sys
from bench.figures.page import new_figure, print_style, save
with print_style():
    figure = new_figure(3, 1)
    text = figure.text(0.1, 0.5, "codec " + sys.argv[1])
    save(figure, ["label.png", "label.pdf", "label.svg"])
    print(*text.get_fontfamily(), sep=",")
"""


def install_font(data_home: Path, characters: str) -> None:
    """Create a font with a black square for each of the characters, where a user's fonts are."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", *(f"uni{ord(character):04X}" for character in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): name for c, name in zip(characters, names[1:], strict=True)})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Test Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    (data_home / "fonts").mkdir(parents=True)
    builder.save(data_home / "fonts" / "squares.ttf")


def draw(folder: Path, label: str, **env: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "MPLCONFIGDIR": str(folder), **env}
    command = [sys.executable, "-c", DRAW, label]
    return subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=True)


@pytest.mark.slow
def test_a_font_of_the_user_draws_what_the_default_font_lacks(tmp_path: Path) -> None:
    install_font(tmp_path / "data", "中文")
    done = draw(tmp_path, "中文", XDG_DATA_HOME=str(tmp_path / "data"))
    assert done.stdout == "DejaVu Sans,Test Squares\n"
    assert done.stderr == ""
    with Image.open(tmp_path / "label.png") as image:
        dark = np.asarray(image.convert("L")) < 100
    assert sliding_window_view(dark, (10, 10)).all(axis=(2, 3)).any(), "no black square"
    assert "<use" in (tmp_path / "label.svg").read_text()


def test_a_character_without_a_font_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = chr(0x10FFFD)  # private use
    with print_style():
        for name in ("one.png", "two.png"):
            figure = new_figure(3, 1)
            figure.text(0.1, 0.5, f"codec {nowhere}")
            save(figure, [tmp_path / name])
    assert capsys.readouterr().err == (
        f"warning: no font of this system has {nowhere}; install one, such as Noto Sans CJK\n"
    )


def test_the_default_font_stays_first_and_a_second_one_helps_out() -> None:
    """matplotlib ships STIX, which has letters that DejaVu Sans lacks."""
    with print_style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"]
        assert text_width("größe ψ", size=7) > 0
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"]
        assert text_width("\N{LATIN SMALL LETTER Z WITH PALATAL HOOK}", size=7) > 0
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "STIXGeneral"]
        figure = new_figure(3, 1)
        assert isinstance(text := figure.text(0, 0, "ᶎ"), Text)
        assert text.get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]
    with print_style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"]
