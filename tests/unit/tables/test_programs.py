"""Table of programs outside the suite."""

from __future__ import annotations

import csv
from pathlib import Path

from bench.base.csv_files import write_csv
from bench.tables.programs import write_programs


def row(codec: str, point: str, **values: str) -> dict[str, object]:
    names = {"condition": "c-v1", "clip": "a", "codec": codec, "label": codec.upper(), "kind": "classical"}
    return {
        **names,
        "point": point,
        "run": "seed0",
        "seed": 0,
        "rate_bpp": 0.1,
        "psnr_rgb_db": 30.0,
        **values,
    }


def test_each_series_has_its_programs_and_the_isolation_that_was_used(tmp_path: Path) -> None:
    programs = "x265 3.5 (sha256 0123456789ab); dec265 1.0 (sha256 ba9876543210)"
    facts = {"encode_programs": programs, "decode_programs": programs, "encode_isolation": "bubblewrap"}
    points = [
        row("plain", "p"),
        row("net", "a", decode_isolation="bubblewrap", decode_files="weights 77 bytes (sha256 aa)", **facts),
        row("net", "b", decode_isolation="folder", **facts),
    ]
    write_csv(tmp_path / "rd_points.csv", points)
    outputs = [tmp_path / f"programs{suffix}" for suffix in (".csv", ".md", ".tex", ".html")]
    write_programs(tmp_path / "rd_points.csv", outputs=outputs)
    (written,) = csv.DictReader(outputs[0].open())
    assert written == {
        "series": "net",
        "label": "NET",
        "programs": programs,
        "files": "weights 77 bytes (sha256 aa)",
        "encode_isolation": "bubblewrap",
        "decode_isolation": "bubblewrap; folder",
    }
    assert "PLAIN" not in outputs[1].read_text()
    assert "bubblewrap; folder" in outputs[1].read_text()
