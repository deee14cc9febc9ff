"""The command line as its users have it: in processes of its own, most of them."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.cli.decode import parse_frames
from bench.cli.encode import parse_overrides
from bench.cli.process import locked
from bench.clip import Clip
from bench.config import ROOT
from bench.errors import BenchError
from bench.record import Record

CONDITION = """
title: A test
clips:
  discs: {sequence: discs-tiny, trim: [0, 5]}
codecs:
  mean-frame: {}
  identity: {}
  x264-medium: {points: {low: {crf: 40, preset: ultrafast}}}
strip: {frame: 2, crop: [0, 0, 16, 16]}
"""


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def bench(*words: object, cwd: Path, text: bool = True, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bench", *map(str, words)]
    options = {"capture_output": True, "env": environment(), **options}
    return subprocess.run(command, cwd=cwd, text=text, check=False, timeout=300, **options)


def refused(ran: subprocess.CompletedProcess, *said: str) -> None:
    """Exit status 2 and one line on stderr, after progress at most."""
    assert ran.returncode == 2, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("error: ")
    for words in said:
        assert words in lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared clip, two streams and their records, made by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "test-v0.yaml").write_text(CONDITION)
    ran = bench("prepare", "--condition", "test-v0.yaml", "--clip", "discs", "--out", "clip", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    for codec, point in (("mean-frame", "raw"), ("x264-medium", "low")):
        place = ("--codec", codec, "--condition", "test-v0.yaml", "--point", point)
        clip = ("--clip", "clip/clip.json")
        out = ("--out", f"{codec}/stream.bin", "--report", f"{codec}/encode.json")
        ran = bench("encode", *place, *clip, *out, cwd=folder)
        assert ran.returncode == 0, ran.stderr
        stream = ("--stream", f"{codec}/stream.bin", "--report", f"{codec}/encode.json", "--run", "seed0")
        out = ("--out", f"{codec}/record.json", "--frames-csv", f"{codec}/frames.csv")
        ran = bench("measure", *place, *clip, *stream, *out, "--crop", f"{codec}/crop.png", cwd=folder)
        assert ran.returncode == 0, ran.stderr
    return folder


def test_a_point_leaves_these_files(folder: Path) -> None:
    names = {path.name for path in (folder / "x264-medium").iterdir()}
    assert names == {"stream.bin", "encode.json", "record.json", "frames.csv", "crop.png"}
    record = Record.read(folder / "x264-medium" / "record.json")
    assert (record.codec, record.point, record.run, record.frames) == ("x264-medium", "low", "seed0", 5)
    assert record.settings["crf"] == 40
    assert record.encode["stages"]
    assert record.decode["wall_s"] > 0
    assert record.stream_bytes == (folder / "x264-medium" / "stream.bin").stat().st_size


def test_collect_writes_one_row_a_record(folder: Path, tmp_path: Path) -> None:
    records = [folder / codec / "record.json" for codec in ("x264-medium", "mean-frame")]
    assert bench("collect", "--out", "rd_points.csv", *records, cwd=tmp_path).returncode == 0
    with open(tmp_path / "rd_points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["series"] for row in rows] == ["x264-medium", "mean-frame"]
    assert float(rows[0]["rate_bpp"]) < float(rows[1]["rate_bpp"])


def test_describe_tells_json(folder: Path) -> None:
    ran = bench("describe", "x264-medium/stream.bin", cwd=folder)
    told = json.loads(ran.stdout)
    assert told["header"]["family"] == "ffmpeg"
    assert told["bytes"] == (folder / "x264-medium" / "stream.bin").stat().st_size


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


def test_verify_says_what_is_not_true(folder: Path, tmp_path: Path) -> None:
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
    assert "as recorded" in lines[0]
    assert "frames is 5, recorded 6" in lines[1]
    assert "psnr_y_db" in lines[2]
    data = bytearray((altered / "stream.bin").read_bytes())
    data[-1] ^= 1
    (altered / "stream.bin").write_bytes(data)
    ran = bench("verify", altered, *own, cwd=tmp_path)
    assert ran.returncode == 1
    assert "sha256" in ran.stdout
    (altered / "stream.bin").unlink()
    assert "stream.bin is missing" in bench("verify", altered, *own, cwd=tmp_path).stdout
    refused(bench("verify", folder / "clip", cwd=tmp_path), "holds no record.json")


def test_verify_prepares_the_clip_of_a_known_sequence(folder: Path, tmp_path: Path) -> None:
    ran = bench("verify", folder / "mean-frame", "--condition", folder / "test-v0.yaml", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "preparing discs" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_rerun_makes_the_same_stream(folder: Path, tmp_path: Path) -> None:
    own = ("--condition", folder / "test-v0.yaml", "--clip", folder / "clip" / "clip.json")
    ran = bench("rerun", folder / "x264-medium" / "record.json", "--out", "again", *own, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "byte for byte" in ran.stderr
    old, new = (
        Record.read(folder / "x264-medium" / "record.json"),
        Record.read(tmp_path / "again/record.json"),
    )
    assert (new.stream_sha256, new.metrics, new.settings) == (old.stream_sha256, old.metrics, old.settings)


def test_a_setting_typed_by_hand_counts(folder: Path, tmp_path: Path) -> None:
    words = ("--codec", "x264-medium", "--point", "crf43", "--clip", folder / "clip/clip.json")
    ran = bench("encode", *words, "--set", "crf=51", "--out", "s", "--report", "r.json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "r.json").read_text())["settings"]["crf"] == 51
    assert all(line.startswith("[x264-medium crf43 seed0] ") for line in ran.stderr.splitlines())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--codec", "x264-medum", "--point", "low"), ("x264-medum", "x264-medium")),
        (("--codec", "x264-medium", "--point", "hgih"), ("hgih", "low")),
        (("--codec", "x264-medium", "--point", "low", "--set", "crff=3"), ("crff", "crf")),
        (("--codec", "x264-medium", "--point", "low", "--set", "crf=high"), ("crf", "high")),
        (("--codec", "x264-medium", "--point", "low", "--set", "crf"), ("--set crf",)),
        (("--codec", "x264-medium", "--point", "low", "--set", "preset=quick"), ("encoder x264",)),
        (("--codec", "mean-frame", "--point", "raw", "--set", "mode=other"), ("mode", "other")),
        (("--codec", "mean-frame"), ("--point",)),
    ],
)
def test_a_wrong_encode_is_refused_in_one_line(folder: Path, tmp_path: Path, words, said) -> None:
    condition = ("--condition", folder / "test-v0.yaml", "--clip", folder / "clip" / "clip.json")
    refused(bench("encode", *words, *condition, "--out", "s", "--report", "r", cwd=tmp_path), *said)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def altered_clip(folder: Path, target: Path, change: Callable[[Path], None]) -> Path:
    target.mkdir()
    for name in ("clip.y4m", "clip.json"):
        (target / name).write_bytes((folder / "clip" / name).read_bytes())
    change(target)
    return target / "clip.json"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda clip: (clip / "clip.json").unlink(), "clip.json"),
        (lambda clip: (clip / "clip.y4m").unlink(), "clip.y4m"),
        (lambda clip: (clip / "clip.json").write_text("{"), "clip.json"),
        (lambda clip: os.truncate(clip / "clip.y4m", 1000), "clip.y4m"),
        (lambda clip: edit(clip / "clip.json", "frames", 0), "frames"),
        (lambda clip: edit(clip / "clip.json", "width", 63), "width"),
    ],
)
def test_a_wrong_clip_is_refused_in_one_line(folder: Path, tmp_path: Path, change, said: str) -> None:
    clip = altered_clip(folder, tmp_path / "clip", change)
    words = ("--codec", "identity", "--point", "raw", "--clip", clip, "--out", "out/s")
    refused(bench("encode", *words, cwd=tmp_path), said)
    assert not (tmp_path / "out").exists()


def edit(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: data[:20], "cut short"),
        (lambda data: data[:-1], "cut short"),
        (lambda data: data + b"x", "after its end"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum"),
        (lambda data: data[:4] + b"\x09" + data[5:], "version 9"),
        (lambda data: b"RIFF" + data[4:], "not a stream"),
    ],
)
def test_a_wrong_stream_is_refused_in_one_line(folder: Path, tmp_path: Path, change, said: str) -> None:
    (tmp_path / "s").write_bytes(change((folder / "mean-frame" / "stream.bin").read_bytes()))
    for words in (("decode", "s", "-o", "out.y4m"), ("decode", "s", "-o", "png/"), ("describe", "s")):
        refused(bench(*words, cwd=tmp_path), "s: ", said)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "out.mp4"), "out.mp4"),
        (("-o", "x.y4m", "--frames", "3:2"), "--frames 3:2"),
        (("-o", "x.y4m", "--frames", "0:6"), "--frames 0:6"),
        (("-o", "x.y4m", "--frames", "2"), "--frames 2"),
        ((), "-o"),
    ],
)
def test_a_wrong_decode_is_refused_in_one_line(folder: Path, tmp_path: Path, words, said: str) -> None:
    refused(bench("decode", folder / "mean-frame" / "stream.bin", *words, cwd=tmp_path), said)
    assert not list(tmp_path.iterdir())


def test_no_space_left(folder: Path, tmp_path: Path) -> None:
    stream = folder / "mean-frame" / "stream.bin"
    with open("/dev/full", "wb") as full:
        options = {"stdout": full, "stderr": subprocess.PIPE, "capture_output": False}
        refused(bench("decode", stream, "-o", "-", cwd=tmp_path, **options), "no space left")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    coded = ("--codec", "identity", "--point", "raw", "--clip", folder / "clip/clip.json", "--out", "s")
    for words in (("encode", *coded, "--report", "r"), ("decode", stream, "-o", "x.y4m")):
        refused(bench(*words, cwd=tmp_path, preexec_fn=small_files), "may not grow")
        assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written(folder: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    words = ("encode", "--codec", "identity", "--point", "raw", "--clip", folder / "clip/clip.json")
    # Root may write anywhere but where there is no file system to write to.
    place = closed if os.getuid() else Path("/proc/self")
    refused(bench(*words, "--out", place / "s", cwd=tmp_path), str(place))
    (tmp_path / "file").touch()
    refused(bench(*words, "--out", "file/s", cwd=tmp_path), "file")
    assert not list(closed.iterdir())


def test_who_reads_may_leave_early(folder: Path) -> None:
    command = [sys.executable, "-m", "bench", "decode", "mean-frame/stream.bin", "-o", "-"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == 1


def test_a_package_that_is_missing_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)  # what imports it finds none
    out = folder / "without-package"
    status = main(["decode", str(folder / "mean-frame" / "stream.bin"), "-o", f"{out}/"])
    assert (status, capsys.readouterr().err) == (2, "error: the package PIL is not installed; run make env\n")
    assert not out.exists()


def test_a_state_folder_has_one_owner(tmp_path: Path, folder: Path) -> None:
    words = ("encode", "--codec", "identity", "--point", "raw", "--clip", folder / "clip/clip.json")
    with locked(tmp_path / "state"):
        ran = bench(*words, "--out", "s", "--state-dir", "state", cwd=tmp_path)
        refused(ran, "state", f"process {os.getpid()}")
    assert bench(*words, "--out", "s", "--state-dir", "state", cwd=tmp_path).returncode == 0


SLEEP = """
import sys, time
from bench.cli import process
process.end_cleanly_on_sigterm()
process.die_with_parent()
sys.stdout.write("ready\\n"); sys.stdout.flush()
time.sleep(60)
"""


@pytest.mark.parametrize("shell", [False, True], ids=["direct", "through a shell"])
def test_an_encode_ends_with_what_started_it(tmp_path: Path, shell: bool) -> None:
    (tmp_path / "sleep.py").write_text(SLEEP)
    inner = f"exec {sys.executable} sleep.py" if not shell else f"{sys.executable} sleep.py 2> log; true"
    starter = f"import subprocess; subprocess.run(['bash', '-c', {inner!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", starter], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        began = time.monotonic()
        parent.stdout.read()  # ends when the last process that holds it has gone
        assert time.monotonic() - began < 20


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


def test_an_unprepared_condition_is_refused(tmp_path: Path) -> None:
    refused(bench("prepare", "--condition", "nope", "--clip", "x", "--out", "o", cwd=tmp_path), "nope")
    (tmp_path / "c-v0.yaml").write_text(CONDITION)
    ran = bench("prepare", "--condition", "c-v0.yaml", "--clip", "disc", "--out", "o", cwd=tmp_path)
    refused(ran, "disc", "discs")
    assert not (tmp_path / "o").exists()


def test_the_prepared_clip_is_whole(folder: Path) -> None:
    clip = Clip.load(folder / "clip" / "clip.json")
    assert (clip.info.frames, clip.info.width, clip.info.height) == (5, 64, 48)
    assert len(list(clip.frames())) == 5
