"""The plan of a condition, its selections of points, and the messages of a run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bench.base.errors import BenchError
from bench.base.paths import CONDITIONS_DIR, ROOT
from bench.base.result_files import RunKey
from bench.conditions.run_config import check_config
from bench.sequences.prepare import prepare
from bench.workflow.existing_runs import find_references
from bench.workflow.messages import closing_message, partial_message
from bench.workflow.outputs import SUFFIXES, Selection
from bench.workflow.plan import Plan, make_plan, planned_info
from bench.workflow.rule_functions import digest

TINY = {
    "title": "tiny",
    "clips": {"discs": {"sequence": "discs-tiny", "trim": [2, 8], "crop": [8, 4, 40, 32], "scale": [32, 16]}},
    "seeds": [3, 5],
    "device": "cpu",
    "budget": {"epochs": 2},
    "codecs": {
        "nerv-matched": {
            "settings": {"strides": [2, 2, 2], "lower_width": 4, "stem_width": 16},
            "points": {"low": {"channels": 8}, "high": {"channels": 16}},
        },
        "x264-medium": {"points": ["crf38", "crf23"]},
        "identity": {},
    },
    "anchor": "x264-medium",
    "metrics": ["psnr_rgb_db", "vmaf"],
    "strip": {"frame": 1, "crop": [0, 0, 8, 8], "rate_bpp": 0.5},
}


@pytest.fixture
def plan_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that plans TINY with some keys changed, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def make(**changes: object) -> Plan:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
        return make_plan(str(path))

    return make


def point(codec: str, name: str, run: str = "seed3") -> RunKey:
    return RunKey(condition="tiny", clip="discs", codec=codec, point=name, run=run)


def test_the_plan_has_every_point_in_the_order_of_the_file(plan_of) -> None:
    runs = [(p.codec, p.point, p.run) for p in plan_of().points]
    assert runs == [
        ("nerv-matched", "low", "seed3"),
        ("nerv-matched", "low", "seed5"),
        ("nerv-matched", "high", "seed3"),
        ("nerv-matched", "high", "seed5"),
        ("x264-medium", "crf38", "seed3"),
        ("x264-medium", "crf23", "seed3"),
        ("identity", "raw", "seed3"),
    ]


def test_a_point_that_a_clip_leaves_out_has_no_run(plan_of) -> None:
    codecs = {"x264-medium": {"points": ["crf38", "crf23"], "clips": {"discs": {"crf38": None}}}}
    plan = plan_of(codecs=codecs)
    assert [p.point for p in plan.points] == ["crf23"]
    assert plan.skipped == ()
    codecs["x264-medium"]["clips"]["discs"] = None
    assert [p.codec for p in plan_of(codecs={**codecs, "identity": {}}).points] == ["identity"]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(CONDITIONS_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_condition_can_be_planned(path: Path) -> None:
    plan = make_plan(path.stem)
    assert plan.points
    assert plan.condition.anchor is None or plan.condition.anchor in plan.configs


def test_a_plan_does_not_import_torch() -> None:
    code = (
        "import sys; from bench.workflow.plan import make_plan; plan = make_plan('demo-v1')\n"
        "from bench.workflow.outputs import Selection; assert Selection(plan, 'demo-v1').figures(['parts'])\n"
        "[(plan.gpus(p), plan.encode_sources(p), plan.measure_sources(p)) for p in plan.points]\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_skipped_point_has_a_reason_and_no_run(plan_of) -> None:
    codecs = {"vvenc-faster": {"points": {"low": {"qp": 40}}}, "mean-frame": {}}
    plan = plan_of(codecs=codecs, anchor=None)
    assert [p.codec for p in plan.points] == ["mean-frame"]
    (skip,) = plan.skipped
    assert (skip.codec, skip.label, skip.point) == ("vvenc-faster", "VVenC faster", "low")
    assert skip.reason == "vvenc codes no side below 24 pixels"


def test_the_planned_clip_is_the_prepared_one(plan_of, tmp_path: Path) -> None:
    plan = plan_of()
    planned = planned_info(plan.condition, "discs")
    made = prepare(plan.condition, "discs", tmp_path / "clip").info
    names = ("name", "sequence", "width", "height", "frames", "fps", "colour")
    assert [getattr(planned, name) for name in names] == [getattr(made, name) for name in names]
    assert (planned.width, planned.height, planned.frames) == (32, 16, 6)


def reference(folder: str, *names: str) -> None:
    path = Path("results/reference/tiny", folder)
    path.mkdir(parents=True)
    codec, point, run = path.parts[-3:]
    for name in names:
        report = {"codec": codec, "point": point.removesuffix(".bak"), "seed": int(run[4:5] or 0)}
        (path / name).write_text(json.dumps(report))


def test_tracked_streams_are_apart_from_their_records(plan_of) -> None:
    reference("discs/ffnerv-official/e300/seed1", "stream.bin", "encode.json", "record.json")
    assert not any(p.reference for p in plan_of().points)

    plan = plan_of(reference=True)
    found = plan.points[-1]
    assert found.reference
    assert found == point("ffnerv-official", "e300", "reference-seed1")
    assert found.file("stream.bin") == "results/reference/tiny/discs/ffnerv-official/e300/seed1/stream.bin"
    assert found.file("record.json") == (
        "results/points/tiny/discs/ffnerv-official/e300/reference-seed1/record.json"
    )
    assert "FFNeRV" in plan.measure_inputs(found)


def test_references_of_the_conditions_codecs_come_first(plan_of) -> None:
    for codec in ("enerv-matched", "nerv-matched"):
        reference(f"discs/{codec}/low/seed0", "stream.bin", "encode.json")
    found = find_references(plan_of(reference=True).condition)
    assert [point.codec for point in found] == ["nerv-matched", "enerv-matched"]


@pytest.mark.parametrize(
    ("folder", "names", "message"),
    [
        ("discs/nerv-matched/low/seed0", ["stream.bin"], "encode.json"),
        ("discs/nerf/low/seed0", ["stream.bin", "encode.json"], "nerf"),
        ("disks/nerv-matched/low/seed0", ["stream.bin", "encode.json"], "try discs"),
        ("discs/nerv-matched/x$(touch pwned)/seed0", ["stream.bin", "encode.json"], "not a valid name"),
        ("discs/nerv-matched/low/seed0;touch pwned", ["stream.bin", "encode.json"], "not a valid name"),
        (
            "discs/nerv-matched/low/seed0.bak",
            ["stream.bin", "encode.json"],
            "run 'seed0.bak' is not a valid name; call a run seed<k>, or move the folder out",
        ),
        (
            "discs/nerv-matched/low.bak/seed0",
            ["stream.bin", "encode.json"],
            "encode.json: point is 'low', but its folder is that of 'low.bak'; move a copy out",
        ),
        ("discs/nerv-matched/low/old", ["stream.bin", "encode.json"], "run 'old' is not a valid name"),
    ],
)
def test_a_tracked_stream_that_cannot_be_scored_is_refused(plan_of, folder, names, message) -> None:
    reference(folder, *names)
    with pytest.raises(BenchError, match=message):
        find_references(plan_of().condition)


def test_hidden_folders_and_files_beside_references_are_ignored(plan_of) -> None:
    reference("discs/nerv-matched/low/seed0", "stream.bin", "encode.json")
    reference("discs/nerv-matched/low/.ipynb_checkpoints")
    Path("results/reference/tiny/discs/nerv-matched/low/notes.txt").touch()
    assert [point.run for point in find_references(plan_of().condition)] == ["reference-seed0"]


def test_a_partial_selection_has_the_measured_points_and_no_inputs(plan_of) -> None:
    plan = plan_of()
    partial, full = Selection.partial_of(plan), Selection(plan, "tiny")
    assert partial.points == []
    assert partial.targets(["rd", "frames", "strip", "fit"]) == []

    made = Path(point("x264-medium", "crf23").file("record.json"))
    made.parent.mkdir(parents=True)
    made.touch()
    assert partial.points == [point("x264-medium", "crf23")]
    assert partial.records() == [str(made)]
    assert full.points == plan.points
    assert partial.result_files("record.json") == []
    assert len(full.result_files("record.json", clip="discs")) == len(plan.points)
    assert full.result_files("record.json", clip="cubes") == []
    message = closing_message(plan, ["snakemake"]).splitlines()
    assert message[:2] == ["1 of 7 points, 0 skipped", "missing: discs/nerv-matched/low/seed3"]
    for target in ("partial", "plan", "list_figures"):
        assert closing_message(plan, ["snakemake", target]) == ""
    assert partial_message(plan).startswith("1 of 7 points: results/figures/partial/tiny")
    # Neither the source nor a fit is there yet: no strip, no fit.
    drawn = {path.rpartition("/")[2] for path in partial.targets(["rd", "frames", "strip", "fit"])}
    assert {name for name in drawn if name.startswith(("strip", "fit"))} == set()
    assert {f"frames_discs{suffix}" for suffix in SUFFIXES} <= drawn


def test_figures_are_those_that_the_points_can_fill(plan_of) -> None:
    kinds = ["rd", "frames", "strip", "fit"]

    def figures(**changes: object) -> list[str]:
        return Selection(plan_of(**changes), "tiny").figures(kinds)

    curves = ["rd_psnr_rgb_db", "rd_vmaf"]
    assert figures() == [*curves, "frames_discs", "strip_discs", "fit_discs"]
    assert figures(strip=None) == curves
    assert figures(strip={"frame": 1, "crop": [0, 0, 8, 8]}) == curves
    assert figures(codecs={"x264-medium": {}}) == [*curves, "frames_discs"]
    assert figures(strip=None, table_metrics=["vmaf_neg", "cambi"]) == curves
    assert Selection(plan_of(), "tiny").figures(["strip"]) == ["strip_discs"]


def test_metrics_of_tables_are_measured_and_compared_but_have_no_curves(plan_of) -> None:
    """CAMBI does not compare with the source, so it has no BD-rate."""
    condition = plan_of(table_metrics=["vmaf_neg", "cambi", "vmaf"], anchor="x264-medium").condition
    assert condition.measured_metrics == ("psnr_rgb_db", "vmaf", "vmaf_neg", "cambi")
    assert condition.compared_metrics == ("psnr_rgb_db", "vmaf", "vmaf_neg")
    assert plan_of(metrics=["cambi"], headline="cambi").condition.compared_metrics == ("cambi",)

    def ranks(**changes: object) -> list[str]:
        return Selection(plan_of(anchor="x264-medium", **changes), "tiny").figures(["metrics_agree"])

    assert ranks(metrics=["psnr_rgb_db"]) == ranks(metrics=["psnr_rgb_db"], table_metrics=["cambi"]) == []
    assert ranks(metrics=["psnr_rgb_db"], table_metrics=["vmaf_neg"]) == ["metrics_agree"]


def test_bits_need_a_fitted_network_and_parts_a_network_with_parts(plan_of) -> None:
    settings = {"channels": 8, "grid_lengths": [3, 5], "strides": [2, 2, 2], "lower_width": 4}
    ffnerv = {"ffnerv-matched": {"points": {"low": settings}}}

    def shown(**changes: object) -> tuple[list[str], bool]:
        view = Selection(plan_of(**changes), "tiny")
        return view.figures(["parts"]), "bits_discs" in view.tables()

    assert shown() == ([], True)
    assert shown(codecs=ffnerv, anchor=None) == (["parts_discs"], True)
    assert shown(codecs=ffnerv, anchor=None, strip=None) == ([], False)
    assert shown(codecs={"x264-medium": {}}) == ([], False)
    assert Selection.partial_of(plan_of(codecs=ffnerv, anchor=None)).targets(["parts"]) == []


def test_bd_rates_need_an_anchor(plan_of) -> None:
    assert "results/tables/tiny/bd_rate.csv" in Selection(plan_of(), "tiny").targets([])
    assert "results/tables/tiny/bd_rate.csv" not in Selection(plan_of(anchor=None), "tiny").targets([])


def test_the_inputs_of_a_job_are_what_it_depends_on(plan_of) -> None:
    plan, low = plan_of(), point("nerv-matched", "low")
    other_budget = plan_of(budget={"epochs": 3})
    other_clip = plan_of(clips={"discs": {"sequence": "discs-tiny"}})
    other_strip = plan_of(strip={"frame": 0, "crop": [0, 0, 8, 8]})
    label = {
        **plan.configs,
        "nerv-matched": plan.configs["nerv-matched"].model_copy(update={"label": "another"}),
    }
    other_label = replace(plan, configs=label)

    assert json.loads(plan.encode_inputs(low))["settings"]["epochs"] == 2
    assert plan.encode_inputs(low) != plan.encode_inputs(point("nerv-matched", "high"))
    assert plan.encode_inputs(low) != other_budget.encode_inputs(low)
    assert plan.prepare_inputs(low) != other_clip.prepare_inputs(low)
    assert plan.measure_inputs(low) != other_strip.measure_inputs(low)
    assert plan.measure_inputs(low) != other_label.measure_inputs(low)

    classical = point("x264-medium", "crf38")
    assert plan.encode_inputs(classical) == other_budget.encode_inputs(classical)
    assert plan.encode_inputs(low) == other_label.encode_inputs(low) == other_strip.encode_inputs(low)
    assert plan.prepare_inputs(low) == other_budget.prepare_inputs(low)


def test_each_family_has_its_own_sources(plan_of) -> None:
    plan = plan_of()
    nerv, x264 = point("nerv-matched", "low"), point("x264-medium", "crf38")
    assert plan.encode_sources(nerv) == plan.encode_sources(point("nerv-matched", "high"))
    assert len({plan.encode_sources(nerv), plan.encode_sources(x264), plan.measure_sources(nerv)}) == 3


def test_long_jobs_start_first(plan_of) -> None:
    plan = plan_of()
    order = [("nerv-matched", "high"), ("nerv-matched", "low"), ("x264-medium", "crf23"), ("identity", "raw")]
    priorities = [plan.priority(point(codec, name)) for codec, name in order]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == len(priorities)


def test_fits_start_in_the_order_of_their_work() -> None:
    """Their codec and their place in the condition have no effect."""
    plan = make_plan("uvg-1080p-v1")
    fits = [("nerv-matched", "1.6M"), ("hinerv-matched", "1.6M"), ("hnerv-matched", "3.2M")]
    fits += [("hinerv-matched", "12.8M"), ("hnerv-matched", "25.6M")]
    keys = [RunKey(condition="", clip="beauty", codec=codec, point=name, run="") for codec, name in fits]
    priorities = [plan.priority(key) for key in keys]
    assert priorities == sorted(priorities)
    short = RunKey(condition="", clip="shakendry", codec="hnerv-matched", point="25.6M", run="")
    assert priorities[-1] - plan.priority(short) == 1000  # half the frames


@pytest.mark.parametrize(("device", "fit"), [("cpu", 0), ("cuda", 1)])
def test_only_networks_on_a_gpu_request_one(plan_of, device: str, fit: int) -> None:
    plan = plan_of(device=device)
    assert plan.gpus(point("nerv-matched", "low")) == fit
    assert plan.gpus(point("x264-medium", "crf38")) == 0
    assert plan.threads(point("x264-medium", "crf38")) == plan.configs["x264-medium"].threads


def test_a_hidden_gpu_is_not_requested(plan_of, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert plan_of(device="auto").gpus(point("nerv-matched", "low")) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"figuers": ["rd"]}, "unknown key 'figuers'; try figures"),
        ({"figures": ["rd", "pie"]}, "figures: 1: unknown value 'pie'; try "),
        ({"figures": "rd"}, "figures: 'rd' must be a list; write"),
        ({"condition": 1}, "condition: 1 must be a name; rename a condition whose name is a number"),
        ({"condition": "../demo"}, "condition: '../demo' cannot be the name of a folder"),
    ],
)
def test_an_error_in_the_configuration_is_one_line(changes: dict, message: str) -> None:
    config = {"condition": "demo-v1", "figures": ["rd"]}
    check_config(config, where="config.yaml")
    with pytest.raises(BenchError) as raised:
        check_config(config | changes, where="config.yaml")
    assert str(raised.value).startswith("config.yaml: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(BenchError, match="key 'condition' is missing"):
        check_config({"figures": []}, where="config.yaml")


def test_a_digest_follows_names_and_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("a")
    first = digest([one])
    assert first == digest([one]) != digest([two])
    one.write_text("b")
    assert first != digest([one])
