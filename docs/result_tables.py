"""Tables of README.md and docs/results.md: the tracked references, and the tracked table of one default run.

`demo-v1` has the recipe `matched`, `demo-v2` the recipe `matched-v2`, whose codec ids end in `-v2`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.bjontegaard import NotComparable, bd_rate, quality_at, rate_at
from bench.analysis.comparison import EqualRate, at_equal_rate
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import label_of
from bench.analysis.rd_points import load_points, rows_of, rows_of_clip
from bench.base.paths import ROOT
from bench.scoring.record import Record
from bench.tables.text_table import NONE, TextTable, markdown, number

BUNNY, CITY = "bunny-320x180", "city-320x180"
ANCHOR, METRIC, RATE_BPP = "x264-medium", "psnr_rgb_db", 0.13
POINT_COLUMNS = {
    "rate_bpp": ("bpp", 4),
    "psnr_rgb_db": ("PSNR-RGB, dB", 2),
    "psnr_yuv_db": ("PSNR-YUV, dB", 2),
    "ms_ssim_rgb": ("MS-SSIM", 4),
    "vmaf": ("VMAF", 1),
    "encode_wall_s": ("encode, s", 1),
    "decode_wall_s": ("decode, s", 2),
}


def tracked_rows(condition: str, clip: str = BUNNY) -> pd.DataFrame:
    """Rows on a clip of the tracked run, and of references that are newer than it.

    The run measured older references again, on a quiet machine.
    """
    folder = ROOT / "results" / "reference" / condition
    run = load_points(folder / "rd_points.csv")
    references = rows_of(map(Record.read, sorted(folder.glob("*/*/*/*/record.json"))))
    newer = references[~references["stream_sha256"].isin(run["stream_sha256"])]
    return rows_of_clip(pd.concat([run, newer], ignore_index=True), clip)


@dataclass(frozen=True)
class Results:
    """One condition on one clip: points by rate, curves and values at `RATE_BPP`, by series.

    Series have the same name and label under both recipes.
    """

    points: dict[str, pd.DataFrame]
    curves: dict[str, Curve]
    at_rate: dict[str, EqualRate]

    @classmethod
    def of(cls, condition: str, clip: str = BUNNY) -> Results:
        """Those of the tracked run and references."""
        rows = tracked_rows(condition, clip)
        names, labels = rows["series"].str.replace("-v2", ""), rows["label"].str.removesuffix(" v2")
        rows = rows.assign(series=names, label=labels)
        points = {name: group.sort_values("rate_bpp") for name, group in rows.groupby("series", sort=False)}
        by_series = {curve.series: curve for curve in curves(rows, METRIC)}
        return cls(points, by_series, at_equal_rate(rows, anchor=ANCHOR, metric=METRIC, rate_bpp=RATE_BPP))

    def bd_rate(self, series: str, anchor: Curve | None) -> float | None:
        """BD-rate in percent against a curve; None without enough points."""
        if anchor is None or series not in self.curves:
            return None
        delta = _if_comparable(bd_rate, anchor, self.curves[series])
        return delta and delta.value

    def excess(self, series: str, point: str, anchor: Curve) -> float | None:
        """Rate of a point in percent above that of a curve at equal PSNR-RGB; None outside the curve."""
        curve = self.curves[series]
        index = curve.points.index(point)
        rate = _if_comparable(rate_at, anchor, curve.quality[index])
        return rate and 100 * (curve.rate_bpp[index] / rate - 1)

    def quality(self, series: str) -> float | None:
        """PSNR-RGB in dB at `RATE_BPP`; None outside the curve."""
        return self.at_rate[series].quality if series in self.at_rate else None

    def anchor_rate(self, series: str) -> float | None:
        """Rate in bpp at which x264 medium has that PSNR-RGB; None outside its curve."""
        return self.at_rate[series].anchor_rate_bpp if series in self.at_rate else None


def comparison(*, details: bool = False) -> str:
    """A row per codec: BD-rate against x264 medium and PSNR-RGB at one rate, under both recipes.

    Args:
        details: whether there are also learned codecs, the BD-rate of the second recipe against the first,
            and the rate of x264 at equal quality.
    """
    old, new = Results.of("demo-v1"), Results.of("demo-v2")
    header = ["codec", "BD-rate", "with `matched`", "`matched-v2` against `matched`"]
    header += [f"PSNR-RGB at {RATE_BPP} bpp", "with `matched`", "x264 medium needs"]
    rows = []
    for series in {**new.points, **old.points}:
        group = new.points.get(series, old.points.get(series))
        kind = group["kind"].iloc[0]
        if series == ANCHOR or kind == "control" or (kind == "learned" and not details):
            continue
        rates = [one.bd_rate(series, one.curves.get(ANCHOR)) for one in (new, old)]
        cells = [
            label_of(group),
            _with_unit(rates[0], 1, "%"),
            _with_unit(rates[1], 1, "%"),
            _with_unit(new.bd_rate(series, old.curves.get(series)), 1, "%"),
            _with_unit(new.quality(series), 2, "dB"),
            _with_unit(old.quality(series), 2, "dB"),
            _with_unit(new.anchor_rate(series), 3, "bpp"),
        ]
        if kind != "fitted":  # no recipe
            cells[2] = cells[3] = cells[5] = ""
        best = min((rate for rate in rates if rate is not None), default=float("inf"))
        rows.append((kind != "fitted", kind, best, cells))
    shown = range(len(header)) if details else (0, 1, 2, 4, 5)
    lines = [[cells[column] for column in shown] for *_, cells in sorted(rows, key=lambda row: row[:3])]
    right = [False] + [True] * (len(shown) - 1)
    return markdown(TextTable([header[column] for column in shown], lines, right)).rstrip()


def _with_unit(value: float | None, digits: int, unit: str) -> str:
    """A number with its unit, percents with their sign; a dash for None."""
    return NONE if value is None else f"{number(value, digits, sign=unit == '%')} {unit}"


def recipes() -> str:
    """A row per network and rate point: PSNR-RGB and rate under both recipes, encode time of the second."""
    old, new = Results.of("demo-v1"), Results.of("demo-v2")
    rows = []
    for series, group in {**new.points, **old.points}.items():
        if group["kind"].iloc[0] != "fitted":
            continue
        cells: dict[str, list[str]] = {}
        for column, one in enumerate((old, new)):
            for row in one.points.get(series, group[:0]).to_dict("records"):
                cell = cells.setdefault(row["point"], [NONE, NONE, NONE])
                cell[column] = f"{row[METRIC]:.2f} dB at {row['rate_bpp']:.4f}"
                cell[2] = number(row["encode_cpu_s"], 0) if column else NONE
        labels = [label_of(group), *[""] * len(cells)]
        rows += [[label, point, *cells[point]] for label, point in zip(labels, sorted(cells), strict=False)]
    header = ["network", "point", "`matched`", "`matched-v2`", "its encode, s of CPU"]
    return markdown(TextTable(header, rows, [False] * 4 + [True])).rstrip()


def points(condition: str) -> str:
    """A table for each network and learned codec, with a row per rate point."""
    header = ["point", *(name for name, _ in POINT_COLUMNS.values())]
    rows = tracked_rows(condition)
    tables = []
    for _, group in rows[rows["kind"].isin(["fitted", "learned"])].groupby("series", sort=False):
        cells = [
            [row["point"], *(number(row[name], digits) for name, (_, digits) in POINT_COLUMNS.items())]
            for row in group.sort_values("rate_bpp").to_dict("records")
        ]
        table = markdown(TextTable(header, cells, [False] + [True] * len(POINT_COLUMNS)))
        tables.append(f"**{label_of(group)}**\n\n{table}")
    return "\n".join(tables).rstrip()


def whole_anchor(clip: str) -> Curve:
    """x264 medium on a clip up to the quality of all fits; in `demo-v2` its curves end below that."""
    rows = load_points(ROOT / "results" / "reference" / "anchor-v1" / "rd_points.csv")
    by_series = {curve.series: curve for curve in curves(rows_of_clip(rows, clip), METRIC)}
    return by_series[ANCHOR]


def whole_curves() -> str:
    """BD-rate of each network's long fits against x264 medium over all their rates, under both recipes."""
    old, new, anchor = Results.of("demo-v1"), Results.of("demo-v2"), whole_anchor(BUNNY)
    rows = sorted(
        (new.bd_rate(series, anchor), old.bd_rate(series, anchor), group["label"].iloc[0])
        for series, group in new.points.items()
        if group["reference"].iloc[0]
    )
    lines = [[label, *(_with_unit(rate, 1, "%") for rate in rates)] for *rates, label in rows]
    header = ["network", "BD-rate, all rates", "with `matched`"]
    return markdown(TextTable(header, lines, [False, True, True])).rstrip()


