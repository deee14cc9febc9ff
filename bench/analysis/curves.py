"""Rate-distortion curves from rd_points.csv: rows in, one curve a series and metric out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.base.errors import BenchError
from bench.scoring.metrics import METRICS, Metric, describe

#: A control says whether the harness works; it is no curve to compare with.
CONTROL = "control"
REQUIRED_COLUMNS = ("condition", "clip", "codec", "label", "kind", "point", "run", "seed", "rate_bpp")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One series of one metric, sorted by rate.

    Attributes:
        points: names of the rate points, shape (n,) like the arrays.
        rate_bpp, quality: means over clips of the means over seeds.
        quality_low, quality_high: the mean over clips of the lowest and the highest seed.
        clips: the clips over which every point is a mean.
        seeds: the largest number of seeds at one point.
    """

    series: str
    codec: str
    label: str
    kind: str
    reference: bool
    epochs: int | None
    metric: Metric
    points: tuple[str, ...]
    rate_bpp: np.ndarray
    quality: np.ndarray
    quality_low: np.ndarray
    quality_high: np.ndarray
    clips: tuple[str, ...]
    seeds: int

    @property
    def full_label(self) -> str:
        return series_label(self.label, kind=self.kind, reference=self.reference, epochs=self.epochs)


def series_label(label: str, *, kind: str, reference: bool, epochs: int | None) -> str:
    """«FFNeRV, reference fit, 150 epochs»; the label alone for what is not fitted."""
    if kind != "fitted":
        return label
    length = "" if epochs is None else f", {epochs} epochs" if epochs != 1 else ", 1 epoch"
    return f"{label}, reference fit{length}" if reference else f"{label}{length}"


def load_points(points_csv: Path | str) -> pd.DataFrame:
    """The rows of one condition, with `series` and `ms_ssim_*_db` filled in.

    Raises:
        BenchError: no such file, no rows, a column missing, or more than one condition.
    """
    path = Path(points_csv)
    try:
        rows = pd.read_csv(path)
    except FileNotFoundError:
        raise BenchError(path, "no such file", "collect the records first") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise BenchError(path, "not a table of points", "collect the records again") from None
    missing = [column for column in REQUIRED_COLUMNS if column not in rows]
    if missing:
        raise BenchError(path, f"no column {', '.join(missing)}", "collect the records again")
    if rows.empty:
        raise BenchError(path, "no points yet", "measure at least one point first")
    conditions = sorted(rows["condition"].astype(str).unique())
    if len(conditions) > 1:
        raise BenchError(
            path, f"points of {len(conditions)} conditions ({', '.join(conditions)})", "give one"
        )
    return _complete(rows)


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    text = ["condition", "clip", "codec", "label", "kind", "point", "run"]
    rows[text] = rows[text].astype(str)
    if "reference" not in rows:
        rows["reference"] = rows["run"].str.startswith("reference")
    rows["reference"] = rows["reference"].astype(str).str.lower().isin(["true", "1", "1.0"])
    if "epochs" not in rows:
        rows["epochs"] = np.nan
    rows["series"] = np.where(rows["reference"], rows["codec"] + " (reference)", rows["codec"])
    return with_decibels(rows)


def with_decibels(table: pd.DataFrame) -> pd.DataFrame:
    """Add -10 log10(1 - value) dB of each metric that has decibels, where that column is missing."""
    for name, metric in METRICS.items():
        if metric.has_decibels and name in table and f"{name}_db" not in table:
            # A value of 1 has no decibels and is left empty.
            rest = (1 - pd.to_numeric(table[name], errors="coerce")).where(lambda x: x > 0)
            table = table.assign(**{f"{name}_db": -10 * np.log10(rest)})
    return table


def with_footnotes(note: str, shown: pd.DataFrame, footnotes: Mapping[str, str]) -> str:
    """A figure's note, and what has to be said of the codecs of its rows: «label: footnote»."""
    labels = dict(zip(shown["codec"], shown["label"], strict=True))
    own = (f"{labels[codec]}: {text}" for codec, text in footnotes.items() if codec in labels)
    return " ".join(filter(None, [note, *own]))


