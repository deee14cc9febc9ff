"""Table of an ablation: variants of one codec at about equal rate, with the difference from the first one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.analysis.ablation import Variant, read_variants, variant_labels
from bench.scoring.metrics import describe
from bench.tables.text_table import TextTable, number, write_table


def write_ablation(
    points_csv: Path | str,
    *,
    variants: Mapping[str, Sequence[str]],
    metrics: Sequence[str],
    outputs: Sequence[Path | str],
) -> None:
    """Write the table; arguments and errors are those of `bench.analysis.ablation.read_variants`.

    The CSV has one row for each variant: seeds, rate_bpp, parameters, and for each metric its mean, its
    lowest and highest seed, and the difference from the first variant.
    """
    variant_list = read_variants(points_csv, variants=variants, metrics=metrics)
    write_table(outputs, rows=map(_csv_row, variant_list), text=_text(variant_list, metrics))


def _csv_row(variant: Variant) -> dict[str, object]:
    row: dict[str, object] = {
        "variant": variant.name,
        "label": variant.label,
        "seeds": variant.seeds,
        "rate_bpp": variant.rate_bpp,
        "parameters": variant.parameters,
    }
    for metric, quality in variant.qualities.items():
        row |= {metric: quality.mean, f"{metric}_low": quality.low, f"{metric}_high": quality.high}
        row[f"{metric}_difference"] = quality.difference
    return row


def _text(variants: Sequence[Variant], metrics: Sequence[str]) -> TextTable:
    header = ["Variant", "Seeds", "Rate (bpp)", "Parameters"]
    for metric in map(describe, metrics):
        header += [metric.axis, "lowest to highest seed", "difference"]
    rows = []
    for label, variant in zip(variant_labels(variants), variants, strict=True):
        row = [label, str(variant.seeds), number(variant.rate_bpp, 4), number(variant.parameters, 0)]
        for name, quality in variant.qualities.items():
            digits = describe(name).digits
            row += [
                number(quality.mean, digits),
                f"{number(quality.low, digits)} to {number(quality.high, digits)}",
                number(quality.difference, digits, sign=True),
            ]
        rows.append(row)
    note = "Differences are from the first variant of the same codec. Rates differ slightly."
    return TextTable(header, rows, [False] + [True] * (len(header) - 1), [note])
