"""Means of rate, quality and cost of each rate point over seeds and clips."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.analysis.labels import label_of
from bench.analysis.rd_points import MEAN, truth_by_clip

COSTS = ("parameters", "encode_wall_s", "decode_wall_s")
#: Suffix of the standard deviation over seeds.
SPREAD = "_std"
#: Column of a time -> columns of the machine and device that it was measured on.
MACHINES = {
    "encode_wall_s": ("encode_machine", "encode_device"),
    "decode_wall_s": ("machine", "decode_device"),
}


def point_means(
    rows: pd.DataFrame, *, metrics: Sequence[str], per_clip: bool, spread: bool = False
) -> pd.DataFrame:
    """One row for each (series, point), or (clip, series, point), in the order of the series and by rate.

    Seeds are averaged first, then clips, so that a clip with more seeds has no larger weight. A time that was
    measured on several machines or devices has no mean (NaN).

    Args:
        spread: whether there are also columns `<metric>_std`: the standard deviation over the seeds of a
            clip, as the mean over clips; NaN for one seed.

    Returns:
        Columns: condition; clip, or clips (their number); series; label; point; seeds (largest number on a
        clip); rate_bpp; the metrics and `COSTS` that the rows have.
    """
    groups = rows.assign(group_clip=rows["clip"] if per_clip else MEAN)
    columns = [name for name in ("rate_bpp", *metrics, *COSTS) if name in rows]
    means = []
    for (clip, series), group in groups.groupby(["group_clip", "series"], sort=False):
        label = label_of(group)
        for point, members in group.groupby("point", sort=False):
            runs = members["clip"].value_counts()
            means.append(
                {
                    "condition": group["condition"].iloc[0],
                    **({"clip": clip} if per_clip else {"clips": len(runs)}),
                    "series": series,
                    "label": label,
                    "point": point,
                    "seeds": int(runs.max()),
                    **members.groupby("clip")[columns].mean(numeric_only=True).mean().to_dict(),
                    **(_spread(members, columns) if spread else {}),
                    **{name: float("nan") for name in columns if not on_one_machine(members, name)},
                }
            )
    order = {series: rank for rank, series in enumerate(rows["series"].drop_duplicates())}
    table = pd.DataFrame(means)
    table["order"] = table["series"].map(order)
    keys = [*(["clip"] if per_clip else []), "order", "rate_bpp"]
    return table.sort_values(keys, kind="stable").drop(columns="order").reset_index(drop=True)


def _spread(rows: pd.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    """`<metric>_std` -> standard deviation over seeds."""
    names = [name for name in columns if name not in ("rate_bpp", *COSTS)]
    deviations = rows.groupby("clip")[names].std(numeric_only=True).mean()
    return {f"{name}{SPREAD}": value for name, value in deviations.items()}


def on_one_machine(rows: pd.DataFrame, column: str) -> bool:
    """Whether all values of a column of times are of one machine and device. Other columns always are."""
    return all(rows[name].nunique() < 2 for name in MACHINES.get(column, ()) if name in rows)


def point_table(rows: pd.DataFrame, *, metrics: Sequence[str]) -> pd.DataFrame:
    """`point_means` of each clip and, for several clips, their means (clip "mean").

    A point has a mean where every clip of the condition has it. Means over different clips do not compare.
    If a point has several seeds, there are columns `<metric>_std`. Where the truth of a clip is RGB, there is
    a column `truth`; that of a mean over clips of both is "mixed".
    """
    several_seeds = bool(rows.groupby(["clip", "series", "point"])["run"].nunique().gt(1).any())
    table = point_means(rows, metrics=metrics, per_clip=True, spread=several_seeds)
    truths = truth_by_clip(rows)
    if "rgb" in truths.values():
        table.insert(table.columns.get_loc("clip") + 1, "truth", table["clip"].map(truths))
    n_clips = rows["clip"].nunique()
    if n_clips == 1:
        return table
    means = point_means(rows, metrics=metrics, per_clip=False, spread=several_seeds)
    means = means[means["clips"] == n_clips].drop(columns="clips").assign(clip=MEAN)
    means["truth"] = next(iter(truths.values())) if len(set(truths.values())) == 1 else "mixed"
    return pd.concat([table, means])[list(table)]
