"""Table of the statistics over frames of every point: worst frame, 5th percentile, harmonic mean, flicker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.analysis.frame_statistics import FrameStatistics, of_points
from bench.analysis.labels import label_of
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.base.result_files import RESULTS
from bench.scoring.metrics import describe
from bench.tables.text_table import TextTable, number, write_table

HEADER = ("Mean", "Harmonic mean", "5th percentile", "Worst frame", "Its index", "Mean step")


def write_frame_statistics(
    points_csv: Path | str,
    *,
    metrics: Sequence[str],
    outputs: Sequence[Path | str],
    results: Path | str = RESULTS,
) -> None:
    """Write one row for each run and metric that has frames.csv.

    CSV columns: condition, clip, series, point, run, metric, and those of
    `bench.analysis.frame_statistics.FrameStatistics`.

    Raises:
        BenchError: no points, or no frames.csv with one of the metrics.
    """
    rows = load_points(points_csv)
    statistics = of_points(rows, metrics, results)
    if not statistics:
        raise BenchError(results, "has no frames.csv with one of the metrics", "measure the points again")
    names = ("condition", "clip", "series", "point", "run")
    csv_rows = [
        {**{n: row[n] for n in names}, "metric": name, **asdict(one)} for row, name, one in statistics
    ]
    labels = {series: label_of(group) for series, group in rows.groupby("series")}
    lines = [
        [
            labels[row["series"]],
            row["clip"],
            row["point"],
            row["run"],
            describe(name).label,
            *_cells(one, name),
        ]
        for row, name, one in statistics
    ]
    header = ["Series", "Clip", "Point", "Run", "Metric", *HEADER]
    note = (
        "Mean step: mean absolute difference between neighbouring frames. 5th percentile: 5 % of the frames "
        "are worse."
    )
    table = TextTable(header, lines, [False] * 5 + [True] * len(HEADER), [note])
    write_table(outputs, rows=csv_rows, text=table)


def _cells(one: FrameStatistics, metric: str) -> list[str]:
    digits = describe(metric).digits
    values = (one.mean, one.harmonic_mean, one.percentile, one.worst)
    return [
        *(number(value, digits) for value in values),
        str(one.worst_frame),
        number(one.mean_step, digits),
    ]
