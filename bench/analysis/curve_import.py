"""Import of RD curves from other tools: CompressAI's JSON, and logs of HM, VTM, AVM and aomenc.

| file | what is read | rate | quality |
|---|---|---|---|
| CompressAI's JSON | `{"name": ..., "results": {...}}` | `bpp`, or `bitrate` in kbit/s | see `COMPRESSAI` |
| log of HM, VTM | first row below `SUMMARY` | kbit/s | means over frames of PSNR-Y, -U, -V |
| log of avmenc, aomenc with `--psnr` | `Stream 0 PSNR (Overall/Avg/Y/U/V)` | bit/s | the same |

A log is one point, named by its file. Logs of HM and VTM state size and frame rate; those of AVM do not.
PSNR-YUV 6:1:1 of a log is (6 Y + U + V) / 8, which is exact for means over frames. CompressAI's PSNR-YUV
weighs 4:1:1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.base.csv_files import write_csv
from bench.base.errors import BenchError
from bench.base.files import read_json, write_json

#: Metric of CompressAI's results -> metric of this suite.
COMPRESSAI = {
    "psnr-rgb": "psnr_rgb_db",
    "psnr-y": "psnr_y_db",
    "psnr-u": "psnr_u_db",
    "psnr-v": "psnr_v_db",
    "psnr-yuv": "psnr_yuv_411_db",
    "ms-ssim-rgb": "ms_ssim_rgb",
    "vmaf": "vmaf",
}
_FORMAT = re.compile(r"Real\s+Format\s*:\s*(\d+)x(\d+)\s+([\d.]+)\s*Hz")
_NUMBER = r"\s+([\d.]+)"
_SUMMARY = re.compile(rf"SUMMARY.*?Total Frames.*?\n\s*(\d+)\s+a{_NUMBER * 4}", re.DOTALL)
_AOM = re.compile(rf"Stream \d+ PSNR \(Overall/Avg/Y/U/V\){_NUMBER * 5}\s+(\d+) bps")


@dataclass(frozen=True)
class Format:
    """Size in pixels and frame rate of the coded video."""

    width: int
    height: int
    fps: float

    def rate_bpp(self, bits_per_second: float) -> float:
        """Bits per pixel of a bit rate."""
        return bits_per_second / (self.fps * self.width * self.height)


def read_log(path: Path, label: str, video: Format | None = None) -> dict[str, Any]:
    """The point of one log, as a row of a curve file.

    Args:
        video: size and frame rate; None: those that the log states.

    Raises:
        BenchError: the file cannot be read, is of another program, or states no size and frame rate.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", "check the path") from None
    if stated := _FORMAT.search(text):
        video = video or Format(int(stated[1]), int(stated[2]), float(stated[3]))
    summary, aom = _SUMMARY.search(text), _AOM.search(text)
    if summary:
        bits_per_second = 1000 * float(summary[2])
        planes = [float(summary[group]) for group in (3, 4, 5)]
    elif aom:
        bits_per_second = float(aom[6])
        planes = [float(aom[group]) for group in (3, 4, 5)]
    else:
        problem = "must be a log of HM, VTM, avmenc or aomenc with PSNR"
        raise BenchError(path, problem, "encode with the PSNR summary (avmenc: --psnr)")
    if video is None:
        raise BenchError(path, "states no size and frame rate", "add --size and --fps")
    values = dict(zip(("psnr_y_db", "psnr_u_db", "psnr_v_db"), planes, strict=True))
    values["psnr_yuv_db"] = (6 * planes[0] + planes[1] + planes[2]) / 8
    return {"label": label, "point": path.stem, "rate_bpp": video.rate_bpp(bits_per_second), **values}


def read_compressai(path: Path, label: str = "", video: Format | None = None) -> list[dict[str, Any]]:
    """The points of CompressAI's JSON, as rows of a curve file.

    Args:
        label: name of the curve; empty: that of the file. video: needed where the rate is `bitrate`.

    Raises:
        BenchError: wrong keys, lists of different lengths, or a bit rate without size and frame rate.
    """
    values = read_json(path, "CompressAI's results")
    results = values.get("results")
    remedy = 'write {"name": ..., "results": {"bpp": [...], "psnr-rgb": [...]}}'
    if not isinstance(results, Mapping) or not {"bpp", "bitrate"} & set(results):
        raise BenchError(path, "has no results with bpp or bitrate", remedy)
    known = {name: results[name] for name in ("bpp", "bitrate", *COMPRESSAI) if name in results}
    lengths = {len(column) if isinstance(column, list) else -1 for column in known.values()}
    numbers = [value for column in known.values() if isinstance(column, list) for value in column]
    if len(lengths) != 1 or -1 in lengths or not all(isinstance(v, int | float) for v in numbers):
        raise BenchError(path, f"results: {', '.join(known)} must be lists of numbers of one length", remedy)
    if "bpp" in known:
        rates = known["bpp"]
    elif video is None:
        raise BenchError(path, "has bitrate, which needs size and frame rate", "add --size and --fps")
    else:
        rates = [video.rate_bpp(1000 * rate) for rate in known["bitrate"]]
    label = label or str(values.get("name") or path.stem)
    columns = {COMPRESSAI[name]: known[name] for name in COMPRESSAI if name in known}
    if not columns:
        raise BenchError(path, "results: has no metric of the suite", f"use {', '.join(COMPRESSAI)}")
    return [
        {"label": label, "rate_bpp": rate, **{name: column[index] for name, column in columns.items()}}
        for index, rate in enumerate(rates)
    ]


def write_curve(rows: Sequence[Mapping[str, Any]] | pd.DataFrame, out: Path) -> None:
    """Write points as a curve file (.csv) or as CompressAI's JSON (.json), atomically.

    Raises:
        BenchError: another suffix, or several curves for one JSON file.
    """
    table = pd.DataFrame(rows)
    if out.suffix == ".csv":
        write_csv(out, table.astype(object).where(table.notna(), None).to_dict("records"))
    elif out.suffix == ".json":
        labels = table["label"].unique()
        if len(labels) > 1:
            raise BenchError(out, f"has room for one curve, not {len(labels)}", "add --label to choose one")
        names = {"rate_bpp": "bpp"} | {name: theirs for theirs, name in COMPRESSAI.items()}
        columns = {theirs: table[name] for name, theirs in names.items() if name in table}
        results = {name: column.tolist() for name, column in columns.items() if column.notna().all()}
        write_json(out, {"name": str(labels[0]), "description": "", "results": results})
    else:
        raise BenchError(out, "must end with .csv or .json", "rename the output")
