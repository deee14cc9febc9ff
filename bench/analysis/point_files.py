"""Readers of the files beside a record: values of single frames and the log of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.base.files import read_json


def point_dir(points_dir: Path | str, row: Mapping[str, Any]) -> Path:
    """Folder of the files of one row's record: condition/clip/codec/point/run."""
    return Path(points_dir, *(str(row[name]) for name in ("condition", "clip", "codec", "point", "run")))


def frame_values(frames_csv: Path, metric: str) -> pd.DataFrame:
    """Columns `frame` (from 0) and `value` of one metric; no rows where the file or the metric is missing."""
    table = pd.read_csv(frames_csv) if frames_csv.is_file() else pd.DataFrame()
    if "frame" not in table or metric not in table:
        return pd.DataFrame({"frame": [], "value": []})
    return pd.DataFrame({"frame": table["frame"], "value": table[metric]}).dropna()


def encode_report(
    row: Mapping[str, Any], points_dir: Path | str, reference_dir: Path | str | None
) -> dict[str, Any]:
    """encode.json of a record; empty where there is none.

    Args:
        reference_dir: folder of the tracked reference streams, where the run of a reference is called
            seed<k>.
    """
    folders = [point_dir(points_dir, row)]
    if row["reference"] and reference_dir is not None:
        folders.append(point_dir(reference_dir, {**row, "run": f"seed{row['seed']}"}))
    for folder in folders:
        if (folder / "encode.json").is_file():
            return read_json(folder / "encode.json", "an encode report")
    return {}


def fit_log(report: Mapping[str, Any]) -> pd.DataFrame:
    """Columns `epoch` (number of completed epochs), `wall_s` and `psnr_rgb_db`; no rows without a log."""
    log = pd.DataFrame(
        (report.get("details") or {}).get("fit_log") or [], columns=["epoch", "wall_s", "psnr_rgb_db"]
    )
    log = log.astype(float).dropna()
    if len(log) and log["epoch"].min() == 0:
        log["epoch"] += 1  # the trainer counts from 0
    return log


def fit_devices(report: Mapping[str, Any]) -> str:
    """Devices of a fit in their order: "cuda, then cpu"."""
    devices = (report.get("details") or {}).get("fit_devices")
    return ", then ".join(devices or [str(report.get("device", ""))])
