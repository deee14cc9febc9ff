"""Labels of series, titles and footnotes, as all tables and figures of a condition print them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bench.analysis.rd_points import truth_by_clip
from bench.base.result_files import BUNDLE
from bench.scoring.metrics import ROUND_TRIP_RGB, describe


def series_label(label: str, *, kind: str, reference: bool, epochs: int | None) -> str:
    """Label with kind and length of a fit: "FFNeRV, reference fit, 150 epochs". Others: the codec's label."""
    if kind != "fitted":
        return label
    length = "" if epochs is None else f", {epochs} epochs" if epochs != 1 else ", 1 epoch"
    return f"{label}, reference fit{length}" if reference else f"{label}{length}"


def label_of(rows: pd.DataFrame) -> str:
    """`series_label` of the rows of one series."""
    first = rows.iloc[0]
    return series_label(
        first["label"], kind=first["kind"], reference=first["reference"], epochs=epochs_of(rows)
    )


def epochs_of(rows: pd.DataFrame) -> int | None:
    """Number of epochs that all rows of a series were fitted for; None where it differs or is unknown."""
    epochs = set(rows["epochs"].dropna().astype(int))
    return epochs.pop() if len(epochs) == 1 else None


def codec_label(rows: pd.DataFrame, codec: str) -> str:
    """Label of a codec; its id where the rows do not have it."""
    return _codec_labels(rows).get(codec, codec)


def clips_title(rows: pd.DataFrame) -> str:
    """Name of the only clip, or "mean of 3 clips"."""
    clips = rows["clip"].unique()
    return str(clips[0]) if len(clips) == 1 else f"mean of {len(clips)} clips"


def condition_title(rows: pd.DataFrame, clip: str | None = None) -> str:
    """Title "demo-v1: bunny-320x180, 132 frames", or with the number of clips for a mean over several.

    Clips whose truth is RGB are named or counted: "demo-v1: mean of 3 clips (1 with RGB as truth)".
    """
    condition = rows["condition"].iloc[0]
    clips = sorted(rows["clip"].unique()) if clip is None else [clip]
    rgb = [name for name, truth in truth_by_clip(rows).items() if truth == "rgb" and name in clips]
    if len(clips) > 1:
        counted = f" ({len(rgb)} with RGB as truth)" if rgb else ""
        return f"{condition}: {clips_title(rows)}{counted}"
    frames = set(rows.loc[rows["clip"] == clips[0], "frames"].dropna()) if "frames" in rows else set()
    length = f", {int(frames.pop())} frames" if len(frames) == 1 else ""
    return f"{condition}: {clips[0]}{length}{', RGB as truth' if rgb else ''}"


def truth_note(rows: pd.DataFrame) -> str:
    """Sentences on the clips whose truth is RGB, with the ceiling of 4:2:0; empty where there are none."""
    metric, sentences = describe(ROUND_TRIP_RGB), []
    for clip, truth in truth_by_clip(rows).items():
        if truth != "rgb":
            continue
        sentences.append(f"The truth of {clip} is its RGB frames.")
        ceilings = rows.loc[rows["clip"] == clip].reindex(columns=[ROUND_TRIP_RGB]).dropna()
        if len(ceilings):
            ceiling = metric.text(ceilings[ROUND_TRIP_RGB].iloc[0])
            sentences.append(f"Codecs of 4:2:0 reach at most {ceiling} of {metric.label} on it.")
    return " ".join(sentences)


def origin_notes(rows: pd.DataFrame) -> list[str]:
    """Notes on bundles, and on points that were encoded or measured with several versions of ffmpeg."""
    bundles = rows["run"].astype(str).str.startswith(BUNDLE)
    encoded = rows[(rows["kind"] == "classical") & (rows["reference"].astype(str) != "True")]
    notes = []
    if bundles.any():
        notes.append("Streams of a bundle were encoded elsewhere, and decoded and scored here.")
    for verb, of_rows, column in (("encoded", encoded, "encode_ffmpeg"), ("measured", rows, "ffmpeg")):
        counts = of_rows[column].value_counts() if column in of_rows else {}
        if len(counts) > 1:
            versions = ", ".join(f"{version} ({count} points)" for version, count in counts.items())
            notes.append(
                f"Points are {verb} with several versions of ffmpeg and may not compare: {versions}."
            )
    return notes


def nearest_title(rows: pd.DataFrame, clip: str, rate_bpp: float) -> str:
    """Title of a figure that shows each series at its point nearest to one rate."""
    return f"{condition_title(rows, clip)}, points nearest to {rate_bpp:g} bpp"


def _codec_labels(rows: pd.DataFrame) -> dict[str, str]:
    """Codec id -> label. Rows of a bundle, whose label has the bundle's name, follow the codec's own rows."""
    first = rows.drop_duplicates("codec")
    return dict(zip(first["codec"], first["label"], strict=True))


def with_footnotes(note: str, rows: pd.DataFrame, footnotes: Mapping[str, str]) -> str:
    """A note followed by "label: footnote" for each codec of the rows that has a footnote.

    Args:
        footnotes: codec id -> text.
    """
    labels = _codec_labels(rows)
    texts = (f"{labels[codec]}: {text}" for codec, text in footnotes.items() if codec in labels)
    return " ".join(filter(None, [note, *texts]))
