"""Selection of published curves (`baselines/reported`) and of a user's own for comparison with measured ones.

This suite measured none of them. Figures and tables show them beside measured points and never average the
two. `bench.analysis.curve_file` describes the format of the files.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.curve_file import ANY_CLIP, DATA_SET_MEAN, REPORTED, load_curves, read_rows
from bench.analysis.curves import Curve, curves
from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.base.paths import REPORTED_DIR, reported_files

SOURCES, BD_RATES = "sources.csv", "bd_rates.csv"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One row of sources.csv: origin of published numbers and how they were measured. Empty: not stated."""

    id: str
    cite: str
    title: str
    dataset: str
    size: str
    frames: str
    colour: str
    averaging: str
    rate: str
    from_figure: bool
    note: str

    @property
    def frames_scored(self) -> str:
        """The frames that were scored: "uvg; 1920x1080; PNG by ffmpeg"."""
        return "; ".join(filter(None, [self.dataset, self.size, self.colour]))

    @property
    def summary(self) -> str:
        """All facts that a comparison depends on."""
        frames, rate = (
            f"{name}: {text}" * bool(text) for name, text in (("frames", self.frames), ("rate", self.rate))
        )
        facts = [
            self.frames_scored,
            frames,
            self.averaging,
            rate,
            "read off a figure" * self.from_figure,
            self.note,
        ]
        return f"{self.title}: {'; '.join(filter(None, facts))}"


@dataclass(frozen=True, kw_only=True)
class Selector:
    """Published points that a condition is compared with.

    Attributes:
        source: an id of sources.csv, or the path of a curve file.
        label: method of the source; None: all its methods.
        codec: codec id of the condition that it is the counterpart of; None: shown in figures only.
    """

    source: str
    label: str | None = None
    codec: str | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedCurve:
    """A curve that this suite did not measure, with its text in a legend and a note on its origin."""

    curve: Curve
    text: str
    note: str


def load_sources(folder: Path = REPORTED_DIR) -> dict[str, Source]:
    """Read sources.csv; sources by id.

    Raises:
        BenchError: no such file, wrong columns, a duplicate id, or `from_figure` other than yes or no.
    """
    path = folder / SOURCES
    header, rows = read_rows(path)
    columns = [f.name for f in fields(Source)]
    if header != columns:
        raise BenchError(f"{path}:1", "has wrong columns", f"use {','.join(columns)}")
    sources: dict[str, Source] = {}
    for line, row in rows:
        if not row["id"] or row["id"] in sources:
            problem = f"column id: {row['id']!r} is empty or duplicate"
            raise BenchError(f"{path}:{line}", problem, "give each source another id")
        if row["from_figure"] not in ("yes", "no"):
            problem = f"column from_figure: {row['from_figure']!r} is not yes or no"
            raise BenchError(f"{path}:{line}", problem, "write yes or no")
        texts = {name: text for name, text in row.items() if name != "from_figure"}
        sources[row["id"]] = Source(**texts, from_figure=row["from_figure"] == "yes")
    return sources


@functools.cache
def load_reported(folder: Path = REPORTED_DIR) -> pd.DataFrame:
    """Read all published points. Columns as in `load_curves`; NaN where a file lacks a metric.

    Raises:
        BenchError: as `load_curves`, or a source that is not in sources.csv.
    """
    sources = load_sources(folder)
    tables = []
    for path in reported_files(folder):
        if path.name not in (SOURCES, BD_RATES):
            table = load_curves(path, kind=REPORTED)
            for name in table["source"].unique():
                if name not in sources:
                    raise unknown_name("source", name, sources, where=f"{path}: column source")
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def select(selectors: Iterable[Selector]) -> pd.DataFrame:
    """The rows of all selectors, with `codec` of the selector.

    Raises:
        BenchError: an unknown source or label (with close matches), or a wrong file.
    """
    tables = [_selected(selector) for selector in selectors]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["series"])


def _selected(selector: Selector) -> pd.DataFrame:
    where = f"published: {selector.source}"
    if selector.source.endswith(".csv"):
        rows = load_curves(selector.source)
    else:
        reported = load_reported()
        rows = reported[reported["source"] == selector.source]
        if rows.empty:
            raise unknown_name("source", selector.source, reported["source"].unique(), where=where)
    if selector.label is not None:
        labels = rows["label"].unique()
        rows = rows[rows["label"] == selector.label]
        if rows.empty:
            raise unknown_name("label", selector.label, labels, where=where)
    return rows.dropna(axis="columns", how="all").assign(codec=selector.codec or "")


def at_clips(rows: pd.DataFrame, clips: Mapping[str, str], *, clip: str | None = None) -> pd.DataFrame:
    """The rows that are comparable with measured clips, under the names of the measured clips.

    For each series these are, in this order of preference:

    1. its rows of exactly these clips, if it has them all, so that both means are over the same clips;
    2. its rows that are shown with any clip;
    3. for a mean over clips: its own mean over a data set.

    Args:
        clips: measured clip -> name of its sequence. clip: one of them; None: the mean over all.
    """
    wanted = clips if clip is None else {clip: clips[clip]}
    tables = [rows.iloc[:0]]
    for _, group in rows.groupby("series", sort=False):
        parts = [group[group["clip"].isin(pair)].assign(clip=pair[0]) for pair in wanted.items()]
        if any(part.empty for part in parts):
            rest = group[group["clip"] == ANY_CLIP]
            parts = [group[group["clip"] == DATA_SET_MEAN]] if rest.empty and clip is None else [rest]
        tables += [part for part in parts if len(part)]
    return pd.concat(tables) if len(tables) > 1 else tables[0]


def reported_curves(
    rows: pd.DataFrame, metric: str, *, clips: Mapping[str, str], clip: str | None = None
) -> list[Curve]:
    """One curve for each series that has rates and values of `metric` on these clips (see `at_clips`)."""
    if not {metric, "rate_bpp"} <= set(rows):
        return []
    points = at_clips(rows[rows["rate_bpp"].notna()], clips, clip=clip)
    # A series that is the counterpart of two codecs is one curve.
    points = points.drop_duplicates(["series", "clip", "point"])
    labels = np.where(points["kind"] == REPORTED, points["label"] + " (reported)", points["label"])
    points = points.assign(label=labels, epochs=points.get("epochs", np.nan))
    return [curve for curve in curves(points, metric, every_clip=False) if len(curve.points)]


def published_curves(
    rows: pd.DataFrame, metric: str, *, clips: Mapping[str, str], clip: str | None
) -> list[PublishedCurve]:
    """The curves of `reported_curves` with their texts for a figure."""
    sources, first = load_sources(), rows.drop_duplicates("series").set_index("series")
    published = []
    for curve in reported_curves(rows, metric, clips=clips, clip=clip):
        source, text = first.loc[curve.series, "source"], curve.label
        note = f"{curve.label}: {source}" * bool(source)
        if curve.kind == REPORTED:
            cite = sources[source].cite
            mean = "mean of " * (curve.clips == (DATA_SET_MEAN,))
            text, note = f"{text}, {cite}", f"{cite}: {mean}{sources[source].frames_scored}"
        published.append(PublishedCurve(curve=curve, text=text, note=note))
    return published
