"""Plan files: a plan is equal after writing and reading, and a damaged file is an error in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.conditions.reader import condition_names
from bench.workflow.plan import make_plan
from bench.workflow.plan_file import read_plan, write_plan


@pytest.mark.slow
@pytest.mark.parametrize("name", condition_names())
def test_a_plan_is_the_same_after_its_file(name: str, tmp_path: Path) -> None:
    plan = make_plan(name)
    path = write_plan(plan, tmp_path)
    again = read_plan(path)
    assert (again.points, again.skipped, again.configs) == (plan.points, plan.skipped, plan.configs)
    assert again.settings == plan.settings
    assert again.condition == plan.condition
    assert write_plan(again, tmp_path) == path
    for point in again.points:
        assert again.measure_inputs(point) == read_plan(path).measure_inputs(point)


def test_another_plan_has_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "title: t\nclips: {discs: {sequence: discs-tiny}}\ncodecs: {identity: {}}\n"
    Path("c-v0.yaml").write_text(text)
    first = write_plan(make_plan("c-v0.yaml"))
    assert first.startswith(".snakemake/plans/c-v0-")
    Path("c-v0.yaml").write_text(text.replace("title: t", "title: u"))
    second = write_plan(make_plan("c-v0.yaml"))
    assert first != second
    assert read_plan(first).condition.title == "t"


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"condition": 1}'])
def test_a_damaged_plan_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(BenchError) as raised:
        read_plan(path)
    assert str(raised.value).startswith(f"{path}: is not a plan file (")
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """As in a read-only checkout. Here a file is in the folder's place, which stops root, too."""
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"file/plans: cannot be written .*; .* --directory FOLDER"):
        write_plan(make_plan("demo-v1"), tmp_path / "file" / "plans")


def test_a_missing_plan_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"gone\.json: no such file; give the path of a plan file"):
        read_plan(tmp_path / "gone.json")


def test_a_point_that_is_not_planned_is_refused_with_similar_names(tmp_path: Path) -> None:
    plan = read_plan(write_plan(make_plan("demo-v1"), tmp_path))
    clip = next(iter(plan.condition.clips))
    with pytest.raises(BenchError, match=r"plan of demo-v1: unknown point 'bpp0\.1'"):
        plan.settings_of(clip, "nerv-matched", "bpp0.1")
    assert json.loads(plan.encode_inputs(plan.points[0]))["settings"]
