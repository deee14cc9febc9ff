"""Errors of the command line in one line: wrong arguments, damaged files, folders without permission."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import CONDITION, bench, encode, prepare, refused

from bench.base.locks import locked
from bench.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared clip and a stream, computed by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    prepare(folder)
    encode(folder, "mean-frame", "raw")
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
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
def test_a_wrong_encode_is_refused_in_one_line(folder: Path, tmp_path: Path, words, message) -> None:
    condition = ("--condition", folder / "test-v0.yaml", "--clip", folder / "clip" / "clip.json")
    refused(bench("encode", *words, *condition, "--out", "s", "--report", "r", cwd=tmp_path), *message)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def altered_clip(folder: Path, target: Path, change: Callable[[Path], None]) -> Path:
    target.mkdir()
    for name in ("clip.y4m", "clip.json"):
        (target / name).write_bytes((folder / "clip" / name).read_bytes())
    change(target)
    return target / "clip.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clip: (clip / "clip.json").unlink(), "clip.json"),
        (lambda clip: (clip / "clip.y4m").unlink(), "clip.y4m"),
        (lambda clip: (clip / "clip.json").write_text("{"), "clip.json"),
        (lambda clip: os.truncate(clip / "clip.y4m", 1000), "clip.y4m"),
        (lambda clip: edit(clip / "clip.json", "frames", 0), "frames"),
        (lambda clip: edit(clip / "clip.json", "width", 63), "width"),
    ],
)
def test_a_wrong_clip_is_refused_in_one_line(folder: Path, tmp_path: Path, change, message: str) -> None:
    clip = altered_clip(folder, tmp_path / "clip", change)
    words = ("--codec", "identity", "--point", "raw", "--clip", clip, "--out", "out/s")
    refused(bench("encode", *words, cwd=tmp_path), message)
    assert not (tmp_path / "out").exists()


def flip_the_last_bit(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_a_flipped_bit_of_a_clip_is_noticed_by_encode_and_measure(folder: Path, tmp_path: Path) -> None:
    clip = altered_clip(folder, tmp_path / "clip", lambda clip: flip_the_last_bit(clip / "clip.y4m"))
    point = ("--codec", "mean-frame", "--point", "raw", "--clip", clip)
    words = ("clip.y4m: its sha256 is", "in clip.json; prepare the clip again")
    refused(bench("encode", *point, "--out", "out/s", cwd=tmp_path), *words)
    stream = ("--stream", folder / "mean-frame" / "stream.bin", "--condition", folder / "test-v0.yaml")
    outputs = ("--run", "seed0", "--out", "out/record.json", "--frames-csv", "out/frames.csv")
    refused(bench("measure", *stream, *point, *outputs, cwd=tmp_path), *words)
    assert not list(tmp_path.glob("out/*"))


def edit(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_a_wrong_stream_is_refused_in_one_line(folder: Path, tmp_path: Path, change, message: str) -> None:
    (tmp_path / "s").write_bytes(change((folder / "mean-frame" / "stream.bin").read_bytes()))
    for words in (("decode", "s", "-o", "out.y4m"), ("decode", "s", "-o", "png/"), ("describe", "s")):
        refused(bench(*words, cwd=tmp_path), "s: ", message)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "out.mp4"), "out.mp4"),
        (("-o", "x.y4m", "--frames", "3:2"), "--frames 3:2"),
        (("-o", "x.y4m", "--frames", "0:6"), "--frames 0:6"),
        (("-o", "x.y4m", "--frames", "2"), "--frames 2"),
        ((), "-o"),
    ],
)
def test_a_wrong_decode_is_refused_in_one_line(folder: Path, tmp_path: Path, words, message: str) -> None:
    refused(bench("decode", folder / "mean-frame" / "stream.bin", *words, cwd=tmp_path), message)
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


def test_an_unprepared_condition_is_refused(tmp_path: Path) -> None:
    refused(bench("prepare", "--condition", "nope", "--clip", "x", "--out", "o", cwd=tmp_path), "nope")
    (tmp_path / "c-v0.yaml").write_text(CONDITION)
    ran = bench("prepare", "--condition", "c-v0.yaml", "--clip", "disc", "--out", "o", cwd=tmp_path)
    refused(ran, "disc", "discs")
    assert not (tmp_path / "o").exists()
