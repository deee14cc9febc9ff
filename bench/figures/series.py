"""The series of a condition as all its figures show them: one look and one name each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from bench.analysis.curve_file import OWN, REPORTED
from bench.analysis.curves import CONTROL, condition_title, epochs_of
from bench.analysis.published import Beside
from bench.base.errors import BenchError
from bench.figures.page import KeyEntry, KeyGroup
from bench.figures.style import Style, codec_styles, own_styles, reported_styles, series_style

#: Above this ratio of rates a figure «at about equal rate» says by how much they differ.
EQUAL_RATE = 1.15
HEADINGS = {
    "reference": "Reference fit",
    "short": "Short fit",
    "fitted": "Fitted network",
    "learned": "Learned codec",
    "classical": "Classical codec",
    CONTROL: "Control",
    REPORTED: "Reported, not measured here",
    OWN: "Given, not measured here",
}
FITS = ("reference", "short", "fitted")


@dataclass(frozen=True)
class Look:
    """One series: its style, name and the group of the key it belongs to."""

    series: str
    label: str
    style: Style
    group: str
    epochs: int | None


def looks(rows: pd.DataFrame) -> dict[str, Look]:
    """The look of each series, which depends on the condition's codecs alone: not on the figure."""
    styles = codec_styles(rows["codec"])
    has_references = bool(rows["reference"].any())
    found = {}
    for series, group in rows.groupby("series", sort=False):
        first = group.iloc[0]
        kind, reference = first["kind"], bool(first["reference"])
        found[series] = Look(
            series=series,
            label=first["label"],
            style=series_style(
                styles[first["codec"]], kind=kind, reference=reference, has_references=has_references
            ),
            group=_group(kind, reference=reference, has_references=has_references),
            epochs=epochs_of(group),
        )
    return found


def looks_beside(found: Sequence[Beside], rows: pd.DataFrame) -> dict[str, Look]:
    """The looks of curves that were not measured here; those of the condition's series stay as they are."""
    reported = [one for one in found if one.curve.kind == REPORTED]
    own = [one for one in found if one.curve.kind == OWN]
    names = [(one.curve.label, one.curve.codec) for one in reported]
    styles = [
        *reported_styles(names, rows["codec"]),
        *own_styles([one.curve.label for one in own], rows["codec"]),
    ]
    return {
        one.curve.series: Look(
            series=one.curve.series, label=one.text, style=style, group=one.curve.kind, epochs=None
        )
        for one, style in zip([*reported, *own], styles, strict=True)
    }


def in_groups(shown: Sequence[Look]) -> list[Look]:
    """Series by group in the groups' fixed order; within a group in the order given."""
    names = [*HEADINGS, *dict.fromkeys(look.group for look in shown)]
    return sorted(shown, key=lambda look: names.index(look.group))


def key_groups(shown: Sequence[Look], texts: Mapping[str, str] | None = None) -> list[KeyGroup]:
    """The key's groups, their entries in the order given.

    Args:
        texts: what stands in the key for a series, in place of its label.
    """
    names = {look.series: (texts or {}).get(look.series, look.label) for look in shown}
    groups = []
    for name, found in groupby(in_groups(shown), key=lambda look: look.group):
        members = list(found)
        heading, own = _heading(name, {look.epochs for look in members})
        entries = (KeyEntry(names[m.series] + (f", {m.epochs} epochs" * own), m.style) for m in members)
        groups.append(KeyGroup(heading, tuple(entries)))
    return groups


def _group(kind: str, *, reference: bool, has_references: bool) -> str:
    """A fit is a short one where the condition has longer reference fits beside it."""
    if kind != "fitted":
        return kind
    return "reference" if reference else "short" if has_references else kind


def _heading(group: str, epochs: set[int | None]) -> tuple[str, bool]:
    """A group's heading, and whether its entries must name their epochs themselves."""
    heading = HEADINGS.get(group, group.capitalize())
    if group not in FITS or None in epochs:
        return heading, False
    if len(epochs) == 1:
        return f"{heading}, {epochs.pop()} epochs", False
    return heading, True


def point_dir(points_dir: Path | str, row: Mapping) -> Path:
    """Where the files of one row's record lie: condition/clip/codec/point/run."""
    return Path(points_dir, *(str(row[name]) for name in ("condition", "clip", "codec", "point", "run")))


def need_clip(rows: pd.DataFrame, clip: str) -> pd.DataFrame:
    """The rows of one clip.

    Raises:
        BenchError: there are none.
    """
    found = rows[rows["clip"] == clip]
    if found.empty:
        known = ", ".join(sorted(rows["clip"].unique()))
        raise BenchError("rd_points.csv", f"no points of clip {clip}", f"choose one of {known}")
    return found


def remarks(wanted: pd.DataFrame, shown: pd.DataFrame) -> str:
    """A figure's note: which series lack their files, and how far the rates are from equal."""
    missing = [series for series in wanted["series"] if series not in set(shown["series"])]
    spread = shown["rate_bpp"].max() / shown["rate_bpp"].min()
    notes = []
    if spread > EQUAL_RATE:
        notes.append(f"Rates differ by up to a factor of {spread:.2f}; compare with them in mind.")
    if missing:
        notes.append(f"Not shown, as their files are missing: {', '.join(missing)}.")
    return " ".join(notes)


def nearest_title(rows: pd.DataFrame, clip: str, rate_bpp: float) -> str:
    """The title of a figure that shows each series at its point nearest to one rate."""
    return f"{condition_title(rows, clip)}, points nearest to {rate_bpp:g} bpp"
