"""Published curves (`baselines/reported`) and a user's own, chosen to stand beside measured ones.

Nothing of them was measured by this suite: they are drawn and tabulated beside measured points and never
mixed with these. `bench.analysis.curve_file` says how a file of curves is written.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.curve_file import ANY, MEAN, REPORTED, load_curves, read_rows
from bench.analysis.curves import Curve, curves
from bench.base.errors import BenchError
from bench.base.names import unknown_name
from bench.base.paths import REPORTED_DIR, reported_files

SOURCES, BD_RATES = "sources.csv", "bd_rates.csv"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One row of sources.csv: where numbers are from, and what moves them. Empty text: not stated."""

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
        """«uvg; 1920x1080; PNG by ffmpeg»: which frames were scored."""
        return "; ".join(filter(None, [self.dataset, self.size, self.colour]))

    @property
    def summary(self) -> str:
        """All that a reader must know before comparing."""
        frames, rate = (
            f"{name}: {text}" * bool(text) for name, text in (("frames", self.frames), ("rate", self.rate))
        )
        said = [
            self.frames_scored,
            frames,
            self.averaging,
            rate,
            "read off a figure" * self.from_figure,
            self.note,
        ]
        return f"{self.title}: {'; '.join(filter(None, said))}"


@dataclass(frozen=True, kw_only=True)
class Selector:
    """Which published points a condition is compared with.

    Attributes:
        source: an id of sources.csv, or the path of a CSV of one's own.
        label: the method there; None takes all of the source.
        codec: the condition's codec id that it is the counterpart of; None: drawn, not tabulated.
    """

    source: str
    label: str | None = None
    codec: str | None = None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A curve that is drawn beside measured ones: its name in the key, and what a note says of it."""

    curve: Curve
    text: str
    note: str


def load_sources(folder: Path = REPORTED_DIR) -> dict[str, Source]:
    """The rows of sources.csv by id.

    Raises:
        BenchError: no such file, other columns, an id twice, or `from_figure` neither yes nor no.
    """
    path = folder / SOURCES
    header, rows = read_rows(path)
    columns = [f.name for f in fields(Source)]
    if header != columns:
        raise BenchError(f"{path}:1", "has other columns than expected", f"use {','.join(columns)}")
    found: dict[str, Source] = {}
    for line, row in rows:
        if not row["id"] or row["id"] in found:
            problem = f"column id: {row['id']!r} is empty or there twice"
            raise BenchError(f"{path}:{line}", problem, "give each source its own")
        if row["from_figure"] not in ("yes", "no"):
            problem = f"column from_figure: {row['from_figure']!r} is no answer"
            raise BenchError(f"{path}:{line}", problem, "write yes or no")
        texts = {name: text for name, text in row.items() if name != "from_figure"}
        found[row["id"]] = Source(**texts, from_figure=row["from_figure"] == "yes")
    return found


@functools.cache
def load_reported(folder: Path = REPORTED_DIR) -> pd.DataFrame:
    """All published points: the columns of `load_curves`, NaN where a file has no such metric.

    Raises:
        BenchError: as `load_curves`, and for a source that sources.csv does not have.
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
    """The rows that selectors name, `codec` filled in.

    Raises:
        BenchError: a source or label that is not there (close matches are named), or a wrong file.
    """
    found = [_selected(selector) for selector in selectors]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["series"])


def _selected(selector: Selector) -> pd.DataFrame:
    where = f"published: {selector.source}"
    if selector.source.endswith(".csv"):
        rows = load_curves(selector.source)
    else:
        everything = load_reported()
        rows = everything[everything["source"] == selector.source]
        if rows.empty:
            raise unknown_name("source", selector.source, everything["source"].unique(), where=where)
    if selector.label is not None:
        labels = rows["label"].unique()
        rows = rows[rows["label"] == selector.label]
        if rows.empty:
            raise unknown_name("label", selector.label, labels, where=where)
    return rows.dropna(axis="columns", how="all").assign(codec=selector.codec or "")


def at_clips(rows: pd.DataFrame, clips: Mapping[str, str], *, clip: str | None = None) -> pd.DataFrame:
    """The rows that stand beside measured clips, under the measured clips' names.

    Of each series: its rows of just these clips where it has them all, so that both means are over the
    same clips; else its rows that go with any clip; else, beside a mean, its own mean over a data set
    (clip «mean»).

    Args:
        clips: measured clip -> its sequence's name; clip: one of them; None: the mean over all.
    """
    wanted = clips if clip is None else {clip: clips[clip]}
    found = [rows.iloc[:0]]
    for _, group in rows.groupby("series", sort=False):
        parts = [group[group["clip"].isin(pair)].assign(clip=pair[0]) for pair in wanted.items()]
        if any(part.empty for part in parts):
            rest = group[group["clip"] == ANY]
            parts = [group[group["clip"] == MEAN]] if rest.empty and clip is None else [rest]
        found += [part for part in parts if len(part)]
    return pd.concat(found) if len(found) > 1 else found[0]


def reported_curves(
    rows: pd.DataFrame, metric: str, *, clips: Mapping[str, str], clip: str | None = None
) -> list[Curve]:
    """One curve a series that has points of `metric` and rates beside these clips (see `at_clips`)."""
    if not {metric, "rate_bpp"} <= set(rows):
        return []
    at = at_clips(rows[rows["rate_bpp"].notna()], clips, clip=clip)
    # A series that two codecs are compared with is drawn once.
    at = at.drop_duplicates(["series", "clip", "point"])
    said = np.where(at["kind"] == REPORTED, at["label"] + " (reported)", at["label"])
    at = at.assign(label=said, epochs=at.get("epochs", np.nan))
    return [curve for curve in curves(at, metric) if len(curve.points)]


def beside(rows: pd.DataFrame, metric: str, *, clips: Mapping[str, str], clip: str | None) -> list[Beside]:
    """The curves of `reported_curves` with what a figure says of each."""
    sources, first = load_sources(), rows.drop_duplicates("series").set_index("series")
    found = []
    for curve in reported_curves(rows, metric, clips=clips, clip=clip):
        source, text = first.loc[curve.series, "source"], curve.label
        note = f"{curve.label}: {source}" * bool(source)
        if curve.kind == REPORTED:
            cite = sources[source].cite
            mean = "mean of " * (curve.clips == (MEAN,))
            text, note = f"{text}, {cite}", f"{cite}: {mean}{sources[source].frames_scored}"
        found.append(Beside(curve=curve, text=text, note=note))
    return found
