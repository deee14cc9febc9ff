"""Synthetic records of one condition for tests of analysis, tables and figures. No codec computed them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench.base.result_files import RunKey

CONDITION, CLIP = "demo-v1", "bunny-320x180"
FRAMES, WIDTH, HEIGHT = 132, 320, 180

#: codec id -> label, PSNR-RGB at 0.2 bpp (dB), slope (dB for each doubling of the rate)
CLASSICAL = {
    "x264-medium": ("x264 medium", 36.6, 2.45),
    "x264-veryslow": ("x264 veryslow", 37.3, 2.42),
    "x265-medium": ("x265 medium", 37.9, 2.38),
    "x265-veryslow": ("x265 veryslow", 38.6, 2.34),
}
FITTED = {"ffnerv-matched": ("FFNeRV", 0.0), "nerv-matched": ("NeRV", -0.9)}
RATES = (0.12, 0.18, 0.27, 0.40)


def rows(
    *, clip: str = CLIP, seeds: int = 1, references: bool = True, extra: dict | None = None
) -> pd.DataFrame:
    """Table as `bench collect` writes it, one row for each record."""
    table = []
    for codec, (label, level, slope) in CLASSICAL.items():
        for crf in range(23, 48, 5):
            rate = 0.82 * 2 ** (-(crf - 23) / 4.8) * (1.0 if "264" in codec else 0.86)
            psnr = level + slope * np.log2(rate / 0.2) - 0.10 * np.log2(rate / 0.2) ** 2
            table.append(_row(codec, label, "classical", f"crf{crf}", rate, psnr, clip=clip))
    fits = {**FITTED, **(extra or {})}
    for reference in (False, True) if references else (False,):
        for codec, (label, offset) in fits.items():
            for seed in range(1 if reference else seeds):
                for target in RATES:
                    rate = target * (1.02 + 0.01 * seed if codec.startswith("ffnerv") else 0.97)
                    psnr = (
                        28.3 + offset + 1.45 * np.log2(rate / 0.2) + (4.2 if reference else 0) + 0.11 * seed
                    )
                    table.append(
                        _row(codec, label, "fitted", f"bpp{target:.2f}", rate, psnr, clip=clip, seed=seed,
                             reference=reference, epochs=150 if reference else 18)
                    )  # fmt: skip
    table.append(_row("mean-frame", "mean frame", "control", "default", 0.0061, 19.4, clip=clip))
    table.append(_row("identity", "identity", "control", "default", 12.0, 100.0, clip=clip))
    return pd.DataFrame(table)


def _row(codec, label, kind, point, rate, psnr, *, clip, seed=0, reference=False, epochs=None) -> dict:
    ms_ssim = min(1.0, 1 - 10 ** (-(psnr - 14.0) / 13.0))
    run = f"reference-seed{seed}" if reference else f"seed{seed}"
    return {
        "condition": CONDITION, "clip": clip, "codec": codec, "label": label, "kind": kind, "point": point,
        "run": run, "seed": seed, "reference": reference, "epochs": epochs,
        "series": f"{codec} (reference)" if reference else codec, "rate_bpp": rate,
        "frames": FRAMES, "width": WIDTH, "height": HEIGHT, "psnr_rgb_db": psnr,
        "psnr_yuv_db": min(100, psnr + 1.3), "psnr_y_db": min(100, psnr + 0.4),
        "ms_ssim_rgb": ms_ssim, "ms_ssim_y": min(1.0, ms_ssim + 0.001),
        "vmaf": float(np.clip(3.9 * (psnr - 17.0), 0, 100)),
        "encode_wall_s": 4000.0 if reference else 480.0 if kind == "fitted" else 1.7,
        "decode_wall_s": 2.9 if kind == "fitted" else 0.31,
        "parameters": 480_000 if kind == "fitted" else None,
    }  # fmt: skip


def write_condition(folder: Path, table: pd.DataFrame) -> tuple[Path, Path]:
    """Write rd_points.csv and the files of all points; return (rd_points.csv, folder of results)."""
    results = folder / "results"
    for row in table.to_dict("records"):
        key = RunKey.of(row)
        frames, crop, report = (
            Path(key.file(name, results)) for name in ("frames.csv", "crop.png", "encode.json")
        )
        for path in (frames, report):
            path.parent.mkdir(parents=True, exist_ok=True)
        _write_frames(frames, row)
        _write_crop(crop, row)
        report.write_text(json.dumps(_encode(row)))
    points_csv = folder / "rd_points.csv"
    table.to_csv(points_csv, index=False)
    return points_csv, results


def _write_frames(path: Path, row: dict) -> None:
    frame = np.arange(FRAMES)
    scene = 0.9 * np.sin(frame / 17.0) - 1.1 * (np.abs(frame - 70) < 9)
    random = np.random.default_rng(abs(hash_of(row["codec"])))
    wobble = 0.5 * ((frame % 4) == 0) if row["kind"] == "classical" else 0.0
    psnr = np.minimum(100.0, row["psnr_rgb_db"] + scene + wobble + random.normal(0, 0.12, FRAMES))
    table = {"frame": frame, "psnr_rgb_db": psnr, "psnr_y_db": psnr + 0.4, "ms_ssim_rgb": row["ms_ssim_rgb"]}
    pd.DataFrame(table).to_csv(path, index=False)


def _write_crop(path: Path, row: dict, width: int = 96, height: int = 72) -> None:
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([128 + 90 * np.sin(x / 7) * np.cos(y / 9), 40 + 2 * x, 200 - 2 * y], axis=-1)
    noise = np.random.default_rng(hash_of(row["codec"])).normal(
        0, 255 * 10 ** (-row["psnr_rgb_db"] / 20), image.shape
    )
    Image.fromarray(np.clip(image + noise, 0, 255).astype(np.uint8)).save(path)


def _encode(row: dict) -> dict:
    details = {}
    if row["kind"] == "fitted":
        n = int(row["epochs"])
        epoch = np.arange(1, n + 1)
        end = 1 - np.exp(-n / (0.3 * n))
        psnr = 17 + (row["psnr_rgb_db"] + 0.35 - 17) * (1 - np.exp(-epoch / (0.3 * n))) / end
        each = row["encode_wall_s"] / n * (1.4 if row["codec"].startswith("ffnerv") else 0.8)
        details["fit_log"] = [
            {"epoch": int(e), "psnr_rgb_db": float(p), "loss": 0.1, "wall_s": float(e * each), "lr": 1e-3}
            for e, p in zip(epoch, psnr, strict=True)
        ]
    return {"codec": row["codec"], "label": row["label"], "device": "cpu", "details": details}


def hash_of(text: str) -> int:
    """A small number that depends only on the text (the hash of Python differs between runs)."""
    return sum(text.encode())