def condition_title(rows: pd.DataFrame, clip: str | None = None) -> str:
    """«demo-v1: bunny-320x180, 132 frames», or the number of clips where several are averaged."""
    condition = rows["condition"].iloc[0]
    clips = sorted(rows["clip"].unique()) if clip is None else [clip]
    if len(clips) > 1:
        return f"{condition}: mean of {len(clips)} clips"
    frames = set(rows.loc[rows["clip"] == clips[0], "frames"].dropna()) if "frames" in rows else set()
    return f"{condition}: {clips[0]}" + (f", {int(frames.pop())} frames" if len(frames) == 1 else "")


def curves(rows: pd.DataFrame, metric: str, *, clip: str | None = None) -> list[Curve]:
    """All series that have a value of `metric`, in the order of the rows; of one clip or of all.

    A point is kept where every clip of its series has it, so that all points of a curve average
    the same clips.

    Raises:
        BenchError: no such column, or no such clip.
    """
    if metric not in rows:
        raise BenchError("rd_points.csv", f"no column {metric}", "choose one of its quality columns")
    if clip is not None:
        if clip not in set(rows["clip"]):
            known = ", ".join(sorted(rows["clip"].unique()))
            raise BenchError("rd_points.csv", f"no clip {clip}", f"choose one of {known}")
        rows = rows[rows["clip"] == clip]
    valued = rows[pd.to_numeric(rows[metric], errors="coerce").notna()]
    return [_curve(group, metric) for _, group in valued.groupby("series", sort=False)]


def _curve(group: pd.DataFrame, metric: str) -> Curve:
    first = group.iloc[0]
    by_clip = group.groupby(["point", "clip"])
    means = pd.DataFrame(
        {
            "rate": by_clip["rate_bpp"].mean(),
            "quality": by_clip[metric].mean(),
            "low": by_clip[metric].min(),
            "high": by_clip[metric].max(),
        }
    )
    clips = tuple(sorted(group["clip"].unique()))
    clips_of_point = means.groupby("point").size()
    everywhere = clips_of_point[clips_of_point == len(clips)].index
    points = means.groupby("point").mean().loc[everywhere].sort_values(["rate", "quality"])
    return Curve(
        series=first["series"],
        codec=first["codec"],
        label=first["label"],
        kind=first["kind"],
        reference=bool(first["reference"]),
        epochs=epochs_of(group),
        metric=describe(metric),
        points=tuple(points.index),
        rate_bpp=points["rate"].to_numpy(float),
        quality=points["quality"].to_numpy(float),
        quality_low=points["low"].to_numpy(float),
        quality_high=points["high"].to_numpy(float),
        clips=clips,
        seeds=int(by_clip.size().max()),
    )


def epochs_of(group: pd.DataFrame) -> int | None:
    """The epochs that all rows of a series were fitted for; None where they differ or are unknown."""
    epochs = set(group["epochs"].dropna().astype(int))
    return epochs.pop() if len(epochs) == 1 else None


def nearest_points(rows: pd.DataFrame, *, clip: str, rate_bpp: float) -> pd.DataFrame:
    """One row a series: its point of `clip` whose rate is nearest (by ratio) to `rate_bpp`.

    The lowest seed of that point stands for it. Controls are left out, and series come in the
    order of the rows.
    """
    chosen = rows[(rows["clip"] == clip) & (rows["kind"] != CONTROL) & (rows["rate_bpp"] > 0)]
    chosen = chosen.assign(distance=np.abs(np.log(chosen["rate_bpp"] / rate_bpp)))
    order = chosen["series"].drop_duplicates()
    # The point is chosen by its mean over seeds, so that another seed cannot change the point.
    per_point = chosen.groupby(["series", "point"])["distance"].transform("mean")
    chosen = chosen.assign(distance=per_point).sort_values(["distance", "point", "seed"], kind="stable")
    return chosen.drop_duplicates("series").set_index("series", drop=False).loc[order]
