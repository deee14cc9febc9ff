"""The fitted series of a clip, each at its point nearest to a rate, with the label that figures give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from bench.analysis.curves import epochs_of, nearest_points, series_label
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
        epochs = epochs_of(row.to_frame().T)
        label = series_label(row["label"], kind=row["kind"], reference=row["reference"], epochs=epochs)
        yield Fit(row, label, RunKey.of(row).file("stream.bin"))
