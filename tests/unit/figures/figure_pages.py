"""Figures of the synthetic condition for the tests of this folder, and the texts on their pages."""

from __future__ import annotations

from pathlib import Path

import points_data
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.figures.fit import draw_fit
from bench.figures.frames import draw_frames
from bench.figures.rd import draw_rd
from bench.figures.strip import draw_strip

MANY = {
    "enerv-matched": ("E-NeRV (matched)", -0.4),
    "hnerv-matched": ("HNeRV (matched)", 0.5),
    "ffnerv-official": ("FFNeRV (official recipe)", 0.2),
    "my-own-codec": ("A codec of a user", 1.2),
}
AT_ONE_RATE = {"clip": points_data.CLIP, "rate_bpp": 0.27}


def write_demo(folder: Path) -> tuple[Path, Path]:
    """rd_points.csv and folder of results of the synthetic condition: 8 series and 2 controls."""
    return points_data.write_condition(folder, points_data.rows())


def write_crowd(folder: Path) -> tuple[Path, Path]:
    """The same with 16 series and three seeds; one codec has no files."""
    points_csv, results = points_data.write_condition(folder, points_data.rows(seeds=3, extra=MANY))
    for name in ("crop.png", "frames.csv", "encode.json"):
        folder = results / "points" / points_data.CONDITION / points_data.CLIP
        (folder / "my-own-codec/bpp0.27/seed0" / name).unlink()
    return points_csv, results


def draw(kind: str, data: tuple[Path, Path], outputs: list[Path], **options) -> None:
    points_csv, results = data
    if kind in ("rd", "fit"):
        options = {"rd": {"metric": "psnr_rgb_db"}, "fit": {"results": results, **AT_ONE_RATE}}[
            kind
        ] | options
        (draw_rd if kind == "rd" else draw_fit)(points_csv, outputs=outputs, **options)
    elif kind == "frames":
        draw_frames(points_csv, results=results, outputs=outputs, **AT_ONE_RATE, **options)
    else:
        draw_strip(points_csv, results=results, frame=60, outputs=outputs, **AT_ONE_RATE, **options)


def texts(figure: Figure) -> list[Text]:
    """All visible texts: title, labels, tick labels inside the limits, legend, notes."""
    result = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    outside = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            shown = axis.get_visible() and axes.axison
            outside |= {t.label1 for t in ticks if not shown or not low <= t.get_loc() <= high}
            outside |= {t.label2 for t in ticks}
    return [text for text in result if text not in outside]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))
