"""The table of an ablation: variants of one method at about the same rate, against the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.analysis.curves import load_points
from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.scoring.metrics import describe
from bench.tables.text_table import Text, number, write


@dataclass(frozen=True, kw_only=True)
class Quality:
    """One metric of a variant over its seeds, and how far its mean is from the first variant's."""

    mean: float
    low: float
    high: float
    difference: float


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One variant, means over clips and seeds.

    Attributes:
        name: the rate point's; label: the codec's.
        qualities: metric -> what it has.
    """

    name: str
    label: str
    seeds: int
    rate_bpp: float
    parameters: float
    qualities: Mapping[str, Quality]


def read_variants(
    points_csv: Path | str, *, variants: Mapping[str, Sequence[str]], metrics: Sequence[str]
) -> list[Variant]:
    """The variants that have points, in their order.

    Args:
        variants: codec id -> its points; each codec's first is what its others are compared with.

    Raises:
        BenchError: no points, no such column, or a codec's first variant is missing.
    """
    rows = load_points(points_csv)
    if missing := [metric for metric in metrics if metric not in rows]:
        raise BenchError(points_csv, f"no column {missing[0]}", "choose one of its quality columns")
    found: list[Variant] = []
    for codec, points in variants.items():
        groups = {point: rows[(rows["codec"] == codec) & (rows["point"] == point)] for point in points}
        if groups[points[0]].empty:
            raise BenchError(points_csv, f"no points of {codec} {points[0]}", "measure the baseline")
        means = {metric: _seed_means(groups[points[0]], metric).mean() for metric in metrics}
        found += [_variant(name, group, means) for name, group in groups.items() if not group.empty]
    return found


def write_ablation(
    points_csv: Path | str,
    *,
    variants: Mapping[str, Sequence[str]],
    metrics: Sequence[str],
    outs: Sequence[Path | str],
) -> None:
    """Write the table; arguments and errors are those of `read_variants`.

    The csv has a row a variant: seeds, rate_bpp, parameters, and for each metric its mean, the lowest and
    the highest seed, and the difference from the first variant.
    """
    found = read_variants(points_csv, variants=variants, metrics=metrics)
    for out in map(Path, outs):
        if out.suffix == ".csv":
            write_csv(out, [_csv_row(variant) for variant in found])
        else:
            write(_text(found, metrics), out)


def _seed_means(group: pd.DataFrame, metric: str) -> pd.Series:
    """The mean over clips of each seed."""
    return group.groupby("run")[metric].mean()


def _variant(name: str, group: pd.DataFrame, baseline: Mapping[str, float]) -> Variant:
    qualities = {}
    for metric, reference in baseline.items():
        values = _seed_means(group, metric)
        mean = float(values.mean())
        qualities[metric] = Quality(
            mean=mean, low=float(values.min()), high=float(values.max()), difference=mean - float(reference)
        )
    return Variant(
        name=name,
        label=str(group["label"].iloc[0]),
        seeds=group["run"].nunique(),
        rate_bpp=float(group["rate_bpp"].mean()),
        parameters=float(group["parameters"].mean()),
        qualities=qualities,
    )


def _csv_row(variant: Variant) -> dict[str, object]:
    row: dict[str, object] = {
        "variant": variant.name,
        "label": variant.label,
        "seeds": variant.seeds,
        "rate_bpp": variant.rate_bpp,
        "parameters": variant.parameters,
    }
    for metric, quality in variant.qualities.items():
        row |= {metric: quality.mean, f"{metric}_low": quality.low, f"{metric}_high": quality.high}
        row[f"{metric}_difference"] = quality.difference
    return {name: csv_value(value) for name, value in row.items()}


def row_names(found: Sequence[Variant]) -> list[str]:
    """What the rows of a table or figure are called: with several codecs the codec's name comes first."""
    several = len({variant.label for variant in found}) > 1
    return [f"{variant.label}, {variant.name}" if several else variant.name for variant in found]


def _text(found: Sequence[Variant], metrics: Sequence[str]) -> Text:
    header = ["Variant", "Seeds", "Rate (bpp)", "Parameters"]
    for metric in map(describe, metrics):
        header += [metric.axis, "lowest to highest seed", "difference"]
    rows = []
    for name, variant in zip(row_names(found), found, strict=True):
        row = [name, str(variant.seeds), number(variant.rate_bpp, 4), number(variant.parameters, 0)]
        for column, quality in variant.qualities.items():
            digits = describe(column).digits
            row += [
                number(quality.mean, digits),
                f"{number(quality.low, digits)} to {number(quality.high, digits)}",
                number(quality.difference, digits, sign=True),
            ]
        rows.append(row)
    note = "Differences are from a codec's first variant; rates are not quite equal: read them together."
    return Text(header, rows, [False] + [True] * (len(header) - 1), [note])