def second_clip() -> str:
    """A row for each point of the reference fits on the city: its rate against x264 medium, on both clips.

    A point with several seeds has their means and the range of PSNR.
    """
    sides = [(Results.of("demo-v2", clip), whole_anchor(clip)) for clip in (CITY, BUNNY)]
    city, city_anchor = sides[0]
    lines = []
    for curve in city.curves.values():
        if curve.kind != "fitted":
            continue
        for index, (point, rate) in enumerate(zip(curve.points, curve.rate_bpp, strict=True)):
            low, high = (f"{bound[index]:.2f}" for bound in (curve.quality_low, curve.quality_high))
            cells = [
                _with_unit(curve.quality[index], 2, "dB") + (f" ({low} to {high})" if low != high else ""),
                _with_unit(_if_comparable(quality_at, city_anchor, rate), 2, "dB"),
                *(_with_unit(side.excess(curve.series, point, anchor), 1, "%") for side, anchor in sides),
            ]
            lines.append([curve.label, point, number(rate, 4), *cells])
    header = ["network", "point", "bpp", "PSNR-RGB", "x264 medium", "rate against it", "on Big Buck Bunny"]
    return markdown(TextTable(header, sorted(lines), [False] * 2 + [True] * 5)).rstrip()


def _if_comparable(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)`; None where the curves do not support it."""
    try:
        return function(*arguments)
    except NotComparable:
        return None


def learning_rates() -> str:
    """PSNR-RGB of the tracked grid of learning rates: a row for each rate, a column for each network."""
    folder = ROOT / "results" / "reference" / "learning-rates-v1"
    rows = rows_of(map(Record.read, sorted(folder.glob("*/*/*/*/record.json"))))
    rows["label"] = rows["label"].str.removesuffix(" v2")
    grid = rows.pivot(index="point", columns="label", values=METRIC)
    lines = [
        [point.removeprefix("lr"), *(number(value, 2) for value in qualities)]
        for point, *qualities in grid.itertuples()
    ]
    header = ["learning rate", *grid.columns]
    return markdown(TextTable(header, lines, [False] + [True] * len(grid.columns))).rstrip()
