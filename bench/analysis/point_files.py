"""Readers of the files beside a record: values of single frames and the log of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.base.csv_files import read_table
from bench.base.files import read_json
from bench.base.result_files import FileName, RunKey


def point_file(row: Mapping[str, Any], name: FileName, results: Path | str) -> Path:
    """Path of a file of the run of a row of rd_points.csv, below the folder `results`."""
    return Path(RunKey.of(row).file(name, results))


def frame_values(frames_csv: Path, metric: str) -> pd.DataFrame:
    """Columns `frame` (from 0) and `value` of one metric; no rows where the file or the metric is missing."""
    if not frames_csv.is_file():
        return pd.DataFrame({"frame": [], "value": []})
    table = read_table(frames_csv, text=(), remedy="measure the point again")
    if "frame" not in table or metric not in table:
        return pd.DataFrame({"frame": [], "value": []})
    return pd.DataFrame({"frame": table["frame"], "value": table[metric]}).dropna()


def encode_report(row: Mapping[str, Any], results: Path | str) -> dict[str, Any]:
    """encode.json of the run of a row; empty where there is none."""
    path = point_file(row, "encode.json", results)
    return read_json(path, "an encode report") if path.is_file() else {}


def fit_log(report: Mapping[str, Any]) -> pd.DataFrame:
    """Columns `epoch` (number of completed epochs), `wall_s` and `psnr_rgb_db`.

    There are no rows without a log, and none of a fit in YUV 4:2:0, whose log has `psnr_yuv_db`.
    """
    log = pd.DataFrame(
        (report.get("details") or {}).get("fit_log") or [], columns=["epoch", "wall_s", "psnr_rgb_db"]
    )
    log = log.astype(float).dropna()
    if len(log) and log["epoch"].min() == 0:
        log["epoch"] += 1  # the trainer counts from 0
    return log


def is_yuv_fit(report: Mapping[str, Any]) -> bool:
    """Whether the report is of a fit in YUV 4:2:0."""
    return (report.get("settings") or {}).get("space") == "yuv420"


def fit_devices(report: Mapping[str, Any]) -> str:
    """Devices of a fit in their order: "cuda, then cpu"."""
    devices = (report.get("details") or {}).get("fit_devices")
    return ", then ".join(devices or [str(report.get("device", ""))])
