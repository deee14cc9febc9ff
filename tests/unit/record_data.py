"""Synthetic records in a folder of results. No codec computed them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.base.result_files import RunKey
from bench.scoring.record import Record

WIDTH, HEIGHT, FRAMES = 320, 180, 10
#: Rates in bits per pixel (whole numbers of bytes at this size) and PSNR-RGB in dB of an unremarkable curve.
RATES, PSNR = (0.1, 0.2, 0.4, 0.8), (30.0, 33.0, 36.0, 39.0)
_COST = {"wall_s": 2.0, "cpu_s": 1.5, "stages": {}, "peak_memory_bytes": 1000, "device": "cpu"}


def record(rate_bpp: float, psnr_rgb_db: float, *, point: str, seed: int = 0, **changes: Any) -> Record:
    """One record of the codec `net` on the clip `small`, with any other field in `changes`."""
    stream_bytes = round(rate_bpp * WIDTH * HEIGHT * FRAMES / 8)
    values: dict[str, Any] = {
        "condition": "test-v1",
        "clip": "small",
        "codec": "net",
        "family": "nets",
        "kind": "fitted",
        "label": "Net",
        "point": point,
        "run": f"seed{seed}",
        "seed": seed,
        "reference": False,
        "epochs": 18,
        "rate_bpp": 8 * stream_bytes / (WIDTH * HEIGHT * FRAMES),
        "rate_bpp_paper": None,
        "stream_bytes": stream_bytes,
        "frames": FRAMES,
        "width": WIDTH,
        "height": HEIGHT,
        "fps": "25/1",
        "metrics": {"psnr_rgb_db": psnr_rgb_db},
        "reasons": {},
        "parameters": 1000,
        "macs_per_pixel": 1.5,
        "encode": _COST | {"threads": 1},
        "decode": _COST,
        "settings": {"epochs": 18, "learning_rate": 1e-3},
        "clip_sha256": "c",
        "stream_sha256": f"{stream_bytes}-{psnr_rgb_db}-{seed}",
        "provenance": {
            "suite_version": "0.1.0",
            "date_utc": "2026-01-01T00:00:00Z",
            "machine": {"cpu": "CPU A"},
            "ffmpeg": "n9.0.2",
        },
    }
    return Record(**(values | changes))


def curve(
    rates: Sequence[float] = RATES, psnr: Sequence[float] = PSNR, *, seeds: int = 1, **changes: Any
) -> list[Record]:
    """The records p1, p2, ... of one curve."""
    return [
        record(rate, value, point=f"p{index}", seed=seed, **changes)
        for index, (rate, value) in enumerate(zip(rates, psnr, strict=True), start=1)
        for seed in range(seeds)
    ]


def write_results(folder: Path, records: Sequence[Record]) -> Path:
    """Write the records into a folder of results, without streams. Return the folder."""
    for one in records:
        path = Path(RunKey.of(vars(one)).file("record.json", folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        one.write(path)
    return folder


def with_provenance(records: Sequence[Record], **changes: Any) -> list[Record]:
    """The same records with other entries of their provenance."""
    return [Record(**(vars(one) | {"provenance": dict(one.provenance) | changes})) for one in records]
