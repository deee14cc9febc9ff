"""The ffmpeg binary is an input of the points that it encodes and measures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from bench.analysis.labels import origin_notes
from bench.base import ffmpeg
from bench.base.errors import BenchError
from bench.base.result_files import RunKey
from bench.workflow.plan import Plan, make_plan


@pytest.fixture(autouse=True)
def uncached() -> Iterator[None]:
    """The binary is looked up once in a process. Each test here has another one."""
    functions = (ffmpeg.ffmpeg_exe, ffmpeg.ffmpeg_version, ffmpeg.ffmpeg_identity)
    for function in functions:
        function.cache_clear()
    yield
    for function in functions:
        function.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, path: Path | str) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))
    for function in (ffmpeg.ffmpeg_exe, ffmpeg.ffmpeg_version, ffmpeg.ffmpeg_identity):
        function.cache_clear()


def version(path: Path, text: str) -> Path:
    """A program that prints a version as ffmpeg does, and passes everything else on."""
    path.write_text(f"#!/bin/sh\necho 'ffmpeg version {text} Copyright (c) 2000-2026'\n")
    path.chmod(0o755)
    return path


def keys(plan: Plan) -> dict[str, RunKey]:
    return {point.codec: point for point in plan.points if not point.reference}


def test_another_binary_runs_classical_encodes_and_all_measurements_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("demo-v1")
    of = keys(plan)
    before = {codec: (plan.encode_inputs(key), plan.measure_inputs(key)) for codec, key in of.items()}
    assert "ffmpeg" in json.loads(before["x264-medium"][0])
    use(monkeypatch, version(tmp_path / "ffmpeg", "8.1"))
    after = {codec: (plan.encode_inputs(key), plan.measure_inputs(key)) for codec, key in of.items()}
    for codec in of:
        encodes_again = before[codec][0] != after[codec][0]
        assert encodes_again == (plan.configs[codec].kind == "classical"), codec
        assert before[codec][1] != after[codec][1]


def test_a_copy_of_the_binary_is_the_same_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ffmpeg.ffmpeg_identity()
    copy = tmp_path / "ffmpeg"
    shutil.copy(ffmpeg.ffmpeg_exe(), copy)
    use(monkeypatch, copy)
    assert ffmpeg.ffmpeg_identity() == before


@pytest.mark.parametrize("text", ["7.0.2-static", "n6.1.1", "4.4.2-0ubuntu0.22.04.1"])
def test_an_old_version_is_refused_by_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    use(monkeypatch, version(tmp_path / "ffmpeg", text))
    with pytest.raises(BenchError, match=f"is version {text}, but 7.1 is needed; unset IMAGEIO_FFMPEG_EXE"):
        make_plan("demo-v1")


@pytest.mark.parametrize("text", ["7.1", "n9.0.2-17-g2a571b", "N-120000-gabcdef", "2026-01-01-git-1a2b"])
def test_a_new_or_unnumbered_version_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    use(monkeypatch, version(tmp_path / "ffmpeg", text))
    ffmpeg.check_ffmpeg_version()


def test_a_missing_binary_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, tmp_path / "none")
    with pytest.raises(BenchError, match=r"none: cannot be run as ffmpeg .*; correct IMAGEIO_FFMPEG_EXE"):
        make_plan("demo-v1")


def test_the_summary_notes_several_versions() -> None:
    rows = pd.DataFrame(
        {
            "kind": ["classical", "classical", "fitted", "classical"],
            "run": ["seed0", "seed0", "seed0", "reference-seed0"],
            "reference": [False, False, False, True],
            "encode_ffmpeg": ["9.0", "8.1", "7.1", "6.0"],
            "ffmpeg": ["9.0", "9.0", "9.0", "9.0"],
        }
    )
    (note,) = origin_notes(rows)
    assert "encoded with several versions of ffmpeg" in note
    assert "9.0 (1 points)" in note
    assert "8.1 (1 points)" in note
    assert "7.1" not in note
    assert list(origin_notes(rows[rows["encode_ffmpeg"] == "9.0"])) == []
