"""The fitted series of a clip, each at its point nearest to a rate, with its label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from bench.analysis.labels import label_of
from bench.analysis.rd_points import nearest_points
from bench.base.result_files import RunKey


@dataclass(frozen=True)
class Fit:
    """One fitted series at one point: its row of rd_points.csv, its label, and the path of its stream."""

    row: pd.Series
    label: str
    stream: str


def nearest_fits(rows: pd.DataFrame, *, clip: str, rate_bpp: float) -> Iterator[Fit]:
    """Every fitted series of a clip at its point nearest to a rate in bits per pixel."""
    nearest = nearest_points(rows, clip=clip, rate_bpp=rate_bpp)
    for _, row in nearest[nearest["kind"] == "fitted"].iterrows():
        yield Fit(row, label_of(row.to_frame().T), RunKey.of(row).file("stream.bin"))
