"""Reader of rd_points.csv, the table with one row for each record of a condition."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from bench.base.csv_files import read_table
from bench.base.errors import BenchError
from bench.scoring.metrics import METRICS
from bench.scoring.record import Record, series_of

#: Kind of codecs that check the measurement. They are not compared with others.
CONTROL = "control"
#: Name of the clip in rows that are means over all clips.
MEAN = "mean"
#: Columns that are text even where all their values look like numbers or like missing values.
TEXT_COLUMNS = ("condition", "clip", "codec", "label", "kind", "point", "run")
REQUIRED_COLUMNS = (*TEXT_COLUMNS, "seed", "rate_bpp")


def load_points(points_csv: Path | str) -> pd.DataFrame:
    """Read the rows of one condition.

    Columns `series`, `reference`, `epochs` and `ms_ssim_*_db` are added, and `truth` where the file was
    written before records had it.

    Raises:
        BenchError: the file or a column is missing, there are no rows, or rows of several conditions.
    """
    path = Path(points_csv)
    rows = read_table(path, text=TEXT_COLUMNS, remedy="collect the records")
    if missing := [column for column in REQUIRED_COLUMNS if column not in rows]:
        raise BenchError(path, f"no column {', '.join(missing)}", "collect the records again")
    if rows.empty:
        raise BenchError(path, "no points yet", "measure at least one point first")
    rates = pd.to_numeric(rows["rate_bpp"], errors="coerce")
    if not (rates > 0).all() or not np.isfinite(rates).all():
        raise BenchError(path, "column rate_bpp must have numbers above 0", "collect the records again")
    conditions = sorted(rows["condition"].unique())
    if len(conditions) > 1:
        problem = f"has points of {len(conditions)} conditions ({', '.join(conditions)})"
        raise BenchError(path, problem, "give the table of one condition")
    if "reference" not in rows:
        rows["reference"] = rows["run"].str.startswith("reference")
    rows["reference"] = rows["reference"].astype(str).str.lower().isin(["true", "1", "1.0"])
    rows["truth"] = rows["truth"].fillna("yuv420p") if "truth" in rows else "yuv420p"
    if "epochs" not in rows:
        rows["epochs"] = np.nan
    return with_decibels(with_series(rows))


def rows_of(records: Iterable[Record]) -> pd.DataFrame:
    """Rows as `load_points` reads them, of records that may be of several conditions, in their order."""
    rows = pd.DataFrame([record.row() for record in records])
    rows["epochs"] = pd.to_numeric(rows["epochs"], errors="coerce")
    return with_decibels(with_series(rows))


def with_series(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the column `series`: the codec id, with a remark for tracked fits and for streams of bundles."""
    runs = rows["run"] if "run" in rows else [""] * len(rows)
    names = zip(rows["codec"], map(str, runs), rows["reference"], strict=True)
    return rows.assign(series=[series_of(codec, run, reference=bool(ref)) for codec, run, ref in names])


def with_decibels(table: pd.DataFrame) -> pd.DataFrame:
    """Add -10 log10(1 - value) dB of each metric that has decibels, where that column is missing."""
    for name, metric in METRICS.items():
        if metric.has_decibels and name in table and f"{name}_db" not in table:
            # A value of 1 has no decibels and is left empty.
            rest = (1 - pd.to_numeric(table[name], errors="coerce")).where(lambda x: x > 0)
            table = table.assign(**{f"{name}_db": -10 * np.log10(rest)})
    return table


def truth_by_clip(rows: pd.DataFrame) -> dict[str, str]:
    """Clip -> its truth, "yuv420p" or "rgb" (`bench.video.clip`), in the order of the rows."""
    return dict(zip(rows["clip"], rows["truth"], strict=True))


def check_metric(rows: pd.DataFrame, metric: str) -> None:
    """Raise a BenchError where rows have no column of a metric."""
    if metric not in rows:
        raise BenchError("rd_points.csv", f"no column {metric}", "choose one of its metrics")


def rows_of_clip(rows: pd.DataFrame, clip: str) -> pd.DataFrame:
    """The rows of one clip.

    Raises:
        BenchError: there are none.
    """
    selected = rows[rows["clip"] == clip]
    if selected.empty:
        known = ", ".join(sorted(rows["clip"].unique()))
        raise BenchError("rd_points.csv", f"no points of clip {clip}", f"choose one of {known}")
    return selected


def comparable_rows(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """For each set of clips that a series has: the rows of all series that have these clips, on these clips.

    The set that most series have comes first; of several such sets, the one with most clips. Controls stay
    in, whichever clips they have.
    """
    control = rows["kind"] == CONTROL
    if control.all():
        return [rows]
    clips_of = rows[~control].groupby("series")["clip"].agg(frozenset)
    covering = {clips: [name for name, own in clips_of.items() if clips <= own] for clips in set(clips_of)}
    order = sorted(covering, key=lambda clips: (-len(covering[clips]), -len(clips), sorted(clips)))
    return [
        rows[rows["clip"].isin(clips) & (control | rows["series"].isin(covering[clips]))] for clips in order
    ]


def rows_of_most_series(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of all series on the clips that most series have, of several such sets the largest."""
    return rows[rows["clip"].isin(comparable_rows(rows)[0]["clip"])]


def nearest_points(rows: pd.DataFrame, *, clip: str, rate_bpp: float) -> pd.DataFrame:
    """One row for each series: its point of `clip` whose rate is nearest to `rate_bpp` by ratio.

    A point with several seeds is represented by its lowest one. Controls are left out. Series keep the order
    of the rows.
    """
    chosen = rows[(rows["clip"] == clip) & (rows["kind"] != CONTROL) & (rows["rate_bpp"] > 0)]
    chosen = chosen.assign(distance=np.abs(np.log(chosen["rate_bpp"] / rate_bpp)))
    order = chosen["series"].drop_duplicates()
    # The mean over seeds decides, so that another seed cannot change the point.
    of_points = chosen.groupby(["series", "point"])["distance"].transform("mean")
    chosen = chosen.assign(distance=of_points).sort_values(["distance", "point", "seed"], kind="stable")
    return chosen.drop_duplicates("series").set_index("series", drop=False).loc[order]
