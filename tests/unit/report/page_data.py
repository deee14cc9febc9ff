"""A report page of made-up records: two clips, three seeds, hostile labels, tiny frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from points_data import CLIP, rows, write_condition

from bench.base.files import json_value
from bench.base.result_files import RunKey
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition
from bench.report.page import write_page
from bench.scoring.metrics import METRICS

OTHER_CLIP = "bikes-320x180"
#: Texts that a page must show as they are.
HOSTILE = "<script>window.hacked=1</script>"
HOSTILE_IMAGE = "<img src=x onerror=window.hacked=1>%{x}"
WIDTH, HEIGHT = 64, 36
FRAMES = (0, 40, 70)
#: Levels that are added to the red channel of the source in the picture of x264 medium.
SHIFT = 5


def table(*, clips: tuple[str, ...] = (CLIP, OTHER_CLIP), hostile: bool = True) -> pd.DataFrame:
    """Rows of all clips. The quality of the second clip is lower."""
    extra = {"evil-codec": (HOSTILE, -0.4)} if hostile else {}
    parts = [rows(clip=clip, seeds=3, extra=extra) for clip in clips]
    for number, part in enumerate(parts):
        moved = part["kind"] != "control"
        part.loc[moved, "psnr_rgb_db"] -= 1.7 * number
        part.loc[moved, "rate_bpp"] *= 1 + 0.15 * number
    rows_ = pd.concat(parts, ignore_index=True)
    return rows_.assign(
        fps="25/1", truth="yuv420p", stream_bytes=(rows_["rate_bpp"] * 1000).round(), macs_per_pixel=12000.0
    )


def condition() -> Condition:
    """The default condition, whose anchor and rate the page has."""
    return load_condition("demo-v1")


def write(folder: Path, data: pd.DataFrame, *, with_frames: bool = True) -> Path:
    """Write the page of these rows into `folder`/page. Return the page's folder."""
    points_csv, results = write_condition(folder, data)
    records = {}
    for row in data.to_dict("records"):
        key = RunKey.of(row)
        path = Path(key.file("record.json", results))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(json_value(_record(row))))
        records[key] = path
    curves = folder / "user.csv"
    lines = [f"{HOSTILE_IMAGE},{0.1 * 2**step:g},{27 + 2.5 * step:g}" for step in range(4)]
    curves.write_text("\n".join(["label,rate_bpp,psnr_rgb_db", *lines, ""]))
    frames = [write_frames(folder / "frames" / CLIP)] if with_frames else []
    write_page(
        folder / "page",
        condition=condition(),
        points_csv=points_csv,
        records=records,
        planned=len(data) + 1,
        skipped=[{"clip": CLIP, "label": "VP9", "point": "q1", "reason": "its frames are too small"}],
        bits=bit_rows() if with_frames else [],
        frames=frames,
        user_curves=curves,
    )
    return folder / "page"


def _record(row: dict[str, Any]) -> dict[str, Any]:
    command = f"python -m bench encode --codec {row['codec']} --point {row['point']}"
    machine = {"cpu": "A processor", "cores": 2, "system": "Linux"}
    return {
        "label": row["label"],
        "metrics": {name: row[name] for name in METRICS if name in row},
        "reasons": {"vmaf": "ffmpeg has no filter libvmaf"} if row["codec"] == "mean-frame" else {},
        "decode": {"repeatable": True if row["kind"] == "fitted" else None},
        "provenance": {
            "suite_version": "0.1.0",
            "packages": {"numpy": "1.26.4"},
            "machine": machine,
            "command": "python -m bench measure",
            "encode": {"command": command},
        },
    }


def bit_rows() -> list[dict[str, Any]]:
    """Bits of one network of three tensors in two stages."""
    names = {
        "clip": CLIP,
        "series": "ffnerv-matched",
        "label": "FFNeRV",
        "point": "bpp0.12",
        "rate_bpp": 0.122,
    }
    tensors = [("stages.0.weight", 600), ("stages.0.bias", 100), ("head.weight", 300)]
    stages = [("stages.0", 700), ("head", 300)]
    levels = [("tensor", tensors), ("stage", stages)]
    return [
        {
            **names,
            "level": level,
            "name": name,
            "shape": "10x10",
            "weights": 100,
            "bits": bits,
            "share": bits / 1000,
        }
        for level, entries in levels
        for name, bits in entries
    ]


def source_frame(index: int) -> np.ndarray:
    """A frame (HEIGHT, WIDTH, 3) whose levels depend on position and number; red leaves room for `SHIFT`."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([2 * x + index % 3, 3 * y, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def write_frames(folder: Path) -> Path:
    """A folder of frames of a source and of two series: one shifted in red, one with a part."""
    shifted = np.array([SHIFT, 0, 0], np.uint8)
    runs = {
        "source": ("Source", None, source_frame),
        f"{CLIP}/x264-medium/crf33/seed0": (
            "x264 medium",
            "x264-medium",
            lambda at: source_frame(at) + shifted,
        ),
        f"{CLIP}/ffnerv-matched/bpp0.12/seed0": (
            "FFNeRV",
            "ffnerv-matched",
            lambda at: 255 - source_frame(at),
        ),
    }
    pictures = []
    for number, (identity, (label, series, picture)) in enumerate(runs.items()):
        of_run = folder / f"run{number}"
        of_run.mkdir(parents=True)
        for at in FRAMES:
            Image.fromarray(picture(at)).save(of_run / f"{at}.webp", lossless=True)
        entry: dict[str, Any] = {"id": identity, "label": label, "folder": of_run.name, "bytes": 1234}
        if series:
            entry |= {"series": series, "point": identity.split("/")[2], "rate": 0.122}
        if series == "ffnerv-matched":
            for at in FRAMES:
                Image.fromarray(source_frame(at)).save(of_run / f"{at}-0.webp")
            entry["parts"] = {"names": {str(at): [HOSTILE] for at in FRAMES}, "longest_flow": 2.5}
        pictures.append(entry)
    index = {
        "clip": CLIP,
        "frames": [{"frame": at, "reasons": [f"chosen {at}"]} for at in FRAMES],
        "fps": 25.0,
        "width": WIDTH,
        "height": HEIGHT,
        "region": [0, 0, WIDTH, HEIGHT],
        "excerpt": None,
        "pictures": pictures,
    }
    (folder / "frames.json").write_text(json.dumps(index))
    return folder
