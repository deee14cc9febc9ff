"""Decoders that hang, are killed, or have too little memory: one line, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_data import write_clip

from bench.base.errors import BenchError, StreamError
from bench.base.paths import ROOT
from bench.codec import decoder_process, registry
from bench.codec.container import Header, read_stream
from bench.codec.decoder_process import decode_process, time_decode
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip

#: Stands for `python -m bench decode`: writes a true first line, starts a child and hangs.
HANG = """#!/bin/sh
sleep 60 & echo $! > {pids}
echo $$ >> {pids}
cat {line}
wait
"""


@pytest.fixture(scope="module")
def stream(tiny_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = registry.codec_config("mean-frame")
    out = tmp_path_factory.mktemp("stream") / "stream.bin"
    settings: dict[str, Any] = registry.resolve_settings(config, {}, config.points["raw"])
    encode(EncodePlan(config=config, point="raw", settings=settings, clip=tiny_clip, out=out))
    return out


@pytest.fixture
def header(stream: Path) -> Header:
    return read_stream(stream).header


def test_a_decoder_that_hangs_is_killed_with_its_children(
    stream: Path, header: Header, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = tmp_path / "line"
    values = {name: getattr(header, name) for name in ("width", "height", "frames", "pixel_format")}
    line.write_text(str(values).replace("'", '"') + "\n")
    program, pids = tmp_path / "python", tmp_path / "pids"
    program.write_text(HANG.format(pids=pids, line=line))
    program.chmod(0o755)
    monkeypatch.setattr(decoder_process.sys, "executable", str(program))
    monkeypatch.setenv("BENCH_DECODE_SILENCE_S", "0.5")
    with pytest.raises(StreamError, match=r"its decoder wrote nothing for 0\.5 s; check the stream"):
        time_decode(stream, header, "cpu")
    for pid in map(int, pids.read_text().split()):
        wait_for_end(pid)


def wait_for_end(pid: int) -> None:
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and state(pid) != "Z":
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.02)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_decoder_that_hangs_after_its_last_line_is_killed(
    stream: Path, header: Header, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "bench", "decode", str(stream), "--pipe", "--device", "cpu"]
    output = tmp_path / "output"
    output.write_bytes(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat {output}\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(decoder_process.sys, "executable", str(program))
    monkeypatch.setenv("BENCH_DECODE_SILENCE_S", "0.5")
    with pytest.raises(StreamError, match=r"its decoder wrote nothing for 0\.5 s"):
        time_decode(stream, header, "cpu")


def test_a_decoder_that_writes_for_ever_is_killed(
    stream: Path, header: Header, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never silent for long, so only the limit of the whole decode ends it."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nwhile :; do printf ' '; sleep 0.05; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(decoder_process.sys, "executable", str(program))
    monkeypatch.setenv("BENCH_DECODE_LIMIT_S", "0.5")
    with pytest.raises(StreamError, match=r"its decoder took more than 0\.5 s; .* BENCH_DECODE_LIMIT_S"):
        time_decode(stream, header, "cpu")


def test_time_for_scoring_is_not_silence(
    stream: Path, header: Header, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DECODE_SILENCE_S", "5")
    with decode_process(stream, header, "cpu") as process:
        process.limits_s["BENCH_DECODE_SILENCE_S"] = (
            0.1  # the first line has arrived before: only reads of frames are limited now
        )
        frames = process.frames()
        next(frames)
        time.sleep(0.4)
        assert len(list(frames)) == header.frames - 1


@pytest.mark.parametrize("ahead", [0, 3, 10, 99])
def test_frames_that_are_read_ahead_are_the_same(stream: Path, header: Header, ahead: int) -> None:
    with decode_process(stream, header, "cpu") as process:
        frames = list(process.frames(ahead_bytes=ahead * header.frame_bytes))
        assert process.cost is not None
    _, checksums = time_decode(stream, header, "cpu")
    assert [decoder_process.frame_md5(frame) for frame in frames] == checksums


@pytest.mark.slow
def test_the_decode_time_excludes_waiting_for_the_reader(tmp_path: Path) -> None:
    """Frames of 173 kB do not fit into a pipe, so the decoder waits for its reader to take each."""
    config = registry.codec_config("mean-frame")
    clip = write_clip(tmp_path / "clip", [np.zeros(480 * 240 * 3 // 2, np.uint8)] * 6, width=480, height=240)
    settings = registry.resolve_settings(config, {}, config.points["raw"])
    encode(EncodePlan(config=config, point="raw", settings=settings, clip=clip, out=tmp_path / "s"))
    with decode_process(tmp_path / "s", read_stream(tmp_path / "s").header, "cpu") as process:
        started = time.perf_counter()
        for _ in process.frames():
            time.sleep(0.3)
        elapsed = time.perf_counter() - started
    assert process.cost.wall_s < elapsed - 4 * 0.3 + 0.1


def test_a_killed_decoder_is_one_line(stream: Path, header: Header) -> None:
    with decode_process(stream, header, "cpu") as process:
        os.kill(process.process.pid, signal.SIGKILL)
        with pytest.raises(StreamError, match=r"its decoder was killed \(signal 9\); measure it again"):
            list(process.frames())


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_an_invalid_limit_is_refused(
    stream: Path, header: Header, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("BENCH_DECODE_SILENCE_S", text)
    with pytest.raises(BenchError, match=r"BENCH_DECODE_SILENCE_S.*must be a positive number"):
        time_decode(stream, header, "cpu")
