"""Fits of the report page: logs of all fits, and bits of the networks near the condition's rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.point_files import fit_devices
from bench.base.files import read_json
from bench.base.result_files import RunKey, file_of_record
from bench.report.run_data import run_id
from bench.tables.bit_breakdown import STAGE

#: Most entries of the log of one fit, and of the logs of all fits. Longer logs are thinned out.
MOST_ENTRIES, MOST_ENTRIES_IN_ALL = 300, 10_000
_COLUMNS = ("epoch", "wall_s", "psnr_rgb_db", "loss")


def fit_data(rows: pd.DataFrame, paths: Mapping[RunKey, Path]) -> list[dict[str, Any]]:
    """Epochs, seconds, PSNR-RGB and loss of every fit that has a log; the last entry is kept in any case."""
    fits: list[dict[str, Any]] = []
    fitted = rows[rows["kind"] == "fitted"].to_dict("records")
    most = max(2, min(MOST_ENTRIES, MOST_ENTRIES_IN_ALL // max(len(fitted), 1)))
    for row in fitted:
        key = RunKey.of(row)
        path = file_of_record(paths[key], "encode.json")
        report = read_json(path, "an encode report") if path.is_file() else {}
        log = (report.get("details") or {}).get("fit_log") or []
        if not log or "psnr_rgb_db" not in log[0]:  # a fit in YUV 4:2:0 has no PSNR-RGB
            continue
        step = -(-len(log) // most)
        kept = [*log[: len(log) - 1 : step], log[-1]]
        columns = {name: [_short(entry.get(name)) for entry in kept] for name in _COLUMNS}
        columns["epoch"] = [epoch + 1 for epoch in columns["epoch"]]  # the trainer counts from 0
        fits.append(
            {
                "id": run_id(key),
                "series": row["series"],
                "clip": key.clip,
                "point": key.point,
                "run": key.run,
                "rate": row["rate_bpp"],
                "decoded": row["psnr_rgb_db"],
                "devices": fit_devices(report),
                "log": columns,
            }
        )
    return fits


def _short(value: Any) -> Any:
    """A number with six significant digits."""
    return float(f"{value:.6g}") if isinstance(value, int | float) else None


def bit_data(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Networks with their stages and tensors, from the rows of bits_<clip>.csv.

    A tensor belongs to the stage that the beginning of its name has; stages keep their order.
    """
    networks: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = str(row["clip"]), str(row["series"]), str(row["point"])
        network = networks.setdefault(
            key,
            {
                **dict(zip(("clip", "series", "point"), key, strict=True)),
                "label": str(row["label"]),
                "rate": float(row["rate_bpp"]),
                "stages": [],
                "tensors": [],
            },
        )
        entry = {
            "name": str(row["name"]),
            "shape": "" if pd.isna(row["shape"]) else str(row["shape"]),
            "weights": int(row["weights"]),
            "bits": int(row["bits"]),
            "share": float(row["share"]),
        }
        network["stages" if row["level"] == STAGE else "tensors"].append(entry)
    return list(networks.values())
