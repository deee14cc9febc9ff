"""The command line, mostly in processes of its own, as users run it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli_process import bench, encode, environment, prepare, refused

from bench.base.errors import BenchError
from bench.base.overrides import parse_overrides
from bench.base.paths import ROOT
from bench.cli import main
from bench.cli.decode import parse_frames
from bench.scoring.record import Record
from bench.video.clip import Clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared clip, two streams and their records, computed by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    prepare(folder)
    for codec, point in (("mean-frame", "raw"), ("x264-medium", "low")):
        encode(folder, codec, point)
        place = ("--codec", codec, "--condition", "test-v0.yaml", "--point", point)
        clip = ("--clip", "clip/clip.json")
        stream = ("--stream", f"{codec}/stream.bin", "--report", f"{codec}/encode.json", "--run", "seed0")
        out = ("--out", f"{codec}/record.json", "--frames-csv", f"{codec}/frames.csv")
        ran = bench("measure", *place, *clip, *stream, *out, "--crop", f"{codec}/crop.png", cwd=folder)
        assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.slow
def test_a_point_leaves_these_files(folder: Path) -> None:
    names = {path.name for path in (folder / "x264-medium").iterdir()}
    assert names == {"stream.bin", "encode.json", "record.json", "frames.csv", "crop.png"}
    record = Record.read(folder / "x264-medium" / "record.json")
    assert (record.codec, record.point, record.run, record.frames) == ("x264-medium", "low", "seed0", 5)
    assert record.settings["crf"] == 40
    assert record.encode["stages"]
    assert record.decode["wall_s"] > 0
    assert record.stream_bytes == (folder / "x264-medium" / "stream.bin").stat().st_size


@pytest.mark.slow
def test_collect_writes_one_row_a_record(folder: Path, tmp_path: Path) -> None:
    records = [folder / codec / "record.json" for codec in ("x264-medium", "mean-frame")]
    assert bench("collect", "--out", "rd_points.csv", *records, cwd=tmp_path).returncode == 0
    with open(tmp_path / "rd_points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["series"] for row in rows] == ["x264-medium", "mean-frame"]
    assert float(rows[0]["rate_bpp"]) < float(rows[1]["rate_bpp"])


def test_describe_prints_json(folder: Path) -> None:
    ran = bench("describe", "x264-medium/stream.bin", cwd=folder)
    message = json.loads(ran.stdout)
    assert message["header"]["family"] == "ffmpeg"
    assert message["bytes"] == (folder / "x264-medium" / "stream.bin").stat().st_size


def test_decode_to_y4m_is_the_same_everywhere(folder: Path, tmp_path: Path) -> None:
    stream = folder / "x264-medium" / "stream.bin"
    assert bench("decode", stream, "-o", "out.y4m", cwd=tmp_path).returncode == 0
    ran = bench("decode", stream, "-o", "-", cwd=tmp_path, text=False)
    data = (tmp_path / "out.y4m").read_bytes()
    assert ran.stdout == data
    assert data.startswith(b"YUV4MPEG2 W64 H48 F25:1 ")
    assert len(data) == data.index(b"\n") + 1 + 5 * (6 + 64 * 48 * 3 // 2)
    part = bench("decode", stream, "-o", "-", "--frames", "1:3", cwd=tmp_path, text=False).stdout
    start = data.index(b"\n") + 1
    size = 6 + 64 * 48 * 3 // 2
    assert part == data[:start] + data[start + size : start + 3 * size]


def test_decode_to_pictures(folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    stream = folder / "mean-frame" / "stream.bin"
    assert bench("decode", stream, "-o", "frames/", "--frames", "2:", cwd=tmp_path).returncode == 0
    pictures = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in pictures] == ["000002.png", "000003.png", "000004.png"]
    assert np.asarray(Image.open(pictures[0])).shape == (48, 64, 3)
    refused(bench("decode", stream, "-o", "frames/", cwd=tmp_path), "frames", "not an empty folder")


def test_the_pipe_is_a_line_frames_and_a_line(folder: Path) -> None:
    ran = bench("decode", "mean-frame/stream.bin", "--pipe", "--frames", ":2", cwd=folder, text=False)
    head, _, rest = ran.stdout.partition(b"\n")
    header = json.loads(head)
    assert {key: header[key] for key in ("pixel_format", "width", "height", "frames", "fps")} == {
        "pixel_format": "yuv420p",
        "width": 64,
        "height": 48,
        "frames": 5,
        "fps": "25/1",
    }
    trailer = json.loads(rest[2 * 64 * 48 * 3 // 2 :])
    assert set(trailer) >= {"stages", "peak_memory_bytes"}


@pytest.mark.slow
def test_verify_prints_each_deviation(folder: Path, tmp_path: Path) -> None:
    own = ("--condition", folder / "test-v0.yaml", "--clip", folder / "clip" / "clip.json")
    ran = bench("verify", folder / "mean-frame", *own, cwd=tmp_path)
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1), ran.stdout + ran.stderr
    altered = tmp_path / "altered"
    altered.mkdir()
    for name in ("stream.bin", "encode.json", "record.json"):
        (altered / name).write_bytes((folder / "mean-frame" / name).read_bytes())
    values = json.loads((altered / "record.json").read_text())
    values["metrics"]["psnr_y_db"] += 0.5
    values["frames"] += 1
    (altered / "record.json").write_text(json.dumps(values))
    ran = bench("verify", folder / "mean-frame" / "record.json", altered, *own, cwd=tmp_path)
    assert ran.returncode == 1
    lines = ran.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("as recorded; all 5 frames are identical")
    assert "frames is 5, recorded 6" in lines[1]
    assert "psnr_y_db" in lines[2]
    data = bytearray((altered / "stream.bin").read_bytes())
    data[-1] ^= 1
    (altered / "stream.bin").write_bytes(data)
    ran = bench("verify", altered, *own, cwd=tmp_path)
    assert ran.returncode == 1
    assert "sha256" in ran.stdout
    (altered / "stream.bin").unlink()
    assert "stream.bin: is missing" in bench("verify", altered, *own, cwd=tmp_path).stdout
    refused(bench("verify", folder / "clip", cwd=tmp_path), "holds no record.json")


@pytest.mark.slow
def test_verify_finds_the_stream_of_a_reference(folder: Path, tmp_path: Path) -> None:
    """Its record is in results/points, its stream and report in results/reference, whatever the folder."""
    results = tmp_path / "elsewhere" / "results"
    run = Path("test-v0/discs/mean-frame/raw")
    record, tracked = results / "points" / run / "reference-seed0", results / "reference" / run / "seed0"
    record.mkdir(parents=True)
    tracked.mkdir(parents=True)
    values = json.loads((folder / "mean-frame" / "record.json").read_text())
    values |= {"run": "reference-seed0", "reference": True}
    (record / "record.json").write_text(json.dumps(values))
    for name in ("stream.bin", "encode.json"):
        shutil.copy(folder / "mean-frame" / name, tracked)
    own = ("--condition", folder / "test-v0.yaml", "--clip", folder / "clip" / "clip.json")
    ran = bench("verify", "elsewhere/results/points/test-v0", *own, cwd=tmp_path)
    path = "elsewhere/results/points/test-v0/discs/mean-frame/raw/reference-seed0/record.json"
    # There is no frames.csv beside the record, but the record has the digest of all frames.
    line = f"{path}: as recorded; all frames are identical\n"
    assert (ran.returncode, ran.stdout) == (0, line), ran.stdout + ran.stderr
    (tracked / "stream.bin").unlink()
    assert "stream.bin: is missing" in bench("verify", record, *own, cwd=tmp_path).stdout


@pytest.mark.slow
def test_verify_prepares_the_clip_of_a_known_sequence(folder: Path, tmp_path: Path) -> None:
    ran = bench("verify", folder / "mean-frame", "--condition", folder / "test-v0.yaml", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "preparing discs" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_rerun_computes_the_same_stream(folder: Path, tmp_path: Path) -> None:
    own = ("--condition", folder / "test-v0.yaml", "--clip", folder / "clip" / "clip.json")
    ran = bench("rerun", folder / "x264-medium" / "record.json", "--out", "again", *own, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "byte for byte" in ran.stderr
    old, new = (
        Record.read(folder / "x264-medium" / "record.json"),
        Record.read(tmp_path / "again/record.json"),
    )
    assert (new.stream_sha256, new.metrics, new.settings) == (old.stream_sha256, old.metrics, old.settings)


def test_a_codec_that_is_not_fitted_has_no_training_speed(tmp_path: Path) -> None:
    ran = bench("speed", "x264-medium", "--condition", "demo-v1", cwd=tmp_path)
    refused(ran, "x264-medium: is a classical codec", "give a fitted codec: ffnerv-matched, nerv-matched")


def test_a_setting_of_the_command_line_is_used(folder: Path, tmp_path: Path) -> None:
    words = ("--codec", "x264-medium", "--point", "crf43", "--clip", folder / "clip/clip.json")
    ran = bench("encode", *words, "--set", "crf=51", "--out", "s", "--report", "r.json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "r.json").read_text())["settings"]["crf"] == 51
    assert all(line.startswith("[x264-medium crf43 seed0] ") for line in ran.stderr.splitlines())


def test_the_reader_of_stdout_may_end_early(folder: Path) -> None:
    command = [sys.executable, "-m", "bench", "decode", "mean-frame/stream.bin", "-o", "-"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == 1


SLEEP = """
import sys, time
from bench.cli import process
process.end_cleanly_on_signals()
process.die_with_parent()
sys.stdout.write("ready\\n"); sys.stdout.flush()
time.sleep(60)
"""


def test_a_job_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """As Snakemake starts it: a shell whose last command replaces it by `exec`."""
    (tmp_path / "sleep.py").write_text(SLEEP)
    command = f"set -euo pipefail; exec {sys.executable} sleep.py"
    starter = f"import subprocess; subprocess.run(['bash', '-c', {command!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", starter], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        began = time.monotonic()
        parent.stdout.read()  # ends when the last process that holds it has gone
        assert time.monotonic() - began < 20


def test_a_log_has_progress_and_the_error_line(folder: Path, tmp_path: Path) -> None:
    words = ("--codec", "x264-medium", "--point", "crf43", "--clip", folder / "clip/clip.json", "--out", "s")
    ran = bench("encode", *words, "--log", "logs/encode.log", cwd=tmp_path)
    log = tmp_path / "logs" / "encode.log"
    assert ran.returncode == 0, ran.stderr
    assert "[x264-medium crf43 seed0] " in ran.stderr
    assert log.read_text() == ran.stderr
    ran = bench("encode", *words, "--set", "crff=3", "--log", log, cwd=tmp_path)
    refused(ran, "crff")
    assert log.read_text() == ran.stderr


def test_a_log_has_the_traceback_of_a_crash(tmp_path: Path) -> None:
    code = (
        "import sys; from bench.cli import codecs, main\n"
        "def crash(args): raise ZeroDivisionError('in a command')\n"
        "codecs.run = crash; sys.exit(main(['codecs', '--log', 'crash.log']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert ran.returncode == 1
    log = (tmp_path / "crash.log").read_text()
    assert log.startswith("Traceback")
    assert log.splitlines()[-1] == ran.stderr.splitlines()[-1] == "ZeroDivisionError: in a command"


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    refused(bench("codecs", "--log", tmp_path, cwd=tmp_path), str(tmp_path), "is a folder")


def test_the_command_line_imports_no_slow_package() -> None:
    """The time of a decode includes the imports of its process."""
    code = (
        "import sys, bench.cli; bench.cli.parser()\n"
        "slow = {'torch', 'pandas', 'matplotlib', 'scipy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(str(slow) if slow else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_commands_do_not_import_each_other() -> None:
    folder = ROOT / "bench" / "cli"
    for path in folder.glob("*.py"):
        others = {other.stem for other in folder.glob("*.py")} - {path.stem, "__init__"}
        imported = re.findall(r"^\s*from bench\.cli(?:\.(\w+))? import ", path.read_text(), re.MULTILINE)
        assert not others & set(imported), path


def test_parsing() -> None:
    assert parse_overrides(["a=1", "b=[1, 2]", "c=x=y", "d="]) == {"a": 1, "b": [1, 2], "c": "x=y", "d": None}
    for word in ("a", "=1", "a=[", "a: 1"):
        with pytest.raises(BenchError, match="--set"):
            parse_overrides([word])
    assert [parse_frames(text, 9) for text in (None, "2:", ":3", "1:9")] == [(0, 9), (2, 9), (0, 3), (1, 9)]
    for text in ("", ":", "9:", "-1:3", "a:b", "1:2:3"):
        if text not in ("", ":"):
            with pytest.raises(BenchError, match="--frames"):
                parse_frames(text, 9)


def test_codecs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codecs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "family", "kind", "label", "points"]
    assert any(line.startswith("identity ") for line in lines)
    assert main(["codecs", "x264-medium"]) == 0
    assert "encoder: x264" in capsys.readouterr().out
    assert main(["codecs", "x264"]) == 2


def test_the_prepared_clip_is_whole(folder: Path) -> None:
    clip = Clip.load(folder / "clip" / "clip.json")
    assert (clip.info.frames, clip.info.width, clip.info.height) == (5, 64, 48)
    assert len(list(clip.frames())) == 5
