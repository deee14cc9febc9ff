"""The series of a condition as all its figures show them: style, label and legend group of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import pandas as pd

from bench.analysis.curve_file import REPORTED, USER
from bench.analysis.labels import epochs_of
from bench.analysis.published import PublishedCurve
from bench.analysis.rd_points import CONTROL
from bench.base.result_files import BUNDLE
from bench.figures.page import LegendEntry, LegendGroup
from bench.figures.style import DOTTED, Style, codec_styles, reported_styles, series_style, user_styles

#: Above this ratio of rates, the note of a figure at about equal rate states the ratio.
EQUAL_RATE = 1.15
HEADINGS = {
    "reference": "Reference fit",
    "short": "Short fit",
    "fitted": "Fitted network",
    "learned": "Learned codec",
    "classical": "Classical codec",
    "bundle": "Streams of others, checked here",
    CONTROL: "Control",
    REPORTED: "Reported, not measured here",
    USER: "User's curve, not measured here",
}
FITS = ("reference", "short", "fitted", "bundle")


@dataclass(frozen=True)
class DrawnSeries:
    """One series: its style, label and legend group."""

    series: str
    label: str
    style: Style
    group: str
    epochs: int | None


def drawn_series(rows: pd.DataFrame) -> dict[str, DrawnSeries]:
    """All series of a condition by name. Styles depend on the condition's codecs only, not on the figure."""
    styles = codec_styles(rows["codec"])
    has_references = bool(rows["reference"].any())
    drawn = {}
    for series, group in rows.groupby("series", sort=False):
        first = group.iloc[0]
        kind, reference = first["kind"], bool(first["reference"])
        legend_group = kind
        bundle = str(first["run"]).startswith(BUNDLE)
        if bundle:
            legend_group = "bundle"
        elif kind == "fitted" and has_references:
            legend_group = "reference" if reference else "short"
        style = series_style(
            styles[first["codec"]], kind=kind, reference=reference, has_references=has_references
        )
        drawn[series] = DrawnSeries(
            series=series,
            label=first["label"],
            style=replace(style, line=DOTTED) if bundle else style,
            group=legend_group,
            epochs=epochs_of(group),
        )
    return drawn


def published_series(published: Sequence[PublishedCurve], rows: pd.DataFrame) -> dict[str, DrawnSeries]:
    """Published and user's curves by series. They do not change the styles of measured series."""
    reported = [one for one in published if one.curve.kind == REPORTED]
    users = [one for one in published if one.curve.kind == USER]
    names = [(one.curve.label, one.curve.codec) for one in reported]
    styles = [
        *reported_styles(names, rows["codec"]),
        *user_styles([one.curve.label for one in users], rows["codec"]),
    ]
    return {
        one.curve.series: DrawnSeries(
            series=one.curve.series, label=one.text, style=style, group=one.curve.kind, epochs=None
        )
        for one, style in zip([*reported, *users], styles, strict=True)
    }


def sort_by_group(series: Sequence[DrawnSeries]) -> list[DrawnSeries]:
    """Series in the order of `HEADINGS`; within a group in the given order."""
    names = [*HEADINGS, *dict.fromkeys(one.group for one in series)]
    return sorted(series, key=lambda one: names.index(one.group))


def legend_groups(series: Sequence[DrawnSeries], texts: Mapping[str, str] | None = None) -> list[LegendGroup]:
    """Groups of the legend, their entries in the given order.

    A heading includes the number of epochs where it is the same for the group; else each entry does.

    Args:
        texts: series -> text in the legend; default: its label.
    """
    texts = {one.series: one.label for one in series} | dict(texts or {})
    groups = []
    for name, group in groupby(sort_by_group(series), key=lambda one: one.group):
        members = list(group)
        heading, epochs = HEADINGS.get(name, name.capitalize()), {one.epochs for one in members}
        suffixes = [""] * len(members)
        if name in FITS and None not in epochs:
            if len(epochs) == 1:
                heading += f", {epochs.pop()} epochs"
            else:
                suffixes = [f", {one.epochs} epochs" for one in members]
        entries = (
            LegendEntry(texts[one.series] + suffix, one.style)
            for one, suffix in zip(members, suffixes, strict=True)
        )
        groups.append(LegendGroup(heading, tuple(entries)))
    return groups


def equal_rate_note(wanted: pd.DataFrame, shown: pd.DataFrame) -> str:
    """Note of a figure at about equal rate: the ratio of the rates, and series whose files are missing."""
    missing = [series for series in wanted["series"] if series not in set(shown["series"])]
    ratio = shown["rate_bpp"].max() / shown["rate_bpp"].min()
    notes = []
    if ratio > EQUAL_RATE:
        notes.append(f"Rates differ by up to a factor of {ratio:.2f}, which a comparison must consider.")
    if missing:
        notes.append(f"Not shown, because files are missing: {', '.join(missing)}.")
    return " ".join(notes)
