"""Curves of other tools: CompressAI's JSON, logs of HM, VTM and AVM, and rates in kbit/s or bytes.

The logs have the lines that the programs print, with invented numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import points_data
import pytest

from bench.analysis.curve_file import load_curves
from bench.analysis.curve_import import read_compressai, read_log
from bench.base.errors import BenchError
from bench.cli import main

VTM = """VVCSoftware: VTM Encoder Version 23.0 [Linux][GCC 12.2.0][64 bit]
Real     Format                        : 1920x1080 50Hz
POC    0 LId:  0 TId: 0 ( IDR_N_LP, I-SLICE, QP 32 )  100000 bits [Y 41.0 dB U 42.0 dB V 43.0 dB]

SUMMARY --------------------------------------------------------
\tTotal Frames |   Bitrate     Y-PSNR    U-PSNR    V-PSNR    YUV-PSNR
\t          60    a    2073.6000   38.0000   42.0000   44.0000   39.1234

I Slices--------------------------------------------------------
\tTotal Frames |   Bitrate     Y-PSNR    U-PSNR    V-PSNR    YUV-PSNR
\t           1    i    9999.0000   41.0000   42.0000   43.0000   41.5000
"""
AVM = "Stream 0 PSNR (Overall/Avg/Y/U/V) 39.500 39.700 38.000 42.000 44.000  2073600 bps   98765 ms\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_summary_of_a_vtm_log_is_one_point(tmp_path):
    """2073.6 kbit/s at 50 frames of 1920x1080 a second: 2,073,600 / (50 * 2,073,600) = 0.02 bpp."""
    row = read_log(write(tmp_path, "qp32.log", VTM), "VTM")
    assert row == {
        "label": "VTM",
        "point": "qp32",
        "rate_bpp": pytest.approx(0.02),
        "psnr_y_db": 38,
        "psnr_u_db": 42,
        "psnr_v_db": 44,
        "psnr_yuv_db": pytest.approx((6 * 38 + 42 + 44) / 8),
    }


def test_a_log_of_avm_needs_size_and_frame_rate(tmp_path):
    log = write(tmp_path, "avm.log", AVM)
    with pytest.raises(BenchError, match="states no size and frame rate; add --size and --fps"):
        read_log(log, "AVM")
    out = tmp_path / "mine.csv"
    assert (
        main(["curve", str(log), "--size", "1920x1080", "--fps", "50", "--label", "AVM", "-o", str(out)]) == 0
    )
    (row,) = load_curves(out).to_dict("records")
    assert (row["label"], row["rate_bpp"], row["psnr_y_db"]) == ("AVM", pytest.approx(0.02), 38)


def test_other_text_is_not_a_log(tmp_path):
    with pytest.raises(BenchError, match="must be a log of HM, VTM, avmenc or aomenc"):
        read_log(write(tmp_path, "x.log", "Total time: 3 s"), "x")


def test_compressai_json_is_read_and_written(tmp_path):
    results = {"bpp": [0.2, 0.1], "psnr-rgb": [33.5, 30.25], "psnr-yuv": [35, 32], "encoding_time": [1, 2]}
    source = write(tmp_path, "a.json", json.dumps({"name": "ssf2020", "results": results}))
    assert read_compressai(source)[0] == {
        "label": "ssf2020",
        "rate_bpp": 0.2,
        "psnr_rgb_db": 33.5,
        "psnr_yuv_411_db": 35,
    }
    assert main(["curve", str(source), "-o", str(tmp_path / "a.csv")]) == 0
    assert main(["curve", str(tmp_path / "a.csv"), "-o", str(tmp_path / "b.json")]) == 0
    again = json.loads((tmp_path / "b.json").read_text())
    assert again["name"] == "ssf2020"
    assert again["results"] == {"bpp": [0.1, 0.2], "psnr-rgb": [30.25, 33.5], "psnr-yuv": [32, 35]}


def test_a_bit_rate_of_compressai_needs_size_and_frame_rate(tmp_path):
    results = {"bitrate": [1000.0], "psnr-rgb": [33.5]}
    source = write(tmp_path, "a.json", json.dumps({"name": "x", "results": results}))
    with pytest.raises(BenchError, match="needs size and frame rate"):
        read_compressai(source)


@pytest.mark.parametrize(
    "results", [{"psnr-rgb": [1]}, {"bpp": [1, 2], "psnr-rgb": [1]}, {"bpp": ["a"], "psnr-rgb": [1]}, []]
)
def test_wrong_json_is_one_error(tmp_path, results):
    with pytest.raises(BenchError, match="results"):
        read_compressai(write(tmp_path, "a.json", json.dumps({"results": results})))


def test_measured_points_become_a_curve_of_compressai(tmp_path):
    points = tmp_path / "rd_points.csv"
    points_data.rows().to_csv(points, index=False)
    assert main(["curve", str(points), "--label", "x264 medium", "-o", str(tmp_path / "x264.json")]) == 0
    written = json.loads((tmp_path / "x264.json").read_text())
    assert len(written["results"]["bpp"]) == 5
    assert set(written["results"]) >= {"bpp", "psnr-rgb", "psnr-y", "ms-ssim-rgb", "vmaf"}


@pytest.mark.parametrize(
    "text",
    [
        "label,kbps,fps,size,vmaf\nmine,2073.6,50,1920x1080,90\n",
        "label,kbps,fps,size,vmaf\nmine,1242.9171,30000/1001,1920x1080,90\n",
        "label,bytes,frames,size,vmaf\nmine,51840,10,1920x1080,90\n",
    ],
)
def test_a_rate_in_kbits_or_bytes_is_converted(tmp_path, text):
    """51,840 bytes for 10 frames of 1920x1080: 414,720 / 20,736,000 = 0.02 bpp."""
    (rate,) = load_curves(write(tmp_path, "mine.csv", text))["rate_bpp"]
    assert rate == pytest.approx(0.02, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("label,kbps,fps,vmaf\nmine,1,50,90\n", "column kbps needs a column size"),
        ("label,bytes,frames,size,vmaf\nmine,1,,16x16,90\n", "column frames: is empty"),
        ("label,bytes,frames,size,vmaf\nmine,1,1,16 by 16,90\n", "must be WIDTHxHEIGHT"),
        ("label,rate_bpp,kbps,fps,size,vmaf\nmine,1,1,1,16x16,90\n", "rate_bpp and kbps both have a rate"),
        ("label,kbps,fps,size,vmaf\nmine,-1,1,16x16,90\n", "is not positive"),
        ("label,kbps,fps,size,vmaf\nmine,1,1/0,16x16,90\n", "is not positive"),
    ],
)
def test_a_wrong_rate_names_line_and_column(tmp_path, text, problem):
    with pytest.raises(BenchError, match=problem):
        load_curves(write(tmp_path, "mine.csv", text))
