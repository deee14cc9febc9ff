"""`bench` in processes of its own, and what a test of it begins with: a prepared clip and streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.base.paths import ROOT

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


def prepare(folder: Path) -> None:
    """Write the condition into a folder, and prepare its clip."""
    (folder / "test-v0.yaml").write_text(CONDITION)
    ran = bench("prepare", "--condition", "test-v0.yaml", "--clip", "discs", "--out", "clip", cwd=folder)
    assert ran.returncode == 0, ran.stderr


def encode(folder: Path, codec: str, point: str) -> None:
    """Encode the clip of a folder: a stream and its report, in a folder of the codec's name."""
    place = ("--codec", codec, "--condition", "test-v0.yaml", "--point", point)
    clip = ("--clip", "clip/clip.json")
    out = ("--out", f"{codec}/stream.bin", "--report", f"{codec}/encode.json")
    ran = bench("encode", *place, *clip, *out, cwd=folder)
    assert ran.returncode == 0, ran.stderr
