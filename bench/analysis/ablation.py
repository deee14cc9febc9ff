"""Ablation: variants of one codec at about equal rate, each compared with the codec's first variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.analysis.rd_points import check_metric, load_points
from bench.base.errors import BenchError


@dataclass(frozen=True, kw_only=True)
class Quality:
    """One metric of a variant.

    Attributes:
        mean, low, high: over seeds, of the means over clips.
        difference: mean minus the mean of the codec's first variant.
    """

    mean: float
    low: float
    high: float
    difference: float


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One variant; rate and number of parameters are means over clips and seeds.

    Attributes:
        name: of the rate point. label: of the codec.
        qualities: metric name -> quality.
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
    """The variants that have points, in the order of `variants`.

    Args:
        variants: codec id -> names of its points; the first one is the baseline of the others.

    Raises:
        BenchError: no points, no column of a metric, or no points of a codec's first variant.
    """
    rows = load_points(points_csv)
    for metric in metrics:
        check_metric(rows, metric)
    measured: list[Variant] = []
    for codec, names in variants.items():
        groups = {name: rows[(rows["codec"] == codec) & (rows["point"] == name)] for name in names}
        if groups[names[0]].empty:
            raise BenchError(points_csv, f"no points of {codec} {names[0]}", "measure the baseline")
        baseline = {metric: float(_of_seeds(groups[names[0]], metric).mean()) for metric in metrics}
        measured += [_variant(name, group, baseline) for name, group in groups.items() if not group.empty]
    return measured


def _variant(name: str, rows: pd.DataFrame, baseline: Mapping[str, float]) -> Variant:
    qualities = {}
    for metric, reference in baseline.items():
        values = _of_seeds(rows, metric)
        mean, low, high = float(values.mean()), float(values.min()), float(values.max())
        qualities[metric] = Quality(mean=mean, low=low, high=high, difference=mean - reference)
    return Variant(
        name=name,
        label=str(rows["label"].iloc[0]),
        seeds=rows["run"].nunique(),
        rate_bpp=float(rows["rate_bpp"].mean()),
        parameters=float(rows["parameters"].mean()),
        qualities=qualities,
    )


def _of_seeds(rows: pd.DataFrame, metric: str) -> pd.Series:
    """The mean over clips of each seed."""
    return rows.groupby("run")[metric].mean()


def variant_labels(variants: Sequence[Variant]) -> list[str]:
    """Labels for rows of tables and figures. With several codecs they begin with the codec's label."""
    several = len({variant.label for variant in variants}) > 1
    return [f"{variant.label}, {variant.name}" if several else variant.name for variant in variants]
