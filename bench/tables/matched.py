"""Table of all series at matched points: quality at equal rate, rate at equal quality, and times at both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.labels import codec_label, origin_notes, truth_note
from bench.analysis.matched import Match, MatchedSeries, matched_series
from bench.analysis.rd_points import check_metric, load_points
from bench.base.errors import BenchError
from bench.scoring.metrics import Metric, describe
from bench.tables.text_table import TextTable, number, write_table

CSV_COLUMNS = ("condition", "clip", "series", "metric", "rate_bpp", "quality")


def write_matched(
    points_csv: Path | str,
    *,
    anchor: str | None,
    metric: str,
    rate_bpp: float | None,
    outputs: Sequence[Path | str],
) -> None:
    """Write one row for each series on each clip and, for several clips, as the mean over clips.

    CSV columns: rate_bpp, the equal rate, and quality, encode_s and decode_s there; equal_quality, the
    anchor's quality at this rate, and equal_quality_rate_bpp, equal_quality_encode_s and
    equal_quality_decode_s there. Cells are empty where a curve does not reach the rate or the quality.

    Args:
        anchor: a codec id. metric: quality column. rate_bpp: bits per pixel.

    Raises:
        BenchError: no points, no such column, or a condition without an anchor or a rate.
    """
    if anchor is None or rate_bpp is None:
        remedy = "set `anchor` and `strip: rate_bpp` in the condition"
        raise BenchError("table of matched points", "needs an anchor and a rate", remedy)
    rows = load_points(points_csv)
    check_metric(rows, metric)
    matched = matched_series(rows, anchor=anchor, metric=metric, rate_bpp=rate_bpp)
    condition, described = rows["condition"].iloc[0], describe(metric)
    several = len({one.clip for one in matched}) > 1
    notes = [
        f"Equal quality: that of {codec_label(rows, anchor)} at {rate_bpp:g} bits per pixel. Values between "
        "points are interpolated, never beyond them. Times are those of the records: other jobs may have run "
        "at the same time.",
        truth_note(rows),
        *origin_notes(rows),
    ]
    head = ["Series", *(["Clip"] if several else [])]
    numbers = [
        f"{described.axis} at {rate_bpp:g} bpp", "Encode (s)", "Decode (s)",
        "Rate (bpp) at equal quality", "Encode (s) there", "Decode (s) there",
    ]  # fmt: skip
    table = TextTable(
        [*head, *numbers],
        [[one.label, one.clip][: len(head)] + _cells(one, described) for one in matched],
        [False] * len(head) + [True] * len(numbers),
        list(filter(None, notes)),
    )
    csv_rows = [
        {
            "condition": condition,
            "clip": one.clip,
            "series": one.series,
            "metric": metric,
            "rate_bpp": rate_bpp,
            "quality": one.equal_rate.quality,
            **_times("", one.equal_rate),
            "equal_quality": one.equal_quality.quality,
            "equal_quality_rate_bpp": one.equal_quality.rate_bpp,
            **_times("equal_quality_", one.equal_quality),
        }
        for one in matched
    ]
    write_table(outputs, rows=csv_rows, columns=CSV_COLUMNS, text=table)


def _times(prefix: str, match: Match) -> dict[str, float | None]:
    return {f"{prefix}encode_s": match.encode_s, f"{prefix}decode_s": match.decode_s}


def _cells(one: MatchedSeries, metric: Metric) -> list[str]:
    rate, quality = one.equal_rate, one.equal_quality
    return [
        number(rate.quality, metric.digits),
        *(number(seconds, 2) for seconds in (rate.encode_s, rate.decode_s)),
        number(quality.rate_bpp, 4),
        *(number(seconds, 2) for seconds in (quality.encode_s, quality.decode_s)),
    ]
