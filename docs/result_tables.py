"""Tables of README.md and docs/results.md: the tracked references, and the tracked table of one default run.

`demo-v1` has the recipe `matched`, `demo-v2` the recipe `matched-v2`, whose codec ids end in `-v2`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.analysis.bjontegaard import NotComparable, bd_rate
from bench.analysis.comparison import EqualRate, at_equal_rate
from bench.analysis.curves import Curve, curves
from bench.analysis.labels import label_of
from bench.analysis.rd_points import load_points, rows_of
from bench.base.paths import ROOT
from bench.scoring.record import Record
from bench.tables.text_table import NONE, TextTable, markdown, number

BUNNY = "bunny-320x180"
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


def rows_of_clip(condition: str, clip: str) -> pd.DataFrame:
    """Rows of the tracked run, and of the references that are newer than it."""
    folder = ROOT / "results" / "reference" / condition
    run = load_points(folder / "rd_points.csv")
    references = rows_of(map(Record.read, sorted(folder.glob("*/*/*/*/record.json"))))
    # The run measured references again, on a quiet machine. Those it has not seen have their records.
    run = run[~run["reference"] | run["stream_sha256"].isin(references["stream_sha256"])]
    newer = references[~references["stream_sha256"].isin(run["stream_sha256"])]
    rows = pd.concat([run, newer], ignore_index=True)
    return rows[rows["clip"] == clip]


@dataclass(frozen=True)
class Results:
    """One condition on one clip: points by rate, curves and values at `RATE_BPP`, by series.

    Series have the same name and label under both recipes.
    """

    points: dict[str, pd.DataFrame]
    curves: dict[str, Curve]
    at_rate: dict[str, EqualRate]

    @classmethod
    def of(cls, condition: str) -> Results:
        """Those on Big Buck Bunny."""
        rows = rows_of_clip(condition, BUNNY)
        names, labels = rows["series"].str.replace("-v2", ""), rows["label"].str.removesuffix(" v2")
        rows = rows.assign(series=names, label=labels)
        points = {name: group.sort_values("rate_bpp") for name, group in rows.groupby("series", sort=False)}
        by_series = {curve.series: curve for curve in curves(rows, METRIC)}
        return cls(points, by_series, at_equal_rate(rows, anchor=ANCHOR, metric=METRIC, rate_bpp=RATE_BPP))

    def bd_rate(self, series: str, anchor: Curve | None) -> float | None:
        """BD-rate in percent against a curve; None without enough points."""
        try:
            return bd_rate(anchor, self.curves[series]).value if anchor else None
        except (KeyError, NotComparable):
            return None

    def quality(self, series: str) -> float | None:
        """PSNR-RGB in dB at `RATE_BPP`; None outside the curve."""
        return self.at_rate[series].quality if series in self.at_rate else None


def comparison(*, details: bool = False) -> str:
    """A row per codec: BD-rate against x264 medium and PSNR-RGB at one rate, under both recipes.

    Args:
        details: whether learned codecs, the second recipe against the first, and x264's rate at equal quality
            are shown, too.
    """
    old, new = Results.of("demo-v1"), Results.of("demo-v2")
    rows = []
    for series in {**new.points, **old.points}:
        group = new.points.get(series, old.points.get(series))
        kind, fitted = group["kind"].iloc[0], group["kind"].iloc[0] == "fitted"
        if kind == "control" or series == ANCHOR or not (details or fitted or kind == "classical"):
            continue
        rates = [one.bd_rate(series, one.curves.get(ANCHOR)) for one in (new, old)]
        qualities = [one.quality(series) for one in (new, old)]
        best = min((rate for rate in rates if rate is not None), default=float("inf"))
        cells = [_percent(rates[0]), _percent(rates[1]) if fitted else ""]
        if details:
            cells.append(_percent(new.bd_rate(series, old.curves.get(series))) if fitted else "")
        cells += [_decibels(qualities[0]), _decibels(qualities[1]) if fitted else ""]
        if details:
            anchor_rate = new.at_rate[series].anchor_rate_bpp if series in new.at_rate else None
            cells.append(f"{number(anchor_rate, 3)} bpp" if anchor_rate else NONE)
        rows.append((not fitted, kind, best, [label_of(group), *cells]))
    header = ["codec", "BD-rate", "with `matched`", f"PSNR-RGB at {RATE_BPP} bpp", "with `matched`"]
    if details:
        header = [*header[:3], "`matched-v2` against `matched`", *header[3:], "x264 medium needs"]
    cells = [row for *_, row in sorted(rows, key=lambda row: row[:3])]
    return markdown(TextTable(header, cells, [False] + [True] * (len(header) - 1))).rstrip()


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{number(value, 1, sign=True)} %"


def _decibels(value: float | None) -> str:
    return NONE if value is None else f"{number(value, 2)} dB"


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
    rows = rows_of_clip(condition, BUNNY)
    tables = []
    for _, group in rows[rows["kind"].isin(["fitted", "learned"])].groupby("series", sort=False):
        cells = [
            [row["point"], *(number(row[name], digits) for name, (_, digits) in POINT_COLUMNS.items())]
            for row in group.sort_values("rate_bpp").to_dict("records")
        ]
        table = markdown(TextTable(header, cells, [False] + [True] * len(POINT_COLUMNS)))
        tables.append(f"**{label_of(group)}**\n\n{table}")
    return "\n".join(tables).rstrip()
