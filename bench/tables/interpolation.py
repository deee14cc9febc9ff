"""Table of frame interpolation: quality of fitted frames and of held-out frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.interpolation import Interpolation, interpolations
from bench.scoring.metrics import FITTED, describe
from bench.tables.text_table import TextTable, number, write_table


def write_interpolation(
    points_csv: Path | str, *, metrics: Sequence[str], outputs: Sequence[Path | str]
) -> None:
    """Write one row for each point that was fitted to a part of the frames, means over seeds.

    The CSV has clip, series, label, point, seeds, rate_bpp, and for each metric `<metric>_fitted` and
    `<metric>_held_out`.

    Raises:
        BenchError: no points, or no point with held-out frames.
    """
    points = interpolations(points_csv, metrics=metrics)
    write_table(outputs, rows=map(_csv_row, points), text=_text(points))


def _csv_row(point: Interpolation) -> dict[str, object]:
    row = {name: value for name, value in vars(point).items() if name != "values"}
    return row | dict(point.values)


def _text(points: Sequence[Interpolation]) -> TextTable:
    columns = list(points[0].values)
    header = ["Series", "Clip", "Point", "Rate (bpp)"]
    for column in columns:
        frames = "fitted" if column.endswith(FITTED) else "held-out"
        header.append(f"{describe(column).axis}, {frames} frames")
    rows = [
        [
            *(point.label, point.clip, point.point, number(point.rate_bpp, 4)),
            *(number(point.values[column], describe(column).digits) for column in columns),
        ]
        for point in points
    ]
    note = (
        "A network whose only input is time never receives the held-out frames. HNeRV's encoder does: as in "
        "its authors' code, the embedding of a held-out frame is computed from that frame and counts as rate."
    )
    return TextTable(header, rows, [False] * 3 + [True] * (1 + len(columns)), [note])
