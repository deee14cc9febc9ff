"""Records that were edited by hand are refused by name: they contradict the files beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from test_record import record

from bench.base.errors import BenchError
from bench.scoring.record import collect

STREAM = b"a stream"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A record with its stream and its scores per frame."""
    digest = hashlib.sha256(STREAM).hexdigest()
    path = tmp_path / "record.json"
    (tmp_path / "stream.bin").write_bytes(STREAM)
    (tmp_path / "frames.csv").write_text("frame,psnr_rgb_db,vmaf\n0,30.0,\n1,31.0,\n2,30.5,\n")
    size = len(STREAM)
    metrics = {"psnr_rgb_db": 30.5, "vmaf": None}
    rate = 8 * size / (64 * 48 * 9)
    record(stream_bytes=size, rate_bpp=rate, stream_sha256=digest, metrics=metrics).write(path)
    return path


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_record_of_its_files_is_collected(written: Path, tmp_path: Path) -> None:
    assert collect([written], tmp_path / "rd_points.csv") == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rate_bpp": 0.001}, r"rate_bpp is 0\.001, but 8 bytes are 0\.00231481 bpp"),
        ({"stream_bytes": 4}, "rate_bpp is .*, but 4 bytes are"),
        (
            {"metrics": {"psnr_rgb_db": 31.5}},
            r"metrics: psnr_rgb_db is 31\.5, but the mean of frames\.csv is 30\.5",
        ),
        ({"stream_sha256": "0" * 64}, "stream_sha256 is not that of .*stream.bin"),
        ({"schema": 2}, "schema is 2; this suite reads 1"),
    ],
)
def test_an_edited_record_is_refused(
    written: Path, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    edit(written, **changes)
    with pytest.raises(BenchError, match=problem) as caught:
        collect([written], tmp_path / "rd_points.csv")
    assert caught.value.where == str(written)
    assert not (tmp_path / "rd_points.csv").exists()


def test_a_record_without_files_is_collected(written: Path, tmp_path: Path) -> None:
    for name in ("stream.bin", "frames.csv"):
        (tmp_path / name).unlink()
    assert collect([written], tmp_path / "rd_points.csv") == 1
